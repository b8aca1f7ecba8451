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
from udfs.scorers import deviation, forest, pack
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
    """scorer (0..100, held to the laws in tests/laws), bound or pack."""
    needs_model: bool = False
    """Also takes the trained model, as the argument `model`, which SQL does not give."""


FUNCTIONS = {
    f.name: f
    for f in (
        Function("deviation_score", deviation.deviation_score, "DOUBLE", "scorer"),
        Function("deviation_lower", deviation.deviation_lower, "DOUBLE", "bound"),
        Function("deviation_upper", deviation.deviation_upper, "DOUBLE", "bound"),
        Function("forest_score", forest.forest_score, "DOUBLE", "scorer", needs_model=True),
        Function("pack_scores", pack.pack_scores, "BYTES", "pack"),
    )
}


class Batches:
    """The body of a Flink function: gives a registered function its columns, and its model, as Flink hands over batches."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._model: ForestModel | None = None

    def open(self, context: Any) -> None:
        """Load the model once per worker; its folder comes as a job parameter."""
        if FUNCTIONS[self._name].needs_model:
            self._model = load_current(context.get_job_parameter(MODELS_PARAMETER, ""))

    def is_deterministic(self) -> bool:
        """False: else the planner evaluates a function once for a filter on its result and once more for the result."""
        return False

    def eval(self, *arguments: Any) -> pd.Series:
        """One batch. A constant in SQL comes as a single value, not as a column."""
        index = next(a.index for a in arguments if isinstance(a, pd.Series))
        columns = [a if isinstance(a, pd.Series) else pd.Series([a] * len(index), index=index) for a in arguments]
        function = FUNCTIONS[self._name]
        return function.compute(*columns, model=self._model) if function.needs_model else function.compute(*columns)


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

    body = type(name, (Batches, ScalarFunction), {})(name)
    result_type = getattr(DataTypes, FUNCTIONS[name].returns)()
    return udf(body, result_type=result_type, func_type="pandas", deterministic=False, name=name)
