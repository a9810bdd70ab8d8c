"""Times, audit records, losses, labels: each bound holds to the one, each default is as stated."""

import hashlib

import msgspec
import numpy as np
import pytest

from padit.domain.alert import CRITICAL_FROM, WARNING_FROM, severity_of
from padit.domain.attributes import LONGEST_LABEL, LONGEST_LABEL_NAME, MOST_LABELS, Attributes
from padit.domain.audit import (
    IdlenessDecision,
    Provenance,
    ReaderLosses,
    RunStarted,
    RunTotals,
    decode_record,
    encode_record,
    judged_by,
    total,
)
from padit.domain.dead_letter import LARGEST_ORIGINAL, DeadLetter
from padit.domain.losses import LATE_KIND, MOST_KINDS, OTHER_KIND, Loss, add_losses
from padit.domain.message import Kind, Message, key_of
from padit.domain.run_identity import RunIdentity
from padit.domain.timestamps import (
    EARLIEST_US,
    LATEST_US,
    MICROS,
    format_utc,
    micros_from_integers,
    micros_from_numbers,
    parse_timestamp,
    seconds_to_micros,
)
from padit.domain.watermark import FAR, WATERMARK_NONE, Position, Vote, reached


@pytest.mark.parametrize(
    ("number", "micros"),
    [
        (0, 0), (-5, -5_000_000), (10**11 - 1, (10**11 - 1) * 10**6), (10**11, 10**14),
        (-(10**11), -(10**14)), (10**14 - 1000, (10**14 - 1000) * 1000), (10**14, 10**14),
        (10**17 - 16, 10**17 - 16), (10**17, 10**14), (10**18, 10**15), (-(10**17), -(10**14)),
    ],
)  # fmt: skip
def test_unit_of_a_number_changes_exactly_at_its_bound(number: int, micros: int) -> None:
    assert micros_from_numbers(np.array([float(number)])).tolist() == [micros]
    assert micros_from_integers(np.array([number])).tolist() == [micros]
    assert parse_timestamp(number) == micros
    for beside in (5.0, 1e12, 1e15, 1e18):
        both = micros_from_numbers(np.array([beside, float(number)]))
        assert both.tolist() == [parse_timestamp(beside), micros]


@pytest.mark.parametrize(
    ("number", "micros"),
    [(1e17 - 1, 10**14), (10**17 - 1, 10**17 - 1), (10**17 + 999, 10**14),
     (10**17 + 1000, 10**14 + 1)],
)  # fmt: skip
def test_whole_numbers_are_exact_where_floats_are_not(number: float, micros: int) -> None:
    read = micros_from_integers if isinstance(number, int) else micros_from_numbers
    assert read(np.array([number])).tolist() == [micros]


@pytest.mark.parametrize(
    ("number", "micros"),
    [(8.9e21, 8_900_000_000_000_000_000), (9.1e21, 0), (-9.1e21, 0), (float("inf"), 0),
     (float("nan"), 0)],
)  # fmt: skip
def test_number_beyond_64_bits_becomes_zero(number: float, micros: int) -> None:
    assert micros_from_numbers(np.array([number])).tolist() == [micros]


def test_times_inside_are_whole_microseconds_of_the_years_2000_to_2199() -> None:
    assert (MICROS, EARLIEST_US, LATEST_US) == (10**6, 946_684_800 * 10**6, 7_258_118_400 * 10**6)
    assert format_utc(EARLIEST_US) == "2000-01-01T00:00:00.000000Z"
    assert format_utc(LATEST_US - 1) == "2199-12-31T23:59:59.999999Z"
    assert format_utc(-1) == "1969-12-31T23:59:59.999999Z"
    assert [seconds_to_micros(one) for one in (1.5, 0.0000004, 0.0000006)] == [1_500_000, 0, 1]
    assert micros_from_numbers(np.array([0.0000004, 0.0000006, 1.5])).tolist() == [0, 1, 1_500_000]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("123456789", 123_456_789_000_000), ("1234567890.5", 1_234_567_890_500_000),
        (" 1767323045 ", 1_767_323_045_000_000), ("1767323045500", 1_767_323_045_500_000),
        ("00000000000000000005", 5_000_000), ("2026-01-02", 1_767_312_000_000_000),
        ("20260102", 1_767_312_000_000_000), ("1970-01-01T00:00:00.000001", 1),
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)  # fmt: skip
def test_text_is_a_number_from_nine_digits_on(text: str, micros: int) -> None:
    assert parse_timestamp(text) == micros


@pytest.mark.parametrize("text", ["12345678", "123456789.", "-123456789", "1e9"])
def test_other_text_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month|day|range"):
        parse_timestamp(text)


