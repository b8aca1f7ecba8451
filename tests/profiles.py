"""The Hypothesis profile of the suite: the same examples on every run, no deadline on a busy machine.

`--hypothesis-profile=ci` (set in setup.cfg) loads it; import this module in conftest.py so that it is registered by then.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

__all__: list[str] = []

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=50, database=None, suppress_health_check=[HealthCheck.too_slow]
)
