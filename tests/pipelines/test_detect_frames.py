"""`padit.detect` takes pandas and Polars frames as people have them; the same bytes as Arrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import padit
from padit.domain.errors import ConfigurationError
from tests.pipelines.test_detect_table import table

# Of pyarrow, about what a future pandas will do.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
Frame = Callable[[], Any]


def _long() -> dict[str, Any]:
    found: dict[str, Any] = table().to_pydict()
    return found


def _wide() -> dict[str, Any]:
    found: dict[str, Any] = table(wide=True).to_pydict()
    return found


def _nullable() -> pd.DataFrame:
    frame = pd.DataFrame(_long())
    return frame.astype({"source_id": "category", "metric_name": "string", "value": "Float64"})


def _with_gaps() -> pd.DataFrame:
    frame = pd.DataFrame(_wide())
    frame.loc[10:12, "rpm"] = None
    return frame


LONG: dict[str, Frame] = {
    "pandas": lambda: pd.DataFrame(_long()),
    "pandas, categories and nullable types": _nullable,
    "pandas, in another order and with an index of numbers": lambda: pd.DataFrame(_long()).iloc[
        ::-1
    ],
    "polars": lambda: pl.DataFrame(_long()),
    "polars, categories": lambda: pl.DataFrame(_long()).cast({"source_id": pl.Categorical}),
    "polars, an enumeration": lambda: pl.DataFrame(_long()).cast(
        {"metric_name": pl.Enum(["torque_nm", "rpm"])}
    ),
}
WIDE: dict[str, Frame] = {
    "pandas, times with a zone": lambda: pd.DataFrame(_wide()),
    "pandas, the index holds the times": lambda: pd.DataFrame(_wide()).set_index("time"),
    "polars, times": lambda: pl.DataFrame(_wide()),
    "polars, nanoseconds": lambda: pl.DataFrame(_wide()).cast({"time": pl.Datetime("ns", "UTC")}),
}


@pytest.fixture(scope="module")
def wanted() -> padit.Detected:
    return padit.detect(table(), window_size_sec=120)


@pytest.fixture(scope="module")
def wanted_wide() -> padit.Detected:
    return padit.detect(table(wide=True), window_size_sec=120)


@pytest.mark.parametrize("kind", LONG)
def test_a_frame_with_a_row_a_sample_gives_the_bytes_of_arrow(
    wanted: padit.Detected, kind: str
) -> None:
    found = padit.detect(LONG[kind](), window_size_sec=120)
    assert found.json["features"] == wanted.json["features"] != b""
    assert found.json["alerts"] == wanted.json["alerts"]


@pytest.mark.parametrize("kind", WIDE)
def test_a_frame_with_a_column_a_metric_gives_the_bytes_of_arrow(
    wanted_wide: padit.Detected, kind: str
) -> None:
    found = padit.detect(WIDE[kind](), window_size_sec=120)
    assert found.json["features"] == wanted_wide.json["features"] != b""


def test_missing_values_are_no_samples() -> None:
    whole, gaps = len(_wide()["rpm"]), _with_gaps()
    assert padit.detect(gaps, window_size_sec=120).summary.read == 2 * whole - 3
    assert padit.detect(pl.from_pandas(gaps), window_size_sec=120).summary.read == 2 * whole - 3


def test_results_go_back_to_pandas_and_polars(wanted: padit.Detected) -> None:
    frame = wanted.scores.to_pandas()
    assert list(frame.columns) == wanted.scores.column_names
    assert str(frame["window_end"].dt.tz) == "UTC"
    again = pl.from_arrow(wanted.features)
    assert isinstance(again, pl.DataFrame)
    assert again.height == wanted.features.num_rows
    assert again["mean"].to_list() == wanted.features["mean"].to_pylist()


def test_a_series_of_pandas_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigurationError, match="a Series is no table: pass a pandas or Polars"):
        padit.detect(pd.Series([1.0, 2.0]))


def test_the_tables_themselves_are_not_changed() -> None:
    frame = pd.DataFrame(_long())
    before = pa.Table.from_pandas(frame)
    padit.detect(frame, window_size_sec=120)
    assert pa.Table.from_pandas(frame).equals(before)
