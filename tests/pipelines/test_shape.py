"""A restore is refused or right: whatever option differs, and whatever parameter of a detector."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotated_types
import numpy as np
import pytest
from pydantic import BaseModel

from padit.connectors.cursor import Cursor, PartitionCursor
from padit.domain.batch import Batch, KeyedBatch
from padit.domain.config import AlertSettings, DetectorSetting, JobConfig, Levels, SeriesSetting
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.shape import Shape
from padit.domain.watermark import WATERMARK_END, Position
from padit.pipelines.job import make_plan
from padit.pipelines.options import JobOptions, parse_options
from padit.pipelines.shape import NOT_IN_SHAPE, shape_of
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.detectors import registry
from padit.transforms.group import GroupMachine
from padit.transforms.keying import split_batch
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.laws.test_laws import PARAMETERS
from tests.pipelines.seed import seed_lines, write

START = 1_767_225_600 * 1_000_000
SECOND = 1_000_000
BARE = ("--input=kafka://one:9092/metrics", "--window_size_sec=40", "--extract_interval_sec=20")

CHANGES: dict[str, tuple[str, ...]] = {
    "input": ("--input=kafka://one:9092/others",),
    "window_size": ("--window_size_sec=60",),
    "extract_interval": ("--extract_interval_sec=10",),
    "max_samples": ("--max_samples=7",),
    "out_of_orderness": ("--out_of_orderness_sec=3",),
    "max_ahead": ("--max_ahead_sec=60",),
    "key_groups": ("--key_groups=4",),
    "max_series_per_group": ("--max_series_per_group=1",),
    "end_offset": ("--end_offset=100",),
    "end_time": ("--end_time=2026-02-01T00:00:00Z",),
    "max_record_bytes": ("--max_record_bytes=1000",),
    "read_shards": ("--read_shards=2",),
    "output": ("--output=other.jsonl",),
    "features": ("--features=f.parquet",),
    "anomalies": ("--anomalies=a.jsonl",),
    "late": ("--late=l.jsonl",),
    "dlq": ("--dlq=d.jsonl",),
    "audit": ("--audit=null",),
    "start_offset": ("--start_offset=earliest",),
    "start_time": ("--start_time=2026-01-01T00:00:00Z",),
    "live_from": ("--bootstrap_from=-6h",),
    "live_from_now": ("--bootstrap_from=-6h",),
    "allow_missing": ("--allow_missing",),
    "overwrite": ("--overwrite",),
    "max_loss_share": ("--max_loss_share=0.5",),
    "strict": ("--strict",),
    "broker_timeout_sec": ("--broker_timeout_sec=5",),
    "idle_timeout_sec": ("--idle_timeout_sec=5",),
}
"""Another value of every option, as on the command line."""
ELSEWHERE = {"config": "its content is below", "decisions": "a file of its own, see below"}


def _job(*argv: str) -> JobOptions:
    return JobOptions.of(parse_options([*BARE, *argv]))


def _config(name: str = "rule", parameters: dict[str, Any] | None = None) -> JobConfig:
    chosen = {**PARAMETERS.get(name, {}), **(parameters or {})}
    return JobConfig(detectors=(DetectorSetting(name=name, parameters=chosen),))


class _Run:
    """A group's machine as the options say; the same bytes go in whatever they are."""

    def __init__(self, job: JobOptions, config: JobConfig) -> None:
        self._detection = Detection(config.detectors, levels=Levels.of(config.alerts))
        self._job = job
        windows = WindowOptions(job.window_size, job.extract_interval, job.max_samples)
        alerts = Alerts.of(self._detection, config.alerts, windows)
        self.machine = GroupMachine(
            windows,
            self._detection,
            alerts,
            shape=shape_of(job, config),
            most_series=job.max_series_per_group,
        )

    def over(self, store: MemoryStore, first: int, last: int) -> list[Any]:
        """Results of seconds `first` to `last`, in batches of 20 s."""
        found: list[Any] = []
        for second in range(first, last, 20):
            keyed = _keyed(second, 20)
            outcome = self.machine.advance(store, keyed)
            found += [one.to_cloud_event() for one in outcome.transitions]
            for closing in outcome.closings:
                table, detected = closing.detected.table, closing.detected
                found.append((table.window_end.tobytes(), detected.matrix.tobytes()))
        return found


