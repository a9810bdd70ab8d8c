"""Laws of mapped formats: those of every codec, for every preset and a few mappings."""

import gc
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from padit.codecs import mapping as mapping_module
from padit.codecs import records
from padit.codecs.contract import MOST_TIMES
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.mapping_reading import Reading
from padit.codecs.presets import PRESETS
from padit.codecs.records import Decoded
from tests.codecs.payloads import MESSAGES
from tests.laws.codecs import MAX_BYTES, check_reject, check_rows, mutated, outcome

NESTED = {"each": "rooms[*].points[*]", "source": "{^.name}/{$.site}", "metric": "n", "value": "v",
          "time": "$.t", "where": {"kind": ["a", 1]}, "by": ["tags.*"]}  # fmt: skip
POINTS = [{"n": "x", "v": i, "kind": "ab"[i % 2], "tags": {"p": f"{i % 3}"}} for i in range(9)]
FORMS: dict[str, Any] = {
    **{name: name for name in PRESETS},
    "nested": NESTED,
    "everything": {"source_id": "s", "values": ".", "time": "t", "text_numbers": True},
}
SEEDS = {name: [json.dumps(one).encode() for one in MESSAGES[name]] for name in PRESETS} | {
    "nested": [json.dumps({"t": 1_767_323_045, "site": "s",
                           "rooms": [{"name": "a", "points": POINTS}]}).encode()],
    "everything": [b'{"t": 1767323045, "a": {"b": "1.5", "c": [1, {"d": 2}]}, "e": true}'],
}  # fmt: skip

steady = settings(
    derandomize=True,
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
every = pytest.mark.parametrize("name", FORMS)


@pytest.fixture(autouse=True)
def unexpected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """Errors that only the last resort caught: none may be needed."""
    found: list[Exception] = []
    monkeypatch.setattr(mapping_module, "note_unexpected", found.append)
    monkeypatch.setattr(records, "note_unexpected", found.append)
    yield found
    assert found == []


def _decode(mapping: Mapping, values: Sequence[bytes | None]) -> list[tuple[int, Decoded]]:
    parts, start = [], 0
    while start < len(values):
        part = mapping.decode(values[start:], MAX_BYTES)
        assert part.taken >= 1
        parts.append((start, part))
        start += part.taken
    return parts


def check(name: str, values: Sequence[bytes | None]) -> None:
    """All laws that hold for any list of records."""
    mapping = Mapping(format_of("law", FORMS[name]))
    together = _decode(mapping, values)
    alone = [(i, mapping.decode([value], MAX_BYTES)) for i, value in enumerate(values)]
    assert outcome(together) == outcome(alone)
    for _, part in together:
        check_rows(part.rows)
        assert part.record.tolist() == sorted(part.record.tolist())
        for reject in part.rejects:
            check_reject(reject)
        accounted = {*part.record.tolist(), *(one.record for one in part.rejects)}
        silent = set(range(part.taken)) - accounted
        assert len(silent) <= sum(one.amount for one in part.unwatched), "a record vanished"
        json.dumps(part.unwatched)
    assert _left([part for _, part in together]) == _left([part for _, part in alone])


def _left(parts: Sequence[Decoded]) -> tuple[int, int]:
    left = [one for part in parts for one in part.unwatched]
    return sum(one.amount for one in left), sum(one.numeric for one in left)


@every
def test_a_message_of_every_mapping_gives_rows(name: str) -> None:
    mapping = Mapping(format_of("law", FORMS[name]))
    for seed in SEEDS[name]:
        assert len(mapping.decode([seed], MAX_BYTES).rows)
    check(name, [*SEEDS[name], None, b"", b"[]", b"{}"])


@every
@steady
@given(data=st.data())
def test_no_damaged_message_can_raise(name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(mutated(SEEDS[name]), min_size=1, max_size=3))
    check(name, values)


@every
@steady
@given(data=st.data())
def test_no_bytes_can_raise(name: str, data: st.DataObject) -> None:
    check(name, data.draw(st.lists(st.one_of(st.none(), st.binary(max_size=100)), max_size=3)))


_AT_LEAST = 4 << 20  # the bombs are small, so that the bound is felt
SAMPLE = b'{"t":1767323045,"v":1}'
BOMBS = {
    "array of numbers": b"[" + b"1," * 200_000 + b"1]",
    "array of nothing": b"[" + b"{}," * 100_000 + b"{}]",
    "array of samples": b"[" + b",".join([SAMPLE] * 20_000) + b"]",
    "distinct names": b"[" + b",".join(
        b'{"t":1767323045,"%x":1}' % i for i in range(15_000)
    ) + b"]",
    "deep lists": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "deep objects that end": b'{"a":' * 800 + b"1" + b"}" * 800,
    "one object of many": b'{"t":1767323045,' + b",".join(
        b'"%x":1' % i for i in range(40_000)
    ) + b"}",
    "a long name": b'{"t":1767323045,"' + b"x" * 1_000_000 + b'":1}',
    "a long number": b'{"t":1767323045,"a":' + b"9" * 1_000_000 + b"}",
    "arrays of arrays": b'{"t":1767323045,"a":[' + b"[[1]]," * 50_000 + b"1]}",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", ["everything", "nested"])
def test_memory_and_output_are_bounded_by_the_input(name: str, bomb: str) -> None:
    value = BOMBS[bomb]
    mapping = Mapping(format_of("law", FORMS[name]))
    mapping.decode([b"{}"], MAX_BYTES)
    gc.collect()
    tracemalloc.start()
    try:
        part = mapping.decode([value], MAX_BYTES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MOST_TIMES * len(value) + _AT_LEAST
    check_rows(part.rows)
    for reject in part.rejects:
        check_reject(reject)


def test_many_values_are_taken_a_few_records_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping_module, "_MOST_ROWS", 10)
    mapping = Mapping(format_of("law", FORMS["nested"]))
    parts = _decode(mapping, SEEDS["nested"] * 9)
    assert len(parts) > 1
    assert sum(part.taken for _, part in parts) == 9


def test_a_fault_of_the_mapping_costs_its_record_only(
    monkeypatch: pytest.MonkeyPatch, unexpected: list[Exception]
) -> None:
    mapping = Mapping(format_of("law", FORMS["everything"]))
    good = SEEDS["everything"][0]
    kept = Reading._element

    def broken(self: Any, record: int, *rest: Any) -> None:
        kept(self, record, *rest)
        if record == 1:
            raise KeyError("x")

    monkeypatch.setattr(Reading, "_element", broken)
    decoded = mapping.decode([good] * 3, MAX_BYTES)
    assert sorted(set(decoded.record.tolist())) == [0, 2]
    assert [one.reason for one in decoded.rejects] == ["KeyError: 'x'"]
    assert len(unexpected) == 1
    unexpected.clear()
