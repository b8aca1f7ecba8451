"""Faults planted in the world: what, where, from when to when."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from jobs.generate.topology import ENVIRONMENTS, Topology
from jobs.knobs import parse_duration_ms
from schemas.errors import AnomasecError

__all__ = ["DEFAULT_MAGNITUDE", "KINDS", "Fault", "default_faults", "parse_faults"]

DEFAULT_MAGNITUDE = {
    "latency_step": 4.0,
    "latency_spike": 12.0,
    "errors_backend": 0.4,
    "errors_timeout": 0.3,
    "errors_authentication": 0.5,
    "traffic_drop": 0.1,
    "traffic_surge": 4.0,
}
"""Kind -> how strong: factor on the own time, share of failing requests, or factor on the number of requests."""

KINDS = tuple(DEFAULT_MAGNITUDE)

_SPEC = re.compile(
    r"(?P<kind>[a-z_]+):(?P<service>[a-z]+)(?: (?P<route>[A-Z]+ /[^@:,]*))?(?:@(?P<environment>[a-z0-9-]+))?"
    r":(?P<start>[0-9.]+[a-z]*)-(?P<end>[0-9.]+[a-z]*)(?::x?(?P<magnitude>[0-9.]+))?"
)


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    A latency fault slows the service itself, so that its callers show it too. An error fault makes the service answer
    500/503 or 504 (callers 502 or 504), or refuse credentials with 401. A traffic fault changes how often the public
    routes that reach the service are called.
    """

    kind: str
    service: str
    start_s: float
    """Seconds after the start of the world."""
    end_s: float
    route: str = ""
    """'METHOD /template' of the service; '' = all of its routes."""
    environment: str = ""
    """'' = all environments."""
    magnitude: float = 0.0
    """0 = the default of the kind."""

    @property
    def strength(self) -> float:
        """The magnitude that applies."""
        return self.magnitude or DEFAULT_MAGNITUDE[self.kind]

    @property
    def entity(self) -> str:
        """Name of the entity as points name it: a service, or 'service METHOD /route'."""
        return f"{self.service} {self.route}" if self.route else self.service

    def reaches(self, topology: Topology) -> npt.NDArray[np.bool_]:
        """bool[route, hop]: the hops it acts on."""
        return topology.hops_of(self.service, self.route)

    def active(self, seconds: npt.NDArray[np.float64], environment: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say which of these moments it acts on: bool[n]; environments are numbers in `ENVIRONMENTS`."""
        on: npt.NDArray[np.bool_] = (seconds >= self.start_s) & (seconds < self.end_s)
        if self.environment:
            names = [name for name, _, _ in ENVIRONMENTS]
            on &= environment == names.index(self.environment)
        return on

    def active_at(self, seconds: float) -> bool:
        """Say whether it is on, so many seconds after the world's start."""
        return self.start_s <= seconds < self.end_s

    def as_truth(self, start_ms: int) -> dict[str, object]:
        """What the truth file says of it; `start_ms` is the epoch time of the world's start."""
        return {
            **asdict(self),
            "magnitude": self.strength,
            "entity": self.entity,
            "start_ms": start_ms + round(self.start_s * 1000),
            "end_ms": start_ms + round(self.end_s * 1000),
        }


def default_faults(duration_s: float) -> tuple[Fault, ...]:
    """One of each kind, spread over the last two thirds of the run, each in another service where possible."""
    plan = (
        ("latency_step", "payments", "POST /charges", 0.35, 0.45),
        ("errors_backend", "inventory", "GET /items/{id}", 0.50, 0.56),
        ("traffic_surge", "search", "", 0.60, 0.66),
        ("errors_authentication", "auth", "POST /verify", 0.70, 0.76),
        ("latency_spike", "users", "", 0.80, 0.82),
        ("errors_timeout", "orders", "", 0.86, 0.90),
        ("traffic_drop", "checkout", "", 0.94, 1.00),
    )
    return tuple(Fault(kind, service, a * duration_s, b * duration_s, route) for kind, service, route, a, b in plan)


def parse_faults(text: str, duration_s: float, topology: Topology | None = None) -> tuple[Fault, ...]:
    """Read `none`, `default`, or a list such as `latency_step:payments POST /charges:70s-100s:x4,traffic_drop:search:2min-3min`.

    Raises
    ------
    AnomasecError
        Unknown kind, service, route or environment, or times that are none.
    """
    if text in ("", "none"):
        return ()
    if text == "default":
        return default_faults(duration_s)
    return tuple(_parse(part.strip(), topology or Topology()) for part in text.split(",") if part.strip())


def _parse(text: str, topology: Topology) -> Fault:
    match = _SPEC.fullmatch(text)
    if not match:
        raise AnomasecError(f"cannot read the fault '{text}'", "write KIND:SERVICE[ METHOD /route][@environment]:START-END[:xSTRENGTH]")
    part = match.groupdict()
    _known(part["kind"], KINDS, "kind of fault")
    _known(part["service"], topology.services, "service")
    if part["route"]:
        routes = sorted({f"{hop.method} {hop.template}" for hop in topology.hops if hop.service == part["service"]})
        _known(part["route"], routes, f"route of {part['service']}")
    if part["environment"]:
        _known(part["environment"], [name for name, _, _ in ENVIRONMENTS], "environment")
    start, end = (_seconds(part[name]) for name in ("start", "end"))
    if end <= start:
        raise AnomasecError(f"the fault '{text}' ends before it starts", "write START-END in that order")
    return Fault(part["kind"], part["service"], start, end, part["route"] or "", part["environment"] or "", float(part["magnitude"] or 0))


def _known(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise AnomasecError(f"unknown {what} '{name}'", f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}")


def _seconds(text: str) -> float:
    if text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise AnomasecError(str(error), "write a fault's times as 70-100, 70s-100s or 2min-3min") from None