def _keyed(first: int, seconds: int) -> KeyedBatch:
    names = [Series(source, metric) for source in "ab" for metric in "xy"]
    chance = np.random.default_rng(first)
    rows = Rows(
        names,
        np.tile(np.arange(4, dtype=np.int32), seconds),
        np.repeat(START + (first + np.arange(seconds)) * SECOND, 4),
        chance.normal(size=4 * seconds) + 80.0 * (first % 100 == 60),
    )
    at = Position(0, 0, first, first + seconds, START + (first + seconds) * SECOND)
    return KeyedBatch(1, (at,), rows)


def _refused_or_equal(
    before: tuple[JobOptions, JobConfig], after: tuple[JobOptions, JobConfig]
) -> str | None:
    """The error with which another job refuses the state; None where its results are equal."""
    store = MemoryStore()
    same = _Run(*before)
    same.over(store, 0, 200)
    expected = same.over(store.copy(), 200, 400)
    assert expected
    cursor = Cursor(0, 1, 1, {0: PartitionCursor(0, 0, None)}, shape=shape_of(*before).data)
    other = _Run(*after)
    try:
        found = other.over(store.copy(), 200, 400)
    except StateError as error:
        with pytest.raises(StateError, match=re.escape(str(error))):
            shape_of(*after).check(Cursor.from_bytes(cursor.to_bytes()).shape)
        return str(error)
    shape_of(*after).check(Cursor.from_bytes(cursor.to_bytes()).shape)
    assert found == expected
    return None


def test_every_option_is_changed_here() -> None:
    options = {field.name for field in dataclasses.fields(JobOptions)}
    assert set(CHANGES) | set(ELSEWHERE) == options
    assert set(NOT_IN_SHAPE) <= options
    assert all(NOT_IN_SHAPE.values())


@pytest.mark.parametrize("name", CHANGES)
def test_a_restore_with_another_option_is_refused_or_gives_equal_bytes(name: str) -> None:
    message = _refused_or_equal((_job(), _config()), (_job(*CHANGES[name]), _config()))
    if name in NOT_IN_SHAPE:
        assert message is None
    else:
        assert message is not None
        option = CHANGES[name][0].partition("=")[0]
        assert f"{option} was " in message
        assert "--bootstrap_from" in message
        assert "\n" not in message


def _others(field: Any) -> Iterator[Any]:
    """Values near the default of a field of a model."""
    value = field.default
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value * 2, value + 1, value / 2, value - 0.01)
    elif value is None:
        yield 17.0


def _changed() -> Iterator[Any]:
    """(detector, parameter, other value) for every parameter that has a neighbour."""
    for name, kind in registry().items():
        for field, info in kind.Parameters.model_fields.items():
            for value in _others(info):
                try:
                    kind.Parameters(**{**PARAMETERS.get(name, {}), field: value})
                except ValueError:
                    continue
                if PARAMETERS.get(name, {}).get(field, info.default) == value:
                    continue
                yield pytest.param(name, field, value, id=f"{name}.{field}")
                break


def test_every_parameter_of_every_detector_is_changed_here() -> None:
    changed = {(one.values[0], one.values[1]) for one in _changed()}
    every = {(n, f) for n, kind in registry().items() for f in kind.Parameters.model_fields}
    assert every - changed == {("model", "path"), ("rule", "rules")}  # no numbers; rules are below


@pytest.mark.parametrize(("name", "field", "value"), list(_changed()))
def test_a_restore_with_another_parameter_is_refused(name: str, field: str, value: Any) -> None:
    before, after = _config(name), _config(name, {field: value})
    message = _refused_or_equal((_job(), before), (_job(), after))
    assert message is not None
    assert f"detectors[0].parameters.{field} was " in message


def _stating(**stated: Any) -> JobConfig:
    return _config().model_copy(update={"series": (SeriesSetting(**stated),)})


