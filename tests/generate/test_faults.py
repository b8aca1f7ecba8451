"""Reading faults from the command line."""

from __future__ import annotations

import pytest

from jobs.generate.faults import KINDS, Fault, default_faults, parse_faults
from jobs.generate.topology import Topology
from schemas.errors import AnomasecError


def test_a_fault_can_name_service_route_environment_times_and_strength() -> None:
    spec = "latency_step:payments POST /charges@aws-prod:70s-2min:x5, traffic_drop:search:90-110"
    assert parse_faults(spec, 200) == (
        Fault("latency_step", "payments", 70, 120, "POST /charges", "aws-prod", 5.0),
        Fault("traffic_drop", "search", 90, 110),
    )


def test_the_default_has_one_of_each_kind_within_the_run_and_reaches_something() -> None:
    faults = default_faults(100)
    assert {fault.kind for fault in faults} == set(KINDS)
    assert all(0 < fault.start_s < fault.end_s <= 100 for fault in faults)
    assert all(fault.reaches(Topology()).any() for fault in faults)


@pytest.mark.parametrize("text", ["none", ""])
def test_none_is_none(text: str) -> None:
    assert parse_faults(text, 100) == ()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("latency_stop:payments:1-2", "latency_step"),
        ("traffic_drop:serch:1-2", "search"),
        ("latency_step:payments POST /charge:1-2", "POST /charges"),
        ("traffic_drop:search@aws-prd:1-2", "aws-prod"),
        ("traffic_drop:search:9-2", "START-END"),
        ("traffic_drop:search:9parsec-2", "times"),
        ("nonsense", "KIND:SERVICE"),
    ],
)
def test_a_wrong_fault_is_told_with_how_to_mend_it(text: str, hint: str) -> None:
    with pytest.raises(AnomasecError, match=hint.replace("/", ".")):
        parse_faults(text, 100)


def test_the_entity_is_named_as_points_name_it() -> None:
    assert Fault("latency_step", "payments", 0, 1, "POST /charges").entity == "payments POST /charges"
    assert Fault("latency_step", "payments", 0, 1).entity == "payments"
