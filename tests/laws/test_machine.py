"""The machine of a key group on any input and any shape of windows."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.audit import total
from padit.domain.batch import KeyedBatch, encode_keyed_batch
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_END, Position
from padit.transforms.checksum import with_checksum, without_checksum
from padit.transforms.packed import unpacked
from padit.transforms.saved_rows import read_rows
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

NAMES = [Series("a", "x", "ms"), Series("a", "y"), Series("b", "x")]
SAMPLES = st.lists(
    st.builds(
        Sample,
        st.integers(0, 200).map(lambda second: 1_767_225_600 * SECOND + second * SECOND),
        st.sampled_from(NAMES),
        st.sampled_from([0.0, 11.0, 80.0]),
        st.sampled_from([UNSTATED, Attributes("latency"), Attributes("latency", (("site", "a"),))]),
    ),
    max_size=60,
)
LOGS = st.lists(SAMPLES, min_size=1, max_size=3)
SHAPES = st.builds(
    lambda slots, interval, most: WindowOptions(slots * interval * SECOND, interval * SECOND, most),
    st.integers(1, 5),
    st.sampled_from([1, 7, 30]),
    st.integers(1, 20),
)
RULE = setting("rule")


def _accounted(found: Result) -> int:
    return found.counts.scored + found.counts.duplicate + len(found.late) + found.waiting


@steady
@given(LOGS, SHAPES, st.integers(0, 2**32), st.booleans())
def test_any_cut_gives_the_same_and_loses_nothing(
    logs: list[Log], windows: WindowOptions, seed: int, ends: bool
) -> None:
    whole = run(logs, RULE, ends=ends, windows=windows)
    schedule = schedule_by(np.random.default_rng(seed), logs, 9)
    found = run(logs, RULE, schedule, ends=ends, windows=windows)
    assert (found.rows, found.alerts, found.late) == (whole.rows, whole.alerts, whole.late)
    assert (found.counts, found.state) == (whole.counts, whole.state)
    assert _accounted(whole) == _accounted(found) == sum(map(len, logs))
    if ends:
        assert total(found.run_totals) == total(whole.run_totals)
        assert total(found.run_totals) == {
            "read": sum(map(len, logs)),
            "late": len(found.late),
            "dead_lettered": 0,
            **found.counts._asdict(),
        }
    else:
        assert not found.run_totals


def test_a_unit_that_changes_gives_the_same_in_any_cut() -> None:
    log = [
        Sample(1_767_225_600 * SECOND + i * SECOND, Series("a", "x", "zz" if i < 100 else "aa"), 1)
        for i in range(200)
    ]
    assert run([log], RULE, [[(0, 10)]] * 20).rows == run([log], RULE).rows


def _keyed(first: int, following: int, watermark: int) -> KeyedBatch:
    rows = rows_of([Sample(i * SECOND, NAMES[0], float(i)) for i in range(first, following)])
    return KeyedBatch(1, (Position(0, 0, first, following, watermark * SECOND),), rows)


WINDOWS = WindowOptions(20 * SECOND, 10 * SECOND, 100)


def test_a_keyed_batch_that_comes_twice_is_counted_as_duplicates() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    assert machine.advance(store, _keyed(0, 25, 20)).counts.scored == 20
    before = store.pieces()
    again = machine.advance(store, _keyed(0, 25, 20))
    assert (again.counts.duplicate, again.counts.scored, again.closings) == (25, 0, ())
    assert store.pieces() == before


def test_run_totals_count_repeated_rows_once() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    for keyed in (_keyed(0, 25, 20), _keyed(0, 25, 20), _keyed(25, 30, 30)):
        machine.advance(store, keyed)
    at = Position(0, 0, 30, 30, WATERMARK_END, read=30, late=0, dead_lettered=0)
    run_totals = machine.advance(store, KeyedBatch(1, (at,), Rows.empty())).run_totals
    assert run_totals is not None
    assert (run_totals.read, run_totals.scored, run_totals.duplicate) == ({0: (30, 0, 0)}, 30, 0)


def test_a_keyed_batch_that_overtook_another_closes_nothing_before_it() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    assert machine.advance(store, _keyed(10, 40, 40)).counts.scored == 0
    assert machine.waiting(store) == 30
    assert machine.advance(store, _keyed(0, 10, 10)).counts.scored == 40
    assert machine.waiting(store) == 0


def test_rows_that_come_with_a_close_never_go_through_the_state() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    for keyed in (_keyed(0, 20, 20), _keyed(20, 45, 40)):
        assert machine.advance(store, keyed).counts.scored == 20
    assert [len(read_rows(without_checksum(one, "rows"))[0].rows) for one in store.rows] == [5]
    assert machine.waiting(store) == 5


def test_the_bytes_of_a_keyed_batch_are_kept_as_they_came() -> None:
    keyed = _keyed(0, 5, 5)
    encoded = encode_keyed_batch(keyed)
    stores = MemoryStore(), MemoryStore()
    for store, at_hand in zip(stores, (encoded, None), strict=True):
        machine_of(RULE, WINDOWS).advance(store, keyed, at_hand)
    assert stores[0].pieces() == stores[1].pieces()
    assert stores[0].rows == [with_checksum(encoded)]


def test_state_is_bounded_while_time_goes_on() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    sizes = []
    for i in range(160):
        machine.advance(store, _keyed(i * 10, i * 10 + 10, i * 10 + 10))
        sizes.append(sum(map(len, store.pieces())))
    assert max(sizes[80:]) <= max(sizes[:80]) + 100  # numbers grow by a few bytes


def test_rows_are_dropped_once_their_series_has_no_data() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    machine.advance(store, _keyed(0, 25, 20))
    machine.advance(store, KeyedBatch(1, (Position(0, 0, 25, 25, 500 * SECOND),), Rows.empty()))
    assert (store.rows, *store.kept) == ([], [], [])


@pytest.mark.parametrize("part", ["header", "detection", "rows"])
@pytest.mark.parametrize("checksummed", [True, False])
def test_damaged_state_is_a_clear_error(part: str, checksummed: bool) -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    machine.advance(store, _keyed(0, 25, 20))
    data = with_checksum(b"\xc1") if checksummed else b"\xc1"
    setattr(store, part, [data] if part == "rows" else data)
    with pytest.raises(StateError, match="damaged"):
        machine.advance(store, _keyed(25, 50, 50))


@steady
@given(st.sampled_from(["header", "detection", "rows"]), st.floats(0, 1, exclude_max=True))
def test_any_flipped_bit_of_the_state_is_a_clear_error(part: str, where: float) -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    machine.advance(store, _keyed(0, 25, 20))
    data = bytearray(store.rows[0] if part == "rows" else getattr(store, part))
    bit = int(where * 8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    setattr(store, part, [bytes(data)] if part == "rows" else bytes(data))
    with pytest.raises(StateError, match=r"damaged.*earlier savepoint"):
        machine.advance(store, _keyed(25, 50, 50))


@pytest.mark.parametrize("part", ["header", "detection"])
def test_state_of_another_version_is_a_clear_error(part: str) -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    machine.advance(store, _keyed(0, 25, 20))
    saved = msgspec.msgpack.decode(unpacked(without_checksum(getattr(store, part), part)))
    version = 99 if part == "header" else msgspec.msgpack.encode([99, [["rule", 2]]])
    setattr(store, part, with_checksum(msgspec.msgpack.encode([version, *saved[1:]])))
    with pytest.raises(StateError, match=r"version 99, this code reads 7.*history"):
        machine.advance(store, _keyed(25, 50, 50))


@steady
@given(LOGS, SHAPES, st.integers(0, 2**32), st.integers(1, 4))
def test_at_every_moment_all_that_was_read_is_accounted_for(
    logs: list[Log], windows: WindowOptions, seed: int, most: int
) -> None:
    schedule = schedule_by(np.random.default_rng(seed), logs, 9)
    for length in range(len(schedule) + 1):
        found = run(
            logs, RULE, schedule[:length] or [[]], ends=False, windows=windows, most_series=most
        )
        accounts = found.accounts
        assert accounts["read"] == sum(count for batch in schedule[:length] for _, count in batch)
        assert accounts["read"] == sum(
            accounts[name] for name in ("scored", "late", "duplicate", "dead_lettered", "waiting")
        )
        assert accounts["waiting"] == found.waiting == found.unclosed
        assert accounts["late"] == len(found.late)
        assert accounts["dead_lettered"] == sum(one.samples for one in found.refused)


def test_of_two_zeros_at_one_time_neither_the_first_nor_the_last_is_kept() -> None:
    results = []
    for pair in ((0.0, -0.0), (-0.0, 0.0), (-0.0, -0.0), (0.0, 0.0)):
        log = [Sample(i * SECOND, NAMES[0], value) for i in range(60) for value in pair]
        found = run([log], setting("novelty"), windows=WINDOWS)
        assert found.counts.duplicate == 60
        results.append((found.rows, found.state))
    assert all(one == results[0] for one in results)