RULES = {"rules": [{"conditions": [{"feature": "p99", "limit": 11, "adds": 0.5}]}]}
CONFIGS: dict[str, tuple[JobConfig, str]] = {
    "rules": (_config("rule", RULES), r"detectors\[0\].parameters.rules"),
    "another detector": (_config("changepoint"), r"detectors\[0\] was rule and is changepoint"),
    "one more detector": (
        JobConfig(detectors=(*_config().detectors, DetectorSetting(name="novelty"))),
        "detectors was rule and is rule, novelty",
    ),
    "no detector": (JobConfig(detectors=()), "detectors was rule and is none"),
    "series of a detector": (
        JobConfig(detectors=(_config().detectors[0].model_copy(update={"source": "a"}),)),
        r"detectors\[0\].source was \* and is a",
    ),
    "open_at": (
        _config().model_copy(update={"alerts": AlertSettings(open_at=0.8)}),
        "alerts.open_at was 0.7 and is 0.8",
    ),
    "resolve_after_sec": (
        _config().model_copy(update={"alerts": AlertSettings(resolve_after_sec=90)}),
        "alerts.resolve_after_sec was 40.0 and is 90.0",
    ),
    "close_at": (
        _config().model_copy(update={"alerts": AlertSettings(close_at=0.6)}),
        "alerts.close_at was 0.35 and is 0.6",
    ),
    "accept_after": (
        _config().model_copy(update={"alerts": AlertSettings(accept_after="30min")}),
        "alerts.accept_after was 7200.0 and is 1800.0",
    ),
    "budget": (
        _config().model_copy(update={"alerts": AlertSettings(budget="1 per series a day")}),
        "alerts.budget was 5 per 1000 series a day and is 1 per series a day",
    ),
    "critical_budget": (
        _config().model_copy(
            update={"alerts": AlertSettings(critical_budget="1 per series a day")}
        ),
        "alerts.critical_budget was 1 per 1000 series a day and is 1 per series a day",
    ),
    "unit": (_stating(unit="ms"), r"series was not set and is .*ms"),
    "bounds": (_stating(bounds=(0, 100)), r"series was not set and is .*100"),
    "bad": (_stating(bounds=(0, 100), bad="low"), r"series was not set and is .*low"),
    "metric_type": (_stating(metric_type="latency"), r"series was not set and is .*latency"),
    "input": (
        _config().model_copy(update={"input": {"value": "v"}}),
        "input.value was not set and is v",
    ),
    "format": (
        _config().model_copy(update={"input": {"format": "telegraf"}}),
        "input.format was not set and is ",
    ),
    "schemas": (
        _config().model_copy(update={"input": {"schemas": "http://h:1"}}),
        "input.format was not set and is .*input.schemas was not set and is registry",
    ),
}


def test_peers_are_in_the_shape_only_where_they_are_asked() -> None:
    asking = _config().model_copy(update={"alerts": AlertSettings(peers="*")})
    assert b"peers" not in shape_of(_job(), _config()).data
    assert b"peers" in shape_of(_job(), asking).data


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_restore_with_another_configuration_is_refused(kind: str) -> None:
    config, difference = CONFIGS[kind]
    message = _refused_or_equal((_job(), _config()), (_job(), config))
    assert message is not None
    assert re.search(difference, message)


def test_the_default_written_out_is_no_other_configuration() -> None:
    written = _config("novelty", {"warning": 0.6}).model_copy(
        update={
            "alerts": AlertSettings(
                open_at=0.7, close_at=0.35, accept_after="120min", resolve_after_sec=40
            )
        }
    )
    assert _refused_or_equal((_job(), _config("novelty")), (_job(), written)) is None


def test_another_unit_or_pattern_is_named() -> None:
    job, config = _job(), _stating(metric="x", unit="ms", labels={"a": "b"})
    for other, difference in (
        (_stating(metric="x", unit="s"), r"series\[0\].unit was ms and is s"),
        (_stating(metric="y", unit="ms"), r"series\[0\].metric was x and is y"),
    ):
        with pytest.raises(StateError, match=difference):
            shape_of(job, other).check(shape_of(job, config).data)


