"""Edges of codecs: streams whose parts differ, hints, comments, quotes, lists of names."""

from __future__ import annotations

import pytest

from padit.codecs.exposition import MOST_NAMED, parse
from padit.codecs.forgiving import hint_of
from padit.codecs.influx_lines import LineError, parse_line, parse_lines
from padit.codecs.names import MAX_NAME_LENGTH, name_fault
from padit.codecs.sparkplug import Births, read_message
from padit.codecs.sparkplug_proto import Payload
from padit.domain.metric import Series


def test_the_id_of_a_schema_in_a_hint_is_all_four_bytes() -> None:
    assert "(schema 16909060)" in hint_of(b"\x00\x01\x02\x03\x04{}")


def test_a_comment_that_is_no_utf8_is_passed_over_and_any_other_line_is_refused() -> None:
    found = parse_lines(b"a v=1\n  # caf\xe9\n\xe9 v=1\n! v=2\n!\xe9 v=3\n\nb v=4")
    assert [line.measurement for line in found.good] == ["a", "!", "b"]
    assert [str(one).split(":")[0] for one in found.refused] == ["3", "5"]
    assert found.others == [2, 3, 5, 6]


def test_a_quotation_mark_in_a_tag_is_a_sign_like_any_other() -> None:
    line = parse_line('m,a="x,b=y" v=1')
    assert line.tags == (("a", '"x'), ("b", 'y"'))
    line = parse_line('m\\ n,a="x,b=\\ y" v="a, b",w=2')
    assert (line.measurement, line.tags) == ("m n", (("a", '"x'), ("b", ' y"')))


@pytest.mark.parametrize("text", ["a,b v=1", "a,=b v=1", "a, v=1", ",b=c v=1", "a v", "a =1"])
def test_a_pair_without_a_name_or_a_value_is_refused(text: str) -> None:
    with pytest.raises(LineError):
        parse_line(text)


def test_the_first_bad_lines_are_named_and_all_are_counted() -> None:
    for bad in (MOST_NAMED - 1, MOST_NAMED, MOST_NAMED + 1, 3 * MOST_NAMED):
        found = parse(b"a x\n" * bad)
        named = [f"{number}: 'x' is no number" for number in range(1, bad + 1)]
        assert found.refused == named[:MOST_NAMED]
        assert found.refused_count == bad
        lines = parse_lines(b"bad\n" * bad)
        assert len(lines.refused) == min(bad, MOST_NAMED)
        assert lines.refused_count == bad


def test_more_samples_than_may_be_read_end_the_reading() -> None:
    found = parse(b"a 1\nb 2\nc 3\nd x\n", most=2)
    assert ([one.name for one in found.samples], found.over) == (["a", "b"], True)
    assert found.refused == []
    found = parse(b"a 1\nb 2\n", most=2)
    assert (len(found.samples), found.over) == (2, False)


def test_a_row_that_begins_no_line_is_not_counted_as_one() -> None:
    found = parse_lines(b'a t="x\ny",v=1\n\nb v=2\n# no\nbad\nc v=3')
    assert [line.measurement for line in found.good] == ["a", "b", "c"]
    assert found.numbers == [1, 4, 7]
    assert found.others == [2, 3, 5, 6]
    assert parse_lines(b"a v=1").numbers == [1]


def test_a_group_of_any_name_is_read_and_only_state_is_the_state_of_a_host() -> None:
    message = Payload(timestamp=1_767_323_045_000)
    message.metrics.add(name="m", datatype=10, double_value=1.5)
    for group in ("AREA", "STATE2", "state", "A"):
        found = read_message(
            f"spBv1.0/{group}/NBIRTH/edge", message.SerializeToString(), Births(), 0.0
        )
        assert [one.source_id for one in found.metrics] == [f"{group}/edge"]
    found = read_message("spBv1.0/STATE/host", b"", Births(), 0.0)
    assert ([one.what for one in found.unwatched], found.rejects) == (["topic"], [])


def test_properties_without_a_value_are_passed_over() -> None:
    message = Payload(timestamp=1_767_323_045_000)
    one = message.metrics.add(name="m", datatype=10, double_value=1.5)
    one.properties.keys.extend(["quality", "engUnit", "more"])
    one.properties.values.add(type=3)
    one.properties.values.add(type=12, string_value="bar")
    found = read_message("spBv1.0/g/NBIRTH/e", message.SerializeToString(), Births(), 0.0)
    assert [one.unit for one in found.metrics] == ["bar"]


def test_a_name_may_be_as_long_as_is_allowed_and_no_longer() -> None:
    longest = "n" * MAX_NAME_LENGTH
    assert not name_fault(Series(longest, longest))
    assert name_fault(Series(longest + "n", "m"))
    assert name_fault(Series("s", longest + "n"))
