"""Laws of codecs: no bytes can raise, and what comes out is bounded by what goes in."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from padit.codecs import records as wire
from padit.codecs.contract import AT_LEAST, MOST_TIMES, Faults
from padit.codecs.dead_letter import DeadRecord
from padit.codecs.records import CODECS, decode
from padit.domain.dead_letter import LARGEST_ORIGINAL
from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from tests.laws.codecs import (
    MAX_BYTES,
    SEEDS,
    bombs,
    check_decoded,
    check_rows,
    decode_all,
    mutated,
    outcome,
)

EVERY_SEED = [seed for seeds in SEEDS.values() for seed in seeds]
steady = settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def unexpected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """Errors that only the last resort caught: none may be needed."""
    found: list[Exception] = []
    monkeypatch.setattr(wire, "note_unexpected", found.append)
    yield found
    assert found == []


def check(values: list[bytes | None]) -> None:
    """All laws that hold for any list of records."""
    together = decode_all(values)
    alone = [(i, decode([value], MAX_BYTES)) for i, value in enumerate(values)]
    assert outcome(together) == outcome(alone)
    for start, part in together:
        came = check_decoded(values[start:], part)
        went = sum(len(value or b"") for value in values[start : start + part.taken])
        assert came <= MOST_TIMES * went + AT_LEAST
        for reject in part.rejects:
            value = values[start + reject.record]
            letter = DeadRecord(value, reject, "topic", 0, 1).letter().to_json()
            assert len(letter) <= 4 * min(len(value or b""), LARGEST_ORIGINAL) // 3 + 50_000


def test_every_codec_has_valid_records_for_these_laws() -> None:
    assert {codec.name for codec in CODECS} == SEEDS.keys()


@pytest.mark.parametrize("name", SEEDS)
def test_a_valid_record_of_every_codec_gives_rows(name: str) -> None:
    for seed in SEEDS[name]:
        assert wire.codec_of(seed).name == name
        assert len(decode([seed], MAX_BYTES).rows)
    check([*SEEDS[name]])


@steady
@given(st.lists(st.one_of(st.none(), st.binary(max_size=300)), max_size=4))
def test_no_bytes_can_raise(values: list[bytes | None]) -> None:
    check(values)


@pytest.mark.parametrize("name", SEEDS)
@steady
@given(data=st.data())
def test_no_damaged_record_can_raise(name: str, data: st.DataObject) -> None:
    check([data.draw(mutated(SEEDS[name]))])


@steady
@given(st.lists(st.one_of(mutated(EVERY_SEED), st.sampled_from(EVERY_SEED)), max_size=6))
def test_damaged_records_give_the_same_alone_and_together(values: list[bytes]) -> None:
    check([*values])


BOMBS = bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_memory_and_output_are_bounded_by_the_input(name: str) -> None:
    bomb = BOMBS[name]
    decode([b"{}", bomb[:1]], MAX_BYTES)  # what is allocated once
    gc.collect()
    kept = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(kept)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        part = decode([bomb], MAX_BYTES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(kept)
    allowed = MOST_TIMES * len(bomb) + AT_LEAST
    assert peak + pool.max_memory() <= allowed
    assert check_decoded([bomb], part) <= allowed
    del part


def test_a_bomb_next_to_good_records_costs_only_itself() -> None:
    good = SEEDS["JSON object"][0]
    for name in ("zeros, Zstandard", "array of numbers", "views of one text"):
        [(_, part)] = decode_all([good, BOMBS[name], good])
        assert part.record.tolist() == [0, 2], name
        assert [reject.record for reject in part.rejects] == [1]


def test_many_records_that_unpack_to_much_are_taken_a_few_at_a_time() -> None:
    bomb = BOMBS["zeros, just accepted"]
    for values in ([bomb] * 30, [bomb, b"{}"] * 15):
        parts = decode_all(values)
        assert len(parts) > 1
        assert all(len(part.rows) <= 1_300_000 for _, part in parts)
        assert sum(part.taken for _, part in parts) == 30


def test_more_known_records_than_one_call_takes_keep_their_places() -> None:
    bomb, good = BOMBS["zeros, just accepted"], SEEDS["JSON object"][0]
    values = [good, *[bomb, good] * 20]
    decode_all([good] * 30)  # so that it is known
    parts = decode_all(values)
    assert len(parts) > 1
    records = np.concatenate([part.record + start for start, part in parts])
    assert np.unique(records).tolist() == list(range(len(values)))


@steady
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, unique=True), max_size=4))
def test_concatenated_rows_hold_each_series_once(tables: list[list[str]]) -> None:
    parts = [
        Rows(
            [Series(name, "m") for name in table],
            np.arange(len(table), dtype=np.int32),
            np.full(len(table), 1_767_323_045_000_000),
            np.ones(len(table)),
        )
        for table in tables
    ]
    check_rows(concatenate(parts))


def _raises(*_: Any) -> Any:
    raise KeyError("value")


def _splits(*_: Any) -> Any:
    one = Series("a", "b")
    time = np.full(2, 1_767_323_045_000_000)
    rows = Rows([one, one], np.arange(2, dtype=np.int32), time, np.ones(2))
    return wire_sampled(rows)


def wire_sampled(rows: Rows) -> Any:
    from padit.codecs.contract import Sampled

    return Sampled(rows, np.arange(len(rows), dtype=np.int32), Faults())


@pytest.mark.parametrize("broken", [_raises, _splits])
def test_a_broken_codec_breaks_these_laws(
    broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, unexpected: list[Exception]
) -> None:
    codecs = tuple(one._replace(decode=broken) if one.many else one for one in CODECS)
    monkeypatch.setattr(wire, "CODECS", codecs)
    part = decode([b"[]"], MAX_BYTES)
    if broken is _raises:  # the last resort: the job goes on, but the laws do not accept it
        assert part.rejects[0].reason == "KeyError: 'value'"
        assert len(unexpected) == 1
        unexpected.clear()
        return
    with pytest.raises(AssertionError, match="twice"):
        check_decoded([b"[]"], part)


def test_a_fault_of_the_joined_ways_leaves_the_records_to_be_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch, unexpected: list[Exception]
) -> None:
    values: list[bytes | None] = [*SEEDS["JSON object"], b"{"]
    expected = outcome(decode_all(values))
    monkeypatch.setattr(wire, "_parse_joined", lambda *_: [][1])
    assert outcome(decode_all(values)) == expected
    assert [type(error) for error in unexpected] == [IndexError]
    unexpected.clear()
    assert replace(decode(values, MAX_BYTES)).taken == len(values)
    unexpected.clear()
