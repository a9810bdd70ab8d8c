"""No data: only a series that stops is reported, once, at the same time for any cut."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.connectors.cursor import Cursor, PartitionCursor, advance
from padit.connectors.source import ReadBatch
from padit.domain.config import DetectorSetting
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.keying import split_batch
from padit.transforms.progress import Progress
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.codecs.samples import steady
from tests.laws.machine import (
    SECOND,
    Log,
    Result,
    Sample,
    machine_of,
    rows_of,
    run,
    schedule_by,
    setting,
)
from tests.laws.streams import logs_of, samples_of

START = 1_767_225_600
WINDOWS = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
PUMP, FAN = Series("pump", "rpm", "1/min"), Series("fan", "rpm")
QUICK = {"minimum_sec": 5, "factor": 2, "warm_up": 3, "retention_sec": 90}


def _samples(series: Series, seconds: Sequence[float]) -> Log:
    return [Sample(round((START + one) * SECOND), series, 5.2) for one in seconds]


def _events(found: Result) -> list[tuple[str, str, float, str]]:
    """Kind, source, second, severity, in the order of time."""
    events = [msgspec.json.decode(one) for group in found.alerts for one in group]
    told = [
        (
            one["type"].rpartition(".")[2],
            one["data"]["source_id"],
            _second(one["time"]),
            one["data"]["severity"],
        )
        for one in events
    ]
    return sorted(told, key=lambda one: (one[2], one[1]))


def _second(stamp: str) -> float:
    return float(np.datetime64(stamp.rstrip("Z"), "us").astype(np.int64)) / SECOND - START


def _watch(*logs: Log, ends: bool = True, **parameters: Any) -> Result:
    return run([sorted(log) for log in logs], setting("no_data", parameters), ends=ends,
               windows=WINDOWS)  # fmt: skip


def _alarms(seconds: Sequence[float]) -> int:
    """Alerts of a series with these samples."""
    found = _watch(_samples(PUMP, seconds))
    return sum(kind == "opened" for kind, *_ in _events(found))


def test_a_series_that_stops_has_one_alert_until_it_comes_back() -> None:
    steadily = _samples(FAN, range(0, 3600, 5))
    stops = _samples(PUMP, [*range(0, 600, 5), *range(1800, 3600, 5)])
    found = _watch([*steadily, *stops])
    # Nothing after 595 s, reported after a minute; at 3.86 minutes it is critical.
    assert _events(found) == [
        ("opened", "pump", 660, "WARNING"),
        ("updated", "pump", 840, "CRITICAL"),
        ("resolved", "pump", 2100, "CRITICAL"),  # as any alert, 300 s after the last such window
    ]
    assert (found.counts.anomalies, found.counts.alerts) == (1, 1)


def test_the_end_of_the_input_is_not_a_gap() -> None:
    logs = [_samples(FAN, range(0, 900, 5)), _samples(PUMP, range(0, 860, 5))]
    assert _events(_watch(*logs)) == []
    assert _events(_watch([*logs[0], *logs[1]])) == []


def test_without_the_watermark_before_the_end_every_end_would_be_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Progress, "known_until", Progress.watermark)
    told = _events(_watch(_samples(FAN, range(0, 900, 5)), _samples(PUMP, range(0, 860, 5))))
    assert {source for kind, source, *_ in told if kind == "opened"} == {"fan", "pump"}


def test_a_series_that_stopped_before_the_end_is_reported_up_to_the_last_watermark() -> None:
    found = _watch(_samples(FAN, range(0, 900, 5)), _samples(PUMP, range(0, 700, 5)))
    # The watermarks end at 895 - 20 s; the last window that they have passed ends at 840.
    assert _events(found)[:2] == [
        ("opened", "pump", 780, "WARNING"), ("resolved", "pump", 840 + 300, "WARNING")
    ]  # fmt: skip


def test_a_series_slower_than_the_window_is_reported_at_its_own_pace() -> None:
    hours = [3600.0 * hour for hour in range(20)]
    others = _samples(FAN, range(0, 30 * 3600, 30))
    found = _watch([*others, *_samples(PUMP, hours)])
    last = hours[-1]
    opened = next(one for one in _events(found) if one[1] == "pump")
    assert opened == ("opened", "pump", last + 5 * 3600, "WARNING")


def test_evidence_holds_the_length_of_the_gap_and_the_usual_gap() -> None:
    seconds = [*range(580), *range(583, 600), *range(1800, 1900)]
    found = _watch(_samples(FAN, range(1900)), _samples(PUMP, seconds))
    first = msgspec.json.decode(next(one for group in found.alerts for one in group))["data"]
    assert first["summary"] == (
        "rpm of pump: no sample for 1 min 1 s; usual gap 1.0 s, longest of the last 64 4.0 s; "
        "last value 5.2 1/min at 2026-01-01T00:09:59.000000Z"
    )
    assert first["evidence"]["no_data_sec"] == 61
    assert first["evidence"]["limit_sec"] == 60


def test_evidence_counts_the_series_of_the_source_without_data() -> None:
    both = [Series("pump", "rpm"), Series("pump", "heat")]
    steadily = _samples(FAN, range(0, 1800, 5))
    logs = [_samples(series, range(0, 600, 5)) for series in both]
    third = _samples(Series("pump", "flow"), range(0, 1800, 5))
    for more, share in (([], "all 2 series"), (third, "2 of 3 series")):
        found = _watch([*steadily, *logs[0], *logs[1], *more])
        texts = [
            msgspec.json.decode(one)["data"]["summary"] for group in found.alerts for one in group
        ]
        assert len(texts) >= 4
        assert all(f"{share} of the source have no data" in text for text in texts)


def test_a_series_with_too_few_samples_is_not_reported() -> None:
    others = _samples(FAN, range(0, 7200, 5))
    assert _events(_watch([*others, *_samples(PUMP, range(10))])) == []
    assert len(_events(_watch([*others, *_samples(PUMP, range(11))]))) > 0


def test_a_series_past_its_retention_is_forgotten_and_its_alert_resolved() -> None:
    others = _samples(FAN, range(0, 7200, 5))
    found = _watch([*others, *_samples(PUMP, range(0, 600, 5))], retention_sec=1800, ends=False)
    kind, source, second, _ = _events(found)[-1]
    # The last window within 1800 s of the last sample ends at 2340; 300 s later it is over.
    assert (kind, source, second) == ("resolved", "pump", 2640)
    remembered = b"".join(saved[1] for _, _, saved in found.state if saved)
    assert b"fan" in remembered
    assert b"pump" not in remembered


def test_a_longer_gap_never_scores_less() -> None:
    found = _watch(_samples(FAN, range(0, 9000, 5)), _samples(PUMP, range(0, 600, 7)))
    names = [msgspec.msgpack.decode(one) for group in found.rows for one in group]
    score = [np.frombuffer(one[3])[0] for one in names if one[1][0] == "pump" and one[0] >=
             (START + 660) * SECOND]  # fmt: skip
    score = [one for one in score if not np.isnan(one)]
    assert len(score) > 100
    assert score == sorted(score)
    assert 0.7 < score[0] < 0.75
    assert score[-1] > 0.98


IRREGULAR: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "poisson": lambda chance, n: chance.exponential(10, n),
    "rare events": lambda chance, n: chance.exponential(600, n),
    "lost samples": lambda chance, n: 60.0 * chance.geometric(0.7, size=n),
    "lognormal": lambda chance, n: 60 * chance.lognormal(0, 1, n),
    "heavy tail": lambda chance, n: 60 * chance.lognormal(0, 2, n),
    "bursts": lambda chance, n: np.where(np.arange(n) % 500 == 499, 3600.0, 1.0),
    "nights": lambda chance, n: np.where(np.arange(n) % 480 == 479, 57600.0, 60.0),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_an_irregular_series_does_not_flood(kind: str) -> None:
    gaps = IRREGULAR[kind](np.random.default_rng(5), 5000)
    assert _alarms(np.cumsum(gaps).tolist()) <= 4


def test_gaps_of_a_microsecond_and_of_days_in_one_series_are_accepted() -> None:
    day = 86_400
    seconds = [*(1e-6 * i for i in range(20)), *(5.0 * day * i for i in range(1, 21))]
    told = _events(_watch(_samples(PUMP, seconds), factor=1000))
    # One alert over the first two of these gaps; then the second longest is one of them.
    assert [(kind, second) for kind, _, second, _ in told] == [
        ("opened", 120), ("updated", 240), ("resolved", 10 * day + 300)
    ]  # fmt: skip


def test_each_of_a_few_outages_is_reported() -> None:
    """Three in a week do not make a habit."""
    days = [np.arange(0, 86400 - 3600, 20.0) + 86400 * day for day in range(6)]
    assert _alarms(np.concatenate(days).tolist()) == 5


def _alone(found: Result) -> list[bytes]:
    """Scores of the first detector for windows with samples."""
    lines = [msgspec.msgpack.decode(one) for group in found.rows for one in group]
    return [msgspec.msgpack.encode([*one[:3], one[3][:8], *one[4:6], one[6][:1]])
            for one in lines if np.frombuffer(one[2]["count"])[0] > 0]  # fmt: skip


@pytest.mark.parametrize("name", ["novelty", "multivariate", "rule"])
def test_scores_of_other_detectors_stay_the_same(name: str) -> None:
    logs = logs_of(samples_of("factory"), 3)
    one = DetectorSetting(name=name)
    no_data = DetectorSetting(name="no_data", parameters=QUICK)
    both = run(logs, Detection([one, no_data]))
    alone = run(logs, Detection([one]))
    assert _alone(both) == _alone(alone)
    assert sum(map(len, both.rows)) > sum(map(len, alone.rows))  # those of the series without data


def test_only_series_that_match_the_pattern_are_reported() -> None:
    log = [*_samples(FAN, range(0, 3600, 5)), *_samples(PUMP, range(0, 600, 5)),
           *_samples(Series("mill", "rpm"), range(0, 600, 5))]  # fmt: skip
    detection = Detection([DetectorSetting(name="no_data", source="m*")])
    found = run([sorted(log)], detection, windows=WINDOWS)
    assert {source for _, source, *_ in _events(found)} == {"mill"}
    assert not any(b"pump" in one and np.frombuffer(msgspec.msgpack.decode(one)[2]["count"])[0] == 0
                   for group in found.rows for one in group)  # fmt: skip


def test_an_end_that_comes_with_the_last_rows_is_like_one_that_comes_after_them() -> None:
    log = sorted([*_samples(FAN, range(0, 900, 5)), *_samples(PUMP, range(0, 600, 5))])
    after = run([log], setting("no_data"), windows=WINDOWS)
    machine, found = machine_of(setting("no_data"), WINDOWS), []
    stores = [MemoryStore(), MemoryStore()]
    cursor = Cursor(0, 1, 1, {0: PartitionCursor(0, 0, None)})
    batch = advance(cursor, [ReadBatch(0, len(log), rows_of(log), ended=True)], 20 * SECOND).batch
    for group, keyed in split_batch(batch, 2):
        outcome = machine.advance(stores[group], keyed)
        found.append([one.to_cloud_event() for one in outcome.transitions])
    assert found == after.alerts
    assert sum(map(len, found)) >= 2


def test_time_alone_makes_the_machine_report_missing_data() -> None:
    """Watermarks without rows, as an idle policy decides them, are enough."""
    detection = setting("silence")
    machine = machine_of(detection, WINDOWS)
    store, log = MemoryStore(), _samples(PUMP, np.arange(0, 40_000, 2000.0).tolist())
    cursor = Cursor(0, 1, 1, {0: PartitionCursor(7, 7, None)})
    cursor, batch, *_ = advance(cursor, [ReadBatch(0, 7 + len(log), rows_of(log))], 0)
    machine.advance(store, dict(split_batch(batch, 1))[0])
    told: list[Any] = []
    provenance: list[Any] = []
    for second in range(38_000, 60_000, 50):
        read = ReadBatch(0, 7 + len(log), rows_of([]), decided=(START + second) * SECOND)
        cursor, batch, *_ = advance(cursor, [read], 0)
        outcome = machine.advance(store, dict(split_batch(batch, 1))[0])
        told += outcome.transitions
        provenance += outcome.provenance
    assert [(one.kind, one.time // SECOND - START) for one in told] == [("opened", 48_000)]
    # No row lies in its window, so nothing but where the job began can be said of offsets.
    assert [(one.offsets, one.began) for one in provenance] == [({}, {0: 7})]


GAPS = st.lists(st.sampled_from([0, 1, 1, 1, 2, 3, 12, 40, 95, 200]), max_size=40)
SERIES = [Series("a", "x"), Series("a", "y"), Series("b", "x")]
SHAPES = st.builds(
    lambda slots, interval: WindowOptions(slots * interval * SECOND, interval * SECOND, 5),
    st.integers(1, 5),
    st.sampled_from([1, 7, 30]),
)


@steady
@given(st.lists(GAPS, min_size=3, max_size=3), SHAPES, st.integers(0, 2**32), st.booleans())
def test_any_cut_of_any_gaps_gives_the_same(
    gaps: list[list[int]], windows: WindowOptions, seed: int, ends: bool
) -> None:
    samples = tuple(
        sorted(
            Sample((START + second) * SECOND, series, float(i % 3))
            for series, mine in zip(SERIES, gaps, strict=True)
            for i, second in enumerate(np.cumsum(mine).tolist())
        )
    )
    detection = setting("no_data", QUICK)
    logs = logs_of(samples, seed, 2)
    whole = run(logs, detection, ends=ends, windows=windows)
    chance = np.random.default_rng(seed)
    for most in (3, 20):
        found = run(logs, detection, schedule_by(chance, logs, most), ends=ends, windows=windows)
        assert (found.rows, found.alerts) == (whole.rows, whole.alerts)
        assert (found.counts, found.state) == (whole.counts, whole.state)
    one = run([list(samples)], detection, ends=ends, windows=windows)
    if ends:
        assert (one.rows, one.alerts) == (whole.rows, whole.alerts)


def test_a_failure_that_comes_and_goes_for_an_hour_is_no_habit() -> None:
    """Five minutes without samples, five times; then a silence of 20 minutes is told again."""
    at = np.arange(0, 10 * 3600, 10.0)
    storm = (at >= 4 * 3600) & (at < 4 * 3600 + 3600) & (at % 720 < 360)
    silence = (at >= 6 * 3600) & (at < 6 * 3600 + 1200)
    events = _events(_watch(_samples(PUMP, at[~(storm | silence)].tolist())))
    opened = [second for kind, _, second, _ in events if kind == "opened"]
    assert opened
    assert 4 * 3600 < opened[0] < 4.2 * 3600
    assert 6 * 3600 < opened[-1] < 6.1 * 3600
