"""The laws, as functions of a detector: each raises AssertionError where it is broken."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from padit.domain.audit import total
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.detect import Detection
from padit.transforms.windows import close_windows
from tests.laws.machine import (
    WINDOWS,
    Result,
    Sample,
    rows_of,
    run,
    schedule_by,
)
from tests.laws.streams import ODD, SERIES, logs_of, samples_of, with_ties_and_repeats

__all__ = ["LAWS", "Make"]

Make = Callable[[], Detection]


def chunk_invariance(make: Make) -> None:
    """Any cut of the input into pieces gives the same bytes and the same final state."""
    logs = logs_of(with_ties_and_repeats(samples_of("factory"), 1), 1, late=True)
    for ends in (True, False):
        whole = run(logs, make(), ends=ends)
        for seed, most, resident in ((1, 400, False), (2, 60, True)):
            schedule = schedule_by(np.random.default_rng(seed), logs, most)
            _same(run(logs, make(), schedule, ends=ends, resident=resident), whole)


def order_invariance(make: Make) -> None:
    """Any order of arrival within the allowed disorder, on any partition, gives the same bytes."""
    samples = with_ties_and_repeats(samples_of("factory"), 2)
    expected = run([list(samples)], make())
    assert expected.late == []
    for seed, partitions in ((3, 1), (6, 3)):
        logs = logs_of(samples, seed, partitions)
        schedule = schedule_by(np.random.default_rng(seed), logs, 300)
        found = run(logs, make(), schedule)
        assert found.late == []
        assert found.rows == expected.rows
        assert found.alerts == expected.alerts
        assert found.counts == expected.counts


def causality(make: Make) -> None:
    """A prefix of the input gives a prefix of the output."""
    logs = logs_of(samples_of("factory"), 5)
    whole = run(logs, make())
    for share in (0.3, 0.77, 0.9):
        prefix = [log[: int(len(log) * share)] for log in logs]
        found = run(prefix, make(), ends=False)
        assert any(found.rows)
        for some, all_of_it in zip(found.rows, whole.rows, strict=True):
            assert all_of_it[: len(some)] == some
        for some, all_of_it in zip(found.alerts, whole.alerts, strict=True):
            assert all_of_it[: len(some)] == some


def conservation(make: Make) -> None:
    """Read = scored + late + duplicate + waiting."""
    samples = with_ties_and_repeats(samples_of("factory"), 6)
    logs = logs_of(samples, 6, late=True)
    for ends in (True, False):
        found = run(logs, make(), schedule_by(np.random.default_rng(6), logs, 200), ends=ends)
        accounted = found.counts.scored + found.counts.duplicate + len(found.late) + found.waiting
        assert accounted == len(samples)
        assert found.late
        assert found.counts.duplicate > 0
        assert (found.waiting == 0) == ends
    accounts = total(run(logs, make()).run_totals)
    assert accounts["read"] == len(samples)
    assert accounts["late"] == len(found.late)
    assert accounts["read"] == sum(accounts[name] for name in ("scored", "duplicate", "late"))


def state_round_trip(make: Make) -> None:
    """State written, read back and continued gives the same bytes; another version is an error."""
    rows, closed = rows_of(samples_of("factory")), -(2**62)
    first = int(rows.time.min()) // WINDOWS.interval
    kept, saved = make(), make()
    kept_state, saved_state = kept.initial(), saved.initial()
    pieces: list[Rows] = [rows]
    for closing in (*range(first + 1, first + 22, 3), 2**40):
        watermark = min(closing * WINDOWS.interval, int(rows.time.max()))
        result = close_windows(pieces, closed, closing, WINDOWS, watermark)
        pieces, closed = [result.kept], closing
        kept_state, expected = kept.step(kept_state, result.table)
        written = saved.dump(saved_state)
        saved = make()  # as after a restart: nothing survives but the bytes
        restored = saved.load(written)
        assert saved.dump(restored) == written, "the bytes change by reading them"
        saved_state, found = saved.step(saved.load(written), result.table)
        assert found.matrix.tobytes() == expected.matrix.tobytes()
        for one, other in zip(found.scores, expected.scores, strict=True):
            assert _bytes(one.sample) == _bytes(other.sample)
    assert saved.dump(saved_state) == kept.dump(kept_state)
    [(name, version, data)] = kept.dump(kept_state)
    with pytest.raises(StateError, match=rf"'{name}', {version + 1}"):
        kept.load([(name, version + 1, data)])
    with pytest.raises(StateError):
        kept.load([(name, version, b"\xc1 no state")])


def source_independence(make: Make) -> None:
    """The scores of a source do not depend on which other sources there are."""
    _independence(make, SERIES[:2])


def series_independence(make: Make) -> None:
    """The scores of a series do not depend on which other series there are."""
    _independence(make, SERIES[:1])


def bad_numbers(make: Make) -> None:
    """Nothing that is finite crashes a detector; a score is NaN or lies between 0 and 1."""
    for kind in ODD:
        found = run(logs_of(samples_of(kind), 8), make())
        for scores in found.scores:
            known = scores[~np.isnan(scores)]
            assert ((known >= 0) & (known <= 1)).all(), kind
        for event in (event for events in found.alerts for event in events):
            msgspec.json.decode(event)


def speaks(make: Make) -> None:
    """On the ordinary stream a detector gives scores; otherwise the other laws prove nothing."""
    scores = np.concatenate(run(logs_of(samples_of("factory"), 9), make()).scores)
    known = scores[~np.isnan(scores)]
    assert len(known), "it warms up for the whole stream"
    assert len(np.unique(known)) > 1, "it says the same of everything"


LAWS: dict[str, Callable[[Make], None]] = {
    law.__name__: law
    for law in (
        chunk_invariance,
        order_invariance,
        causality,
        conservation,
        state_round_trip,
        source_independence,
        series_independence,
        bad_numbers,
        speaks,
    )
}


def _same(found: Result, expected: Result) -> None:
    assert found.rows == expected.rows
    assert found.alerts == expected.alerts
    assert (found.counts, found.late) == (expected.counts, expected.late)
    assert found.state == expected.state


def _independence(make: Make, chosen: tuple[Series, ...]) -> None:
    samples = samples_of("factory")
    alone: tuple[Sample, ...] = tuple(one for one in samples if one.series in chosen)
    together = run([list(samples)], make())
    apart = run([list(alone)], make())
    names = [list(series) for series in chosen]
    assert [line for group in together.rows for line in group if _series(line) in names] == [
        line for group in apart.rows for line in group
    ]


def _series(line: bytes) -> list[str]:
    series: list[str] = msgspec.msgpack.decode(line)[1]
    return series


def _bytes(column: Any) -> bytes | None:
    return None if column is None else np.asarray(column).tobytes()
