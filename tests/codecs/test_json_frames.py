"""Frames by hash: whatever the table looks like, a record is recognised as itself or not at all."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from padit.codecs import json_frames, json_layouts
from padit.codecs.json_frames import Frames, LearningBudget
from padit.codecs.json_layouts import KnownRecords
from padit.codecs.json_records import json_reader
from padit.domain.attributes import Attributes
from padit.domain.metric import Series
from tests.codecs.samples import T, plain

_LIMIT = 5_000


def _parse(record: bytes) -> tuple[Series, float, float, Attributes] | None:
    return json_reader(()).parse(record)


def _record(name: str, number: int, **more: object) -> bytes:
    fields = {"timestamp": T, "source_id": name, "metric_name": "m", "value": number} | more
    return json.dumps(fields).encode()


def _check(known: KnownRecords, values: Sequence[bytes]) -> int:
    """Compare what is recognised with the parser; how many records are."""
    found = known.read(values, _LIMIT)
    if found is None:
        return 0
    rows, position = found
    assert np.all(np.diff(position) > 0)
    parsed = [_parse(values[i]) or pytest.fail("it is no record") for i in position.tolist()]
    assert plain(rows) == [(tuple(one[0]), int(one[1] * 1e6), one[2]) for one in parsed]
    assert len(set(rows.series)) == len(rows.series)
    return len(position)


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("count", [255, 256, 257, 1_000])
def test_frames_that_share_slots_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, slots: int, count: int
) -> None:
    monkeypatch.setattr(json_frames, "_SLOTS", slots)
    monkeypatch.setattr(json_layouts, "_MOST_LAYOUTS", 1)
    known = KnownRecords(_parse)
    values = [_record(f"cell-{n:04d}", n) for n in range(count)]
    enough = {1: 0.6, 2: 0.97, 8: 1.0}[slots]
    for again in range(3):
        assert _check(known, values[:: -1 if again % 2 else 1]) >= enough * count
    [layout] = known._layouts
    assert layout.frames is not None
    assert layout.frames._count >= enough * count


def test_frames_of_equal_hash_are_never_taken_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_layouts, "_MOST_LAYOUTS", 1)
    values = [_record(f"cell-{n}", n) for n in range(5)]
    known = KnownRecords(_parse)
    assert _check(known, values[:1]) == 1
    [layout] = known._layouts
    frames = layout.frames
    assert frames is not None
    frames._factors = [np.zeros_like(one) for one in frames._factors]
    frames._clear(256)
    known._pause = 0
    assert _check(known, [values[0], *values, values[0]]) == 3


def test_frames_of_neighbouring_hashes_are_each_found_behind_the_other() -> None:
    """Hashes whose slots are one, up to the most that are probed."""
    frames = Frames([8, 8, 8], True, _parse, LearningBudget())
    step = len(frames._slots) << 32
    hashes = np.array([(5 << 32) + n * step for n in range(20)], np.uint64)
    keys = [
        np.full((20, 4), n, np.uint64) + np.arange(20, dtype=np.uint64)[:, None] for n in range(3)
    ]
    for n in range(20):
        frames._add([key[n] for key in keys], hashes[n], (Series("a", str(n)), Attributes()))
    assert frames._count == json_frames._PROBES == 16
    expected = [*range(16), -1, -1, -1, -1]
    assert frames._look_up(keys, hashes).tolist() == expected
    assert frames._look_up([key[::-1] for key in keys], hashes[::-1]).tolist() == expected[::-1]
    for n in range(16):
        found = frames._look_up([key[n : n + 1] for key in keys], hashes[n : n + 1])
        assert found.tolist() == [n]
    for piece in range(3):
        other = [key.copy() for key in keys]
        other[piece][:, 3] ^= np.uint64(1)
        assert set(frames._look_up(other, hashes).tolist()) == {-1}


def test_slots_behind_the_last_are_the_first() -> None:
    frames = Frames([8, 8, 8], True, _parse, LearningBudget())
    last = len(frames._slots) - 1
    hashes = np.array([last << 32, (last << 32) + 1, (last << 32) + 2], np.uint64)
    keys = [np.arange(12, dtype=np.uint64).reshape(3, 4) for _ in range(3)]
    for n in range(3):
        frames._add([key[n] for key in keys], hashes[n], None)
    assert frames._slots[[last, 0, 1]].tolist() == [0, 1, 2]
    assert frames._look_up(keys, hashes).tolist() == [0, 1, 2]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 30, 31, 32, 33, 63, 64, 200])
def test_pieces_are_kept_in_as_many_bytes_as_they_need(length: int) -> None:
    frames = Frames([length, 5, 5], True, _parse, LearningBudget())
    room = -(-(length + 1) // 32) * 32
    assert frames._widths == [room, 32, 32]
    assert frames.has_room([room - 1, 31, 31])
    assert not frames.has_room([room, 5, 5])
    assert not frames.has_room([0, 0, 32])
    assert [len(one) for one in frames._factors] == [room // 8, 4, 4]
    every = np.concatenate(frames._factors)
    assert len(set(every.tolist())) == len(every)
    assert np.all(every % 2 == 1)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 31, 32, 33, 100, 300, 420, 430, 440, 450, 460, 600])
def test_names_of_any_length_are_told_apart_by_any_character(length: int) -> None:
    names = ["a" * length] + [
        "a" * place + "b" + "a" * (length - place - 1) for place in range(0, length, 5)
    ]
    values = [_record(name, n) for n, name in enumerate(names)]
    found = _check(KnownRecords(_parse), values)
    assert found == (len(values) if length <= 430 else 0 if length >= 600 else found)
    for order in (1, -1):
        known = KnownRecords(_parse)
        known.read([values[0]], _LIMIT)
        known._pause = 0
        _check(known, [*values[::order], _record("", 1)])


def test_first_frames_are_forgotten_where_there_is_no_room_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_frames, "_MOST", 300)
    known = KnownRecords(_parse)
    values = [_record(f"cell-{n:04d}", n) for n in range(301)]
    assert _check(known, values[:300]) == 300
    [layout] = known._layouts
    assert layout.frames is not None
    assert layout.frames._count == 300
    known.read(values[300:], _LIMIT)
    assert layout.frames._count == 1
    known._pause = 0
    assert _check(known, values[:299]) == 299
    assert layout.frames._count == 300


def test_memory_of_frames_is_bounded_by_their_widths() -> None:
    assert Frames([5, 5, 5], True, _parse, LearningBudget())._most == 1 << 17
    assert Frames([255, 255, 5], True, _parse, LearningBudget())._most == (64 << 20) // 544
    assert Frames([511, 511, 511], True, _parse, LearningBudget())._most == (64 << 20) // 1536


def test_new_frames_use_up_the_budget_and_known_records_earn_it() -> None:
    parsed: list[bytes] = []

    def counted(record: bytes) -> tuple[Series, float, float, Attributes] | None:
        parsed.append(record)
        return _parse(record)

    known = KnownRecords(counted)
    assert known._credit.left == 100_000
    known._credit.left = 3.0
    values = [_record(f"cell-{n}", n) for n in range(10)]
    found = known.read(values, _LIMIT)
    assert found is not None
    assert len(parsed) == 3
    assert found[1].tolist() == [0, 1, 2]
    assert known._credit.left == 0
    known._pause = 0
    known.read(values[:3] * 17, _LIMIT)
    assert known._credit.left == pytest.approx(51 / 50)
    assert len(parsed) == 3
    known.read([*values[:4], *values[:3]], _LIMIT)
    assert len(parsed) == 4


def test_family_and_labels_belong_to_their_records_whatever_the_order() -> None:
    reader = json_reader(("site",))
    known = KnownRecords(reader.parse)
    values = [
        _record(f"cell-{n % 3}", n, metric_type=["latency", "custom"][n % 2],
                metadata={"site": "abc"[n % 4 % 3]})
        for n in range(40)
    ]  # fmt: skip
    for chosen in (values, values[::2], values[::-1], values[::6], values[:1]):
        found = known.read(chosen, _LIMIT)
        assert found is not None
        rows, position = found
        assert len(position) == len(chosen)
        parsed = [reader.parse(one) or pytest.fail("it is no record") for one in chosen]
        assert plain(rows) == [(tuple(one[0]), int(one[1] * 1e6), one[2]) for one in parsed]
        column = rows.attributes
        assert column is not None
        assert [column.table[i] for i in column.of_rows(rows.code).tolist()] == [
            one[3] for one in parsed
        ]


@pytest.mark.parametrize("unknown", [49, 50, 51, 100])
def test_reading_pauses_where_most_records_are_unknown(unknown: int) -> None:
    known = KnownRecords(_parse)
    odd = [b'{"timestamp":"2026-01-01T00:00:00Z","n":%d}' % n for n in range(unknown)]
    values = [*[_record("a", n) for n in range(100 - unknown)], *odd]
    known.read(values, _LIMIT)
    pauses = 0
    while known.read([_record("a", 1)], _LIMIT) is None:
        pauses += 1
    assert pauses == (json_layouts._PAUSE if unknown > 50 else 0)
    assert json_layouts._PAUSE == 16


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_record_longer_than_allowed_is_left_to_the_parser(spare: int) -> None:
    value = _record("a", 1)
    found = KnownRecords(_parse).read([value], len(value) - spare)
    assert found is not None
    assert found[1].tolist() == ([] if spare > 0 else [0])


def test_eight_layouts_are_known_at_a_time() -> None:
    orders = [{f"x{k}": 1 for k in range(n)} for n in range(9)]
    values = [_record("a", n, **more) for n, more in enumerate(orders)]
    assert _check(KnownRecords(_parse), values[:8]) == 8
    assert _check(KnownRecords(_parse), values) == json_layouts._MOST_LAYOUTS == 8
