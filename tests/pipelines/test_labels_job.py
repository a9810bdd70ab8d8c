"""Labels and families through the command line: from files to alerts, and back to their rows."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from padit.cli.main import main
from padit.domain.config import load_config
from padit.domain.errors import ConfigurationError
from padit.pipelines.options import JobOptions, parse_options
from padit.pipelines.shape import shape_of
from tests.pipelines.seed import HIGH, ORDINARY, START, write

CONFIG = """
labels: [site, cluster]
series:
  - {metric: "*_ms", unit: ms, bounds: [0, null], labels: {line: "1", site: fixed}}
  - {source: probe-2, labels: {line: "2"}}
detectors:
  - {name: rule}
"""
Capture = pytest.CaptureFixture[str]


def _lines(**more: Any) -> list[bytes]:
    """Two sources; their unit changes, and their cluster with it."""
    lines = []
    for i, value in enumerate([*ORDINARY, *HIGH]):
        for source in ("probe-1", "probe-2"):
            fields = {
                "timestamp": START + 10 * i, "source_id": source, "metric_name": "rtt_ms",
                "value": value, "unit": "ms" if i % 2 else "", "metric_type": "latency",
                "metadata": {"site": "wire", "cluster": i // 11, "other": [1]},
            }  # fmt: skip
            lines.append(msgspec.json.encode({**fields, **more}))
    return lines


def _run(folder: Path, lines: list[bytes], *options: str, config: str = CONFIG) -> list[Any]:
    folder.mkdir(exist_ok=True)
    (folder / "job.yaml").write_text(config)
    source = write(folder / "in.jsonl", lines)
    alerts = folder / "alerts.jsonl"
    options = (f"--config={folder}/job.yaml", f"--output={alerts}", *options)
    assert main(["replay", f"--input={source}?order=arrival", *options]) == 0
    return [json.loads(one) for one in alerts.read_text().splitlines()]


def test_alerts_have_labels_of_the_wire_and_of_the_configuration(tmp_path: Path) -> None:
    events = _run(tmp_path, _lines())
    assert {one["data"]["source_id"] for one in events} == {"probe-1", "probe-2"}
    for event in events:
        data = event["data"]
        line = "1" if data["source_id"] == "probe-1" else "2"
        assert data["labels"] == {"cluster": "1", "line": line, "site": "fixed"}
        assert data["metric_type"] == "latency"
        assert data["evidence"]["unit"] == "ms"
        assert data["evidence"]["stated"]["bounds"] == [0, None]


def test_every_output_shows_labels_and_family(tmp_path: Path) -> None:
    features, anomalies = tmp_path / "f.parquet", tmp_path / "a.jsonl"
    _run(tmp_path, _lines(), f"--features={features}", f"--anomalies={anomalies}")
    [first, *_] = pq.read_table(features).to_pylist()
    assert json.loads(first["labels"]) == {"cluster": "0", "line": "1", "site": "fixed"}
    assert first["metric_type"] == "latency"
    [score, *_] = [json.loads(one) for one in anomalies.read_text().splitlines()]
    assert score["labels"]["site"] == "fixed"
    assert score["metric_type"] == "latency"


def test_an_alert_with_labels_is_recomputed_from_its_rows(tmp_path: Path, capsys: Capture) -> None:
    [first, *_] = _run(tmp_path, _lines())
    argv = [
        "explain", first["data"]["id"], f"--from={tmp_path}/alerts.jsonl",
        f"--input={tmp_path}/in.jsonl",
    ]  # fmt: skip
    capsys.readouterr()
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "every byte" in shown
    assert "labels: cluster=1, line=1, site=fixed" in shown


def test_without_labels_the_alerts_are_those_of_samples_without_metadata(tmp_path: Path) -> None:
    bare = "detectors: [{name: rule}]"
    fields = {"unit": "ms", "metric_type": "custom"}
    one = _run(tmp_path / "a", _lines(**fields), config=bare)
    two = _run(tmp_path / "b", _lines(**fields, metadata={}), config=bare)
    assert one == two
    assert {"labels", "metric_type"}.isdisjoint(one[0]["data"])


def test_late_samples_keep_labels_and_family(tmp_path: Path) -> None:
    late = tmp_path / "late.jsonl"
    lines = _lines()
    stream = CONFIG + "input: {order: arrival}\n"
    options = (f"--late={late}", "--out_of_orderness_sec=1")
    _run(tmp_path, [*lines, lines[0]], *options, config=stream)
    [one] = [json.loads(line) for line in late.read_text().splitlines()]
    assert one["metadata"] == {"cluster": "0", "site": "wire"}
    assert one["metric_type"] == "latency"


def test_labels_that_cannot_be_used_are_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _run(tmp_path, _lines(metadata={"site": {"deep": 1}, "cluster": "c"}))
    [said] = [one.message for one in caplog.records if "without one of their labels" in one.message]
    assert "so far: 30; label site is an object, it must be text, a number or a boolean" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels: site", "labels"),
        ("labels: ['']", "labels.0"),
        ("labels: [" + ",".join(f"l{i}" for i in range(17)) + "]", "at most 16"),
        ("series: [{labels: {site: 5}}]", "series.0.labels.site"),
        ("series: [{bounds: [5, 1]}]", "the least value must be below the greatest"),
        ("series: [{bounds: [5]}]", "series.0.bounds"),
        ("series: [{metric_type: temperature}]", "series.0.metric_type"),
        (
            "series: [{units: s}]",
            "unknown key series.0.units; perhaps unit is meant; allowed are: source, metric, unit",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_config(str(tmp_path / "job.yaml"))


def test_a_second_configuration_must_read_the_same_labels_and_units(
    tmp_path: Path, capsys: Capture
) -> None:
    source = write(tmp_path / "in.jsonl", _lines())
    (tmp_path / "a.yaml").write_text(CONFIG)
    (tmp_path / "b.yaml").write_text(CONFIG.replace("unit: ms", "unit: s"))
    argv = ["replay", f"--input={source}", f"--output={tmp_path}/out.jsonl",
            f"--config={tmp_path}/a.yaml", f"--config={tmp_path}/b.yaml"]  # fmt: skip
    assert main(argv) == 2
    assert "reads other labels or units" in capsys.readouterr().err


def _table(folder: Path, suffix: str) -> str:
    """The same samples as a narrow table, with a column for each label."""
    fields = [json.loads(one) for one in _lines()]
    columns = {name: [one[name] for one in fields] for name in fields[0] if name != "metadata"}
    for name in ("site", "cluster"):
        columns[name] = [str(one["metadata"][name]) for one in fields]
    path = folder / f"in{suffix}"
    if suffix == ".csv":
        rows = zip(*columns.values(), strict=True)
        lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    else:
        pq.write_table(pa.table(columns), path)
    return str(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_gives_the_alerts_that_its_json_lines_give(
    tmp_path: Path, suffix: str, capsys: Capture
) -> None:
    expected = _run(tmp_path / "lines", _lines())
    found = tmp_path / "alerts.jsonl"
    argv = ["replay", f"--input={_table(tmp_path, suffix)}", f"--output={found}",
            f"--config={tmp_path}/lines/job.yaml"]  # fmt: skip
    assert main(argv) == 0
    events = [json.loads(one) for one in found.read_text().splitlines()]
    keys = ("source_id", "labels", "metric_type")
    assert [[one["data"][key] for key in keys] for one in events] == [
        [one["data"][key] for key in keys] for one in expected
    ]
    assert {one["data"]["labels"]["cluster"] for one in events} == {"1"}
    said = capsys.readouterr().err
    assert "'site'" not in said  # nothing is left unwatched
    assert "'cluster'" not in said
    argv = ["explain", events[0]["data"]["id"], f"--from={found}", f"--input={tmp_path}/in{suffix}"]
    assert main(argv) == 0
    assert "every byte" in capsys.readouterr().out


def test_a_mapping_gives_the_alerts_that_its_json_lines_give(
    tmp_path: Path, capsys: Capture
) -> None:
    expected = _run(tmp_path / "own", _lines())
    form = """
