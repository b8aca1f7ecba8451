"""The SQL names of our functions: `CREATE TEMPORARY FUNCTION f AS 'udfs.registry.f' LANGUAGE PYTHON`.

These names are public: users' SQL calls them. Importing this module does not import Flink; the wrapper of a function is made when it
is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

# modules, not their functions: a function imported here by name would hide its Flink wrapper, which `__getattr__` makes
from udfs.scorers import deviation, forest, pack, reason
from udfs.scorers.forest_model import ForestModel, load_current

__all__ = ["FUNCTIONS", "MODELS_PARAMETER", "Function"]

MODELS_PARAMETER = "anomasec.models"
"""Job parameter that names the folder of trained models."""


@dataclass(frozen=True)
class Function:
    """A vectorised function that SQL can call."""

    name: str
    compute: Callable[..., Any]
    """Pure: pandas Series in, one Series of the same length and index out."""
    returns: str
    """DOUBLE, STRING or BYTES."""
    kind: str
    """scorer (0..100, held to the laws in tests/laws), bound, text or pack."""
    needs_model: bool = False
    """Also takes the trained model, as the argument `model`, which SQL does not give."""


FUNCTIONS = {
    f.name: f
    for f in (
        Function("deviation_score", deviation.deviation_score, "DOUBLE", "scorer"),
        Function("deviation_lower", deviation.deviation_lower, "DOUBLE", "bound"),
        Function("deviation_upper", deviation.deviation_upper, "DOUBLE", "bound"),
        Function("forest_score", forest.forest_score, "DOUBLE", "scorer", needs_model=True),
        Function("describe_score", reason.describe_score, "STRING", "text"),
        Function("pack_scores", pack.pack_scores, "BYTES", "pack"),
    )
}


class WithModel:
    """Calls a function with the model of the worker it runs in; the body of a Flink function."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._model: ForestModel | None = None

    def open(self, context: Any) -> None:
        """Load the model once per worker; the folder comes as a job parameter."""
        self._model = load_current(context.get_job_parameter(MODELS_PARAMETER, ""))

    def is_deterministic(self) -> bool:
        """Like all our functions; see `__getattr__`."""
        return False

    def eval(self, *columns: pd.Series) -> pd.Series:
        """One batch."""
        return FUNCTIONS[self._name].compute(*columns, model=self._model)


def __getattr__(name: str) -> Any:
    """The Flink wrapper of a registered function.

    Raises
    ------
    AttributeError
        No such function.
    """
    if name not in FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pyflink.table import DataTypes
    from pyflink.table.udf import ScalarFunction, udf

    function = FUNCTIONS[name]
    body: Any = function.compute
    if function.needs_model:
        body = type(name, (WithModel, ScalarFunction), {})(name)
    # deterministic=False: else the planner evaluates a function once for a filter on its result and once more for the result
    return udf(body, result_type=getattr(DataTypes, function.returns)(), func_type="pandas", deterministic=False, name=name)
