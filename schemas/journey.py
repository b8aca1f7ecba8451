"""Views of client sessions: derived in the store, no stage writes them."""

from __future__ import annotations

import pyarrow as pa

from schemas.record import Field, Record, boolean, f64, i64, text, time_us

__all__ = ["JOURNEY", "JOURNEY_STEP"]

_DATE = Field(
    "date", pa.date32(), "Date", "DATE", "Day (UTC) of the steps; journeys end at midnight. Filter by it: it bounds what is read."
)
_ENVIRONMENT = text("environment", "Environment of the step.")

JOURNEY_STEP = Record(
    "journey_steps",
    "Transactions of one client session in order; a session ends with 30 minutes without a step.",
    (
        _DATE,
        _ENVIRONMENT,
        text("client", "Who: user, else token, else client ID, else address and user agent."),
        time_us("session_started_at", "Start of the session's first step: with client it names the journey."),
        i64("step_number", "1 = first step of the session."),
        time_us("time", "Start of the step."),
        text("transaction_id", "The step."),
        text("step", "What was asked for: 'service METHOD /route'."),
        text("previous_step", "Step before it in the session; '' = none."),
        text("next_step", "Step after it in the session; '' = none: here the journey ended."),
        f64("seconds_to_next", "Time to the next step; null on the last."),
        boolean("is_error", "The step failed."),
    ),
)

JOURNEY = Record(
    "journeys",
    "Usual paths of clients: from step to step, per day, with the drop at each step.",
    (
        _DATE,
        _ENVIRONMENT,
        text("step", "What was asked for: 'service METHOD /route'."),
        text("next_step", "What came next; '' = nothing: the journey ended here."),
        i64("transition_count", "How often."),
        i64("client_count", "Different clients among them."),
        i64("error_count", "How often the step itself had failed."),
        f64("share", "Of all leaving the step, those that went this way; with next_step '' the drop at the step, 0..1."),
        f64("seconds_to_next", "Median time to the next step; null where the journey ended."),
    ),
)