def test_limits_of_severity_labels_and_originals_are_those_that_are_documented() -> None:
    assert (WARNING_FROM, CRITICAL_FROM) == (0.7, 0.9)
    assert [severity_of(one) for one in (np.nextafter(0.9, 0), np.nextafter(0.7, 0))] == [
        "WARNING", "INFO",
    ]  # fmt: skip
    assert (LONGEST_LABEL, LONGEST_LABEL_NAME, MOST_LABELS) == (256, 128, 16)
    assert Attributes() == ("custom", (), None, None)
    assert (LARGEST_ORIGINAL, MOST_KINDS, FAR) == (700_000, 20, 86_400_000_000)
    assert Position(1, 2, 3, 4, 5) == (1, 2, 3, 4, 5, 0, 0, 0, WATERMARK_NONE)
    assert Vote() == Vote(0, 0, WATERMARK_NONE, {}, WATERMARK_NONE, WATERMARK_NONE, WATERMARK_NONE)


@pytest.mark.parametrize("size", [0, LARGEST_ORIGINAL, LARGEST_ORIGINAL + 1])
def test_original_of_a_dead_letter_is_cut_and_its_size_and_digest_are_not(size: int) -> None:
    data = b"x" * size
    letter = DeadLetter.of(data, "r", "t", 1, 2)
    assert letter == DeadLetter(
        "r", "t", 1, 2, data[:700_000], size, hashlib.sha256(data).hexdigest(), 1, ()
    )


def test_message_of_a_dead_letter_has_its_place_in_key_and_id() -> None:
    letter = DeadLetter.of(b"x", "r", "t:1", 3, 42, 2, ((0, "a"), (1, "b")))
    message = Message.dead_letter(letter, 7)
    assert (message.kind, message.key, message.time, message.value) == (
        Kind.DEAD_LETTER, "t%3A1:3", 0, b"x",
    )  # fmt: skip
    assert message.id.startswith("00000000000000000042-000007-")
    assert len(message.id) == 28 + 32
    assert dict(message.headers) == {
        "reason": "r", "topic": "t:1", "partition": 3, "offset": 42, "size": 1,
        "digest": hashlib.sha256(b"x").hexdigest(), "lost": 2, "elements": ((0, "a"), (1, "b")),
    }  # fmt: skip
    assert Message.dead_letter(letter).id.startswith("00000000000000000042-000000-")
    others = [Message.dead_letter(letter, 7, "x"), Message.dead_letter(letter, 8)]
    assert len({message.id[28:], *(one.id[28:] for one in others)}) == 3
    plain = Message.of(Kind.AUDIT, ("a", "b%"), 5, b"{}", "i")
    assert (plain.key, plain.time, plain.headers, plain.json, len(plain.id)) == (
        "a:b%25", 5, (), b"{}", 32,
    )  # fmt: skip
    assert key_of() == ""


_RECORDS = {
    '{"record":"run_totals","read":{"1":[2,3,4]},"scored":5,"duplicate":6,"windows":7,'
    '"anomalies":8,"alerts":9,"series":0,"warm":0,"group":0,"waiting":0,"dead_lettered":0,'
    '"series_evicted":0,"judged":{},"judged_hours":0,"budget_alerts":0,"budget_more":0}': RunTotals(
        {1: (2, 3, 4)}, 5, 6, 7, 8, 9
    ),
    '{"record":"idleness_decision","following":{"1":2},"watermarks":{"3":4}}': IdlenessDecision(
        {1: 2}, {3: 4}
    ),
    '{"record":"losses","reader":1,"losses":[{"kind":"k","count":2,"reason":"r","place":"p",'
    '"partition":0,"offset":-1,"record":"","behind":0}]}': ReaderLosses(
        1, (Loss("k", 2, "r", "p"),)
    ),
    '{"record":"provenance","transition":"t","alert":"a","time":1,"offsets":{"0":[2,3]},'
    '"began":{"0":4},"state":"","source":""}': Provenance("t", "a", 1, {0: (2, 3)}, {0: 4}),
    '{"record":"run_started","run":"r","shape":"s","source":"t","live":true,'
    '"ranges":{"0":[1,null]},"version":"v","live_from":null,"moment":""}': RunStarted(
        "r", "s", "t", True, {0: (1, None)}, "v"
    ),
}


@pytest.mark.parametrize(("text", "record"), _RECORDS.items())
def test_record_of_the_audit_log_is_written_to_the_letter(text: str, record: RunTotals) -> None:
    assert encode_record(record).decode() == text
    assert decode_record(text) == record
    assert record.__struct_config__.frozen


def test_earlier_tags_are_read_and_others_are_refused() -> None:
    for old, new in (("ledger", "run_totals"), ("idle", "idleness_decision")):
        text = next(one for one in _RECORDS if new in one)
        assert decode_record(text.replace(new, old)) == _RECORDS[text]
    for bad in ('{"record":"other"}', "[]", "5", "{}", '{"record":"idle"}', "nonsense"):
        with pytest.raises(msgspec.DecodeError):
            decode_record(bad)


