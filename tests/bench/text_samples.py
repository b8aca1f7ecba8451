"""Varied lines of every text format, for measurements."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["FORMATS", "sample_lines"]

_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "curl/8.8.0",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "-",
)
_PATHS = ("/v1/orders/{}/items", "/v1/users/{}", "/health", "/v1/payments/{}:capture", "/api/v2/search")
_QUERIES = ("", "", "page=2&limit=50", "q=caf%C3%A9+au+lait&sort=-price")
_LINES_A_SECOND = 40


class Request(NamedTuple):
    """What a line tells."""

    ip: str
    method: str
    path: str
    query: str
    status: int
    size: int
    agent: str
    clock: str
    ms: int
    took: int
    host: str
    id: str

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def uuid(self) -> str:
        """The id as a UUID."""
        return "-".join((self.id[:8], self.id[8:12], self.id[12:16], self.id[16:20], self.id[20:]))

    @property
    def iso(self) -> str:
        """The time to the millisecond."""
        return f"2026-03-12T{self.clock}.{self.ms:03d}Z"

    @property
    def agent_in(self) -> str:
        """The user agent as tab-separated logs encode it."""
        return self.agent.replace(" ", "%20")


def _common(r: Request) -> str:
    return f'{r.ip} - - [12/Mar/2026:{r.clock} +0000] "{r.method} {r.target} HTTP/1.1" {r.status} {r.size}'


def _combined(r: Request) -> str:
    return f'{_common(r)} "-" "{r.agent}"'


def _alb(r: Request) -> str:
    return (
        f"https {r.iso} app/lb/50dc6c495c0c9188 {r.ip}:2817 10.0.0.1:80 0.000 {r.took / 1000:.3f} 0.000 {r.status} {r.status} 34 {r.size}"
        f' "{r.method} https://{r.host}:443{r.target} HTTP/2.0" "{r.agent}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2'
        f' arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-{r.id[:8]}-{r.id[8:]}"'
        f' "{r.host}" "arn:aws:acm:us-east-2:123456789012:certificate/12345678" 1 {r.iso} "forward" "-" "-" "10.0.0.1:80" "{r.status}"'
        f' "-" "-" TID_{r.id}'
    )


def _elb(r: Request) -> str:
    return (
        f"{r.iso} my-lb {r.ip}:2817 10.0.0.1:80 0.000073 {r.took / 1000:.6f} 0.000057 {r.status} {r.status} 0 {r.size}"
        f' "{r.method} http://{r.host}:80{r.target} HTTP/1.1" "{r.agent}" - -'
    )


def _cloudfront(r: Request) -> str:
    return (
        f"2026-03-12\t{r.clock}\tFRA56-P4\t{r.size}\t{r.ip}\t{r.method}\td1.cloudfront.net\t{r.path}\t{r.status}\t-\t{r.agent_in}"
        f"\t{r.query or '-'}\t-\tMiss\t{r.id}==\t{r.host}\thttps\t3624\t{r.took / 1000:.3f}\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\tMiss"
        "\tHTTP/2.0\t-\t-\t35969\t0.012\tMiss\tapplication/json\t-\t-\t-"
    )


def _cloudfront_real_time(r: Request) -> str:
    return (
        f"1773310272.{r.ms:03d}\t{r.ip}\t0.012\t{r.status}\t{r.size}\t{r.method}\thttps\td1.cloudfront.net\t{r.target}\t312\tFRA56-P4"
        f"\t{r.id}==\t{r.host}\t{r.took / 1000:.3f}\tHTTP/2.0\tIPv4\t{r.agent_in}\t-\t-\t{r.query or '-'}\tMiss\t-\tTLSv1.3\tT\tMiss\t-\t-"
        "\tapplication/json\t-\t-\t-\t51374\tMiss\tDE\tgzip\t*/*\t*\thost:x%0A\thost%0A\t7\t0.01\t0.01\t3320"
    )


def _istio(r: Request) -> str:
    peer = f"[{r.ip}]" if ":" in r.ip else r.ip
    return (
        f'[{r.iso}] "{r.method} {r.target} HTTP/1.1" {r.status} - via_upstream - "-" 559 {r.size} {r.took} {r.took} "-" "{r.agent}"'
        f' "{r.uuid}" "orders:9080" "10.42.186.98:9080" inbound|9080|| 127.0.0.6:47889 10.42.186.98:9080 {peer}:4165'
        " outbound_.9080_._.orders.default.svc.cluster.local default"
    )


def _haproxy(r: Request) -> str:
    return (
        f"{r.ip}:34126 [12/Mar/2026:{r.clock}.{r.ms:03d}] fe_https~ be_orders/srv1 0/0/1/{r.took}/{r.took} {r.status} {r.size} - - ----"
        f' 12/12/3/1/0 0/0 "{r.method} {r.target} HTTP/1.1"'
    )


def _logfmt(r: Request) -> str:
    return (
        f'time={r.iso} level=info msg="request done" method={r.method} path="{r.target}" status={r.status} duration={r.took}ms'
        f' bytes={r.size} remote_addr={r.ip} request_id={r.uuid} user_agent="{r.agent}"'
    )


FORMATS: dict[str, Callable[[Request], str]] = {
    "common": _common,
    "combined": _combined,
    "vhost_combined": lambda r: f"{r.host}:443 {_combined(r)}",
    "apache %D": lambda r: f"{_combined(r)} {r.took * 1000}",
    "nginx main": lambda r: f'{_combined(r)} "10.1.2.3"',
    "nginx request_time": lambda r: f"{_combined(r)} {r.took / 1000:.3f} {r.took / 1000:.3f}",
    "ingress-nginx": lambda r: (
        f"{_combined(r)} 311 {r.took / 1000:.3f} [default-orders-80] [] 10.42.215.134:8080 2 {r.took / 1000:.3f} {r.status} {r.id}"
    ),
    "traefik": lambda r: f'{_combined(r)} 7 "web@docker" "http://172.17.0.3:80" {r.took}ms',
    "kong": lambda r: f'{_combined(r)} kong_request_id: "{r.id}"',
    "aws_apigateway clf": lambda r: f"{_common(r)} {r.uuid}",
    "bunkerweb": lambda r: f"{r.host} {_combined(r).replace(' - - [', f' - {r.id} - [')}",
    "aws_alb": _alb,
    "aws_elb": _elb,
    "cloudfront": _cloudfront,
    "cloudfront real-time": _cloudfront_real_time,
    "iis_w3c": lambda r: (
        f"2026-03-12 {r.clock} 10.0.0.4 {r.method} {r.path} {r.query or '-'} 443 - {r.ip} {r.agent.replace(' ', '+')}"
        f" - {r.status} 0 0 {r.took}"
    ),
    "envoy": lambda r: (
        f'[{r.iso}] "{r.method} {r.target} HTTP/2" {r.status} - 204 {r.size} {r.took} {r.took} "{r.ip}" "{r.agent}" "{r.uuid}"'
        f' "{r.host}" "10.42.107.51:8080"'
    ),
    "istio": _istio,
    "haproxy": _haproxy,
    "nginx_proxy_manager": lambda r: (
        f'[12/Mar/2026:{r.clock} +0000] - {r.status} {r.status} - {r.method} https {r.host} "{r.target}" [Client {r.ip}]'
        f' [Length {r.size}] [Gzip 3.10] [Sent-to openresty] "{r.agent}" "-"'
    ),
    "zoraxy": lambda r: (
        f"2026/03/12 {r.clock} [2026-03-12 {r.clock}.{r.ms:03d}123] [router:host-http] [origin:{r.host}] [client: {r.ip}]"
        f" [useragent: {r.agent}] {r.method} {r.target} {r.status}"
    ),
    "openstack_api": lambda r: (
        f"2026-03-12 {r.clock}.{r.ms:03d} 25746 INFO nova.osapi_compute.wsgi.server [req-{r.uuid} admin demo - - -] {r.ip}"
        f' "{r.method} {r.target} HTTP/1.1" status: {r.status} len: {r.size} time: {r.took / 1000:.7f}'
    ),
    "logfmt": _logfmt,
    "cri": lambda r: f"{r.iso[:-1]}123456Z stdout F {_combined(r)}",
    "docker": lambda r: json.dumps({"log": f"{_combined(r)}\n", "stream": "stdout", "time": r.iso}),
    "syslog rfc3164": lambda r: f"<134>Mar 12 {r.clock} lb1 haproxy[123]: {_haproxy(r)}",
    "syslog rfc5424": lambda r: f"<134>1 {r.iso} web1 nginx 123 - - {_combined(r)}",
}
"""Line of each format from a request."""


def sample_lines(name: str, count: int, seed: int = 7) -> list[bytes]:
    """Lines of one format, 40 a second."""
    draw = random.Random(seed)
    write = FORMATS[name]
    lines = []
    for place in range(count):
        second = place // _LINES_A_SECOND
        ip = (
            f"203.0.113.{draw.randrange(256)}"
            if draw.random() < 0.9
            else f"2001:db8:{draw.randrange(65536):x}::{draw.randrange(1, 65536):x}"
        )
        request = Request(
            ip,
            draw.choice(("GET", "GET", "POST", "PUT")),
            draw.choice(_PATHS).format(draw.randrange(1, 99999)),
            draw.choice(_QUERIES),
            draw.choice((200, 200, 201, 404, 502)),
            draw.randrange(100_000),
            draw.choice(_AGENTS),
            f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}",
            draw.randrange(1000),
            draw.randrange(3000),
            draw.choice(("api.example.com", "shop.example.net")),
            f"{draw.getrandbits(128):032x}",
        )
        lines.append(write(request).encode())
    return lines