input:
  format:
    source: source_id
    metric: metric_name
    value: value
    unit: unit
    time: timestamp
    metric_type: metric_type
    labels: {site: metadata.site}
    labels_below: metadata
"""
    lost = "--max_loss_share=1"  # a number in the metadata is not mapped
    events = _run(tmp_path / "mapped", _lines(), lost, config=CONFIG + form)
    assert [one["data"]["labels"] for one in events] == [one["data"]["labels"] for one in expected]
    assert {one["data"]["metric_type"] for one in events} == {"latency"}
    argv = [
        "explain", events[0]["data"]["id"], f"--from={tmp_path}/mapped/alerts.jsonl",
        f"--input={tmp_path}/mapped/in.jsonl", f"--config={tmp_path}/mapped/job.yaml",
    ]  # fmt: skip
    capsys.readouterr()
    assert main(argv) == 0
    assert "every byte" in capsys.readouterr().out


def test_labels_of_a_table_that_cannot_be_used_are_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "in.csv"
    lines = [f"{START + i},a,rtt_ms,{value},{'x' * 300}" for i, value in enumerate(ORDINARY)]
    path.write_text("timestamp,source_id,metric_name,value,site\n" + "\n".join(lines) + "\n")
    (tmp_path / "job.yaml").write_text(CONFIG)
    argv = ["replay", f"--input={path}", "--output=null", f"--config={tmp_path}/job.yaml"]
    assert main(argv) == 0
    [said] = [one.message for one in caplog.records if "without one of their labels" in one.message]
    assert f"so far: {len(ORDINARY)}; label site has 300 characters" in said


def test_what_is_below_labels_below_is_no_part_of_the_shape(tmp_path: Path) -> None:
    shapes = []
    for below in ("tags", "metadata"):
        (tmp_path / "job.yaml").write_text(
            f"input: {{format: {{preset: telegraf, labels_below: {below}}}}}\n"
        )
        job = JobOptions.of(parse_options(["--input=in.jsonl"]))
        shapes.append(shape_of(job, load_config(str(tmp_path / "job.yaml"))))
    assert shapes[0] == shapes[1]
