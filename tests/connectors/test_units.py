"""Units of the configuration: set before the identity of a series is read, from any source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from padit.codecs.validate import Validate
from padit.connectors.units import with_units
from padit.connectors.uris import source_from_uri
from padit.domain.attributes import Attributes
from padit.domain.config import SeriesSetting
from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from tests.codecs.samples import attributes, plain

T = 1_767_225_600
PERCENT = (SeriesSetting(metric="*_percent", unit="%"), SeriesSetting(labels={"a": "b"}))


def _read(path: Path, *settings: SeriesSetting) -> Rows:
    source = with_units(source_from_uri(str(path)), settings)
    reader = source.open(source.ranges(), Validate(1 << 20, 1 << 60, ("site",)))
    parts: list[Rows] = []
    while True:
        reads = reader.read(1.0)
        parts += [one.rows for one in reads]
        if any(one.ended for one in reads):
            reader.close()
            return concatenate(parts)


def _line(second: int, unit: str, metric: str = "load_percent", **more: Any) -> str:
    fields = {"timestamp": T + second, "source_id": "a", "metric_name": metric, "value": second}
    return json.dumps({**fields, "unit": unit, **more})


def test_samples_in_different_units_become_one_series(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    lines = [
        _line(0, ""), _line(1, "percent", metadata={"site": "x"}), _line(2, "%"),
        _line(3, "ms", "rtt_ms"), _line(4, "percent", metric_type="throughput"),
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    rows = _read(path, *PERCENT)
    load, rtt = Series("a", "load_percent", "%"), Series("a", "rtt_ms", "ms")
    assert set(rows.series) == {load, rtt}
    assert [name for name, _, _ in plain(rows)] == [load, load, load, rtt, load]
    assert attributes(rows) == [
        Attributes(), Attributes("custom", (("site", "x"),)), Attributes(), Attributes(),
        Attributes("throughput"),
    ]  # fmt: skip


def test_tables_get_their_units_too(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(
        "timestamp,source_id,metric_name,value,unit\n"
        f"{T},a,load_percent,1,\n{T + 1},a,load_percent,2,percent\n"
    )
    rows = _read(tmp_path / "in.csv", *PERCENT)
    assert rows.series == (Series("a", "load_percent", "%"),)
    assert rows.value.tolist() == [1, 2]
    table = pa.table({"timestamp": [T, T + 1], "source_id": ["a", "a"], "load_percent": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "in.parquet")
    rows = _read(tmp_path / "in.parquet", *PERCENT)
    assert [*rows.series] == [Series("a", "load_percent", "%")]


def test_a_configuration_without_units_leaves_the_source_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(_line(0, "") + "\n")
    source = source_from_uri(str(path))
    assert with_units(source, PERCENT[1:]) is source
    wrapped = with_units(source, PERCENT)
    assert (wrapped.name, wrapped.ranges(), wrapped.findings()) == (
        source.name, source.ranges(), source.findings(),
    )  # fmt: skip
    assert np.array_equal(_read(path).time, _read(path, *PERCENT).time)