def test_totals_of_a_run_are_those_of_the_record_of_each_group_that_read_most() -> None:
    early = RunTotals({0: (5, 1, 1)}, 1, 1, 1, 1, 1, 1, 1, group=0, waiting=9, judged={"a": 9})
    late = RunTotals({0: (7, 2, 1), 1: (1, 0, 1)}, 2, 3, 4, 5, 6, 7, 8, 0, 9, 10, 11,
                     {"a": 1, "b": 2}, 12, 13, 14)  # fmt: skip
    other = RunTotals(
        {1: (3, 1, 2)}, 20, 30, 40, 50, 60, 70, 80, 1, 90, 100, 110, {"b": 5}, 120, 130, 140
    )
    expected = {
        "read": 10, "late": 3, "dead_lettered": 3 + 110, "scored": 22, "duplicate": 33,
        "windows": 44, "anomalies": 55, "alerts": 66, "series": 77, "warm": 88, "waiting": 99,
        "series_evicted": 121, "judged_hours": 132, "budget_alerts": 143, "budget_more": 154,
    }  # fmt: skip
    for order in ([early, late, other], [other, late, early], [late, early, other]):
        assert total(order) == expected
        assert judged_by(order) == {"a": 1, "b": 7}
    twin = msgspec.structs.replace(late, scored=200)
    assert total([late, twin])["scored"] == 200  # of two that read alike the later one
    assert total([]) == dict.fromkeys(expected, 0)
    assert judged_by([]) == {}


def test_losses_beyond_twenty_kinds_are_counted_as_others_but_late_ones_never() -> None:
    losses = [Loss(f"k{n:02d}", 1, f"r{n}", "t", 0, n) for n in range(22)]
    found = add_losses([], [*losses, Loss(LATE_KIND, 3, "late", "t", behind=5)])
    assert [one.kind for one in found] == [
        *(f"k{n:02d}" for n in range(20)), LATE_KIND, OTHER_KIND,
    ]  # fmt: skip
    assert (found[-1].count, found[-1].reason) == (2, "r20")
    assert add_losses(found, [losses[0]])[0].count == 2
    assert len(add_losses([], losses[:20])) == 20
    assert (LATE_KIND, OTHER_KIND) == ("late", "other reasons")


def test_example_of_a_loss_is_furthest_behind_and_then_first() -> None:
    one = Loss("k", 1, "one", "t", 1, 5, behind=3)
    for other, kept in (
        (Loss("k", 2, "x", "t", 9, 9, behind=4), "x"), (Loss("k", 2, "x", "t", 0, 0), "one"),
        (Loss("k", 2, "x", "t", 0, 9, behind=3), "x"),
        (Loss("k", 2, "x", "t", 1, 4, behind=3), "x"),
        (Loss("k", 2, "x", "t", 1, 6, behind=3), "one"),
        (Loss("k", 2, "x", "t", 2, 0, behind=3), "one"),
    ):  # fmt: skip
        for pair in ((one, other), (other, one)):
            [found] = add_losses([pair[0]], [pair[1]])
            assert (found.reason, found.count) == (kept, 3)
    assert one.where == "t, partition 1, offset 5"
    assert Loss("k", 1, "r", "f", offset=0).where == "f, partition 0, offset 0"
    assert Loss("k", 1, "r", "f").where == "f, partition 0"


@pytest.mark.parametrize(
    ("ranges", "text"),
    [
        ({}, "alerts of a bounded run over t"),
        ({0: (1, 2)}, "alerts of a bounded run over t (offsets by partition 0: 1 to 2)"),
        ({n: (0, n) for n in range(4)}, "alerts of a bounded run over t (offsets by partition "
         "0: 0 to 0, 1: 0 to 1, 2: 0 to 2, 3: 0 to 3)"),
        ({n: (0, None) for n in range(5)}, "alerts of a live run over t (offsets by partition "
         "0: 0 to ..., 1: 0 to ..., 2: 0 to ..., 3: 0 to ..., ...)"),
    ],
)  # fmt: skip
def test_identity_of_a_run_names_four_partitions(
    ranges: dict[int, tuple[int, int | None]], text: str
) -> None:
    assert str(RunIdentity.of("alerts", "t", ranges, {})) == text
    assert str(RunIdentity()) == "results of a live run over an input"
    assert RunIdentity().to_bytes() == (
        b'{"output":"","live":true,"source":"","ranges":{},"shape":{}}\n'
    )


def test_ended_log_tells_of_time_up_to_its_newest_rows_unless_others_contradict() -> None:
    base, disorder = 1_000_000_000, 10_000_000
    step = 300_000_000
    mark = base - disorder
    assert reached(mark, Vote(), disorder) == mark
    for ahead, jumped, expected in (
        (step, 0, base + step - disorder), (step + 1, 0, mark),
        (step + 1, base, base + step + 1 - disorder),
        (-5, 0, mark),
    ):  # fmt: skip
        assert reached(mark, Vote(highest=base + ahead, jumped=jumped), disorder) == expected
    assert reached(WATERMARK_NONE, Vote(highest=77), 7) == 70
    wide = 2 * step
    assert reached(base - wide, Vote(highest=base + wide), wide) == base
    assert reached(base - wide, Vote(highest=base + wide + 1), wide) == base - wide
