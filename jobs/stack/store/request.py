"""One HTTP request, read as ClickHouse reads it: URL parameters, credentials, body."""

from __future__ import annotations

import base64
import email.parser
import email.policy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from io import BufferedIOBase
from urllib.parse import parse_qsl, urlsplit

from jobs.stack.store.compression import decode, decompress_blocks
from jobs.stack.store.connections import Context
from jobs.stack.store.faults import BAD_ARGUMENTS, StoreFault

__all__ = ["Request", "body_pieces", "read_form"]

_PIECE_BYTES = 4 << 20

# URL parameters that steer the HTTP exchange; all others are settings, as on a ClickHouse server.
_RESERVED = frozenset(
    (
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "compress",
        "decompress",
        "client_protocol_version",
        "wait_end_of_query",
        "buffer_size",
        "quota_key",
        "stacktrace",
        "role",
        "http_write_exception_in_output_format",
        "http_headers_progress_interval_ms",
        "send_progress_in_http_headers",
        "enable_http_compression",
        "http_zlib_compression_level",
        "cancel_http_readonly_queries_on_client_close",
        "format",
    )
)


@dataclass(frozen=True)
class Request:
    """The parts of a request that do not depend on its body."""

    path: str
    params: Mapping[str, str]
    headers: Message[str, str]
    is_get: bool

    @classmethod
    def read(cls, target: str, headers: Message[str, str], is_get: bool) -> Request:
        """Read the request line's target; the last of repeated parameters holds."""
        parts = urlsplit(target)
        return cls(parts.path or "/", dict(parse_qsl(parts.query, keep_blank_values=True)), headers, is_get)

    def with_params(self, more: Mapping[str, str]) -> Request:
        """The same request with further parameters, e.g. of a form."""
        return Request(self.path, {**self.params, **more}, self.headers, self.is_get)

    @property
    def query(self) -> str:
        """The SQL of the URL."""
        return self.params.get("query", "")

    @property
    def output_format(self) -> str:
        """The format to answer in where the SQL names none."""
        return self.params.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"

    @property
    def query_id(self) -> str:
        """The id the client gave; '' when it gave none."""
        return self.params.get("query_id") or self.headers.get("X-ClickHouse-Query-Id") or ""

    @property
    def protocol_revision(self) -> int:
        """`client_protocol_version`, 0 when absent."""
        text = self.params.get("client_protocol_version", "0")
        return int(text) if text.isdigit() else 0

    def flag(self, name: str) -> bool:
        """Whether a switch such as compress=1 is on."""
        return self.params.get(name, "0").lower() in ("1", "true")

    def credentials(self) -> tuple[str, str]:
        """User and password from headers, Basic authentication or the URL."""
        if "X-ClickHouse-User" in self.headers or "X-ClickHouse-Key" in self.headers:
            return self.headers.get("X-ClickHouse-User", "default"), self.headers.get("X-ClickHouse-Key", "")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(token).decode().partition(":")
            except ValueError:
                raise StoreFault.of(BAD_ARGUMENTS, "Invalid HTTP Basic authentication") from None
            return user, password
        return self.params.get("user", "default"), self.params.get("password", "")

    def context(self) -> Context:
        """Database, settings and query parameters."""
        settings = {n: v for n, v in self.params.items() if n not in _RESERVED and not n.startswith("param_")}
        for name in settings:
            if not name.replace("_", "").isalnum():
                raise StoreFault.of((115, "UNKNOWN_SETTING"), f"Unknown setting '{name}'")
        return Context(
            database=self.params.get("database") or self.headers.get("X-ClickHouse-Database") or "",
            settings=settings,
            params={n[6:]: v for n, v in self.params.items() if n.startswith("param_")},
            readonly=self.is_get,
            session_id=self.params.get("session_id", ""),
        )


def body_pieces(request: Request, source: BufferedIOBase) -> Iterator[bytes]:
    """The body, decompressed, in pieces of at most some MB.

    Raises
    ------
    StoreFault
        The body ends early or is not compressed as the request says.
    """
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        pieces = _chunked(source)
    else:
        size = request.headers.get("Content-Length") or "0"
        if not size.isdigit():
            raise StoreFault.of(BAD_ARGUMENTS, f"Invalid Content-Length: {size}")
        pieces = _sized(source, int(size))
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    pieces = decode(pieces, encoding) if encoding else pieces
    return decompress_blocks(pieces) if request.flag("decompress") else pieces


def _sized(source: BufferedIOBase, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = source.read(min(size, _PIECE_BYTES))
        if not piece:
            raise StoreFault.of((32, "ATTEMPT_TO_READ_AFTER_EOF"), "The request's body ends early")
        size -= len(piece)
        yield piece


def _chunked(source: BufferedIOBase) -> Iterator[bytes]:
    while True:
        line = source.readline(1024)
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise StoreFault.of((32, "ATTEMPT_TO_READ_AFTER_EOF"), "The request's body ends early") from None
        if size == 0:
            while source.readline(8192).strip():
                pass
            return
        yield from _sized(source, size)
        source.readline(8)


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form (clickhouse-connect sends long queries and parameters so).

    Raises
    ------
    StoreFault
        It holds a file: external tables are not offered.
    """
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename():
            raise StoreFault.of((48, "NOT_IMPLEMENTED"), "External tables are not supported by the embedded store")
        payload = part.get_payload(decode=True)
        fields[str(name)] = payload.decode() if isinstance(payload, bytes) else ""
    return fields