def test_a_job_goes_on_with_other_labels() -> None:
    one = _config().model_copy(update={"labels": ("site",)})
    other = _stating(labels={"line": "1"})
    assert shape_of(_job(), one).data == shape_of(_job(), other).data
    assert shape_of(_job(), one).data == shape_of(_job(), _config()).data


def test_the_same_topic_may_be_reached_through_other_brokers() -> None:
    other = _job("--input=kafka://two:9092,three:9092/metrics?client_config=x.properties")
    assert _refused_or_equal((_job(), _config()), (other, _config())) is None


def test_another_key_of_a_mapping_is_another_shape() -> None:
    one, other = (
        _config().model_copy(update={"input": {"format": {"preset": "telegraf"} | keys}})
        for keys in ({}, {"time": "ts"})
    )
    message = _refused_or_equal((_job(), one), (_job(), other))
    assert message is not None
    assert "input.format.time[0] was timestamp and is ts" in message
    written = {"preset": "telegraf", "time": ["timestamp"]}
    same = _config().model_copy(update={"input": {"format": written}})
    assert _refused_or_equal((_job(), one), (_job(), same)) is None


def test_the_same_schemas_may_be_reached_in_another_way() -> None:
    one, other = (
        _config().model_copy(update={"input": {"schemas": {"registry": url, "wait_sec": wait}}})
        for url, wait in (("http://a:1", 1), ("https://b:2", 2))
    )
    assert _refused_or_equal((_job(), one), (_job(), other)) is None


def test_other_decisions_of_the_clock_are_refused() -> None:
    job, config = _job(), _config()
    with pytest.raises(StateError, match="--decisions was "):
        shape_of(job, config, ((0, 5, 2),)).check(shape_of(job, config, ((0, 5, 1),)).data)


def test_state_without_a_shape_is_refused() -> None:
    with pytest.raises(StateError, match=r"does not name the options.*--bootstrap_from"):
        Shape.of({"a": 1}).check(b"")


def test_many_differences_are_not_all_listed() -> None:
    then, now = (Shape.of({f"o{i}": k for i in range(9)}) for k in (1, 2))
    with pytest.raises(StateError, match=r"o0 was 1 and is 2; .*o4 was 1 and is 2; and 4 more"):
        now.check(then.data)


def test_the_graph_puts_the_shape_into_cursors_and_groups(tmp_path: Path) -> None:
    source = write(tmp_path / "input.jsonl", seed_lines())
    job = JobOptions.of(parse_options([f"--input={source}", "--output=null"]))
    plan, _ = make_plan(job, live=False)
    assert plan.shape == plan.reading.shape == shape_of(job, JobConfig())
    assert b'"--key_groups":32' in plan.shape.data


def test_more_key_groups_are_refused_by_every_old_group() -> None:
    """A group that is new has no state to refuse; each batch goes to all groups, old ones too."""
    few, many = (_Run(_job(f"--key_groups={n}"), _config()) for n in (2, 4))
    stores = [MemoryStore() for _ in range(4)]
    batch = Batch(1, _keyed(0, 20).positions, _keyed(0, 20).rows)
    for group, keyed in split_batch(batch, 2):
        few.machine.advance(stores[group], keyed)
    refused = []
    end = (Position(0, 0, 20, 20, WATERMARK_END),)
    for group, keyed in split_batch(Batch(1, end, Rows.empty()), 4):
        try:
            many.machine.advance(stores[group], keyed)
        except StateError as error:
            refused.append(str(error))
    assert len(refused) == 2
    assert all("--key_groups was 2 and is 4" in one for one in refused)


def _durations(model: type[BaseModel]) -> Iterator[tuple[str, float | None]]:
    for name, info in model.model_fields.items():
        if name.endswith("_sec"):
            bounds = [one.le for one in info.metadata if isinstance(one, annotated_types.Le)]
            yield name, float(str(bounds[0])) if bounds else None


@pytest.mark.parametrize("model", [AlertSettings, *(one.Parameters for one in registry().values())])
def test_every_duration_of_a_configuration_has_an_upper_bound(model: type[BaseModel]) -> None:
    assert all(bound == 1e9 for _, bound in _durations(model))
