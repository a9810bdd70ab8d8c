"""Mapped JSON: paths, templates, elements, filters; and all that was there is accounted for."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.records import Decoded
from padit.domain.errors import ConfigurationError
from tests.codecs.samples import T, steady

MAX_BYTES = 1 << 20
TIME = T * 1_000_000

Sample = tuple[str, str, str, int, float]


def mapped(form: Any, *messages: Any) -> Decoded:
    return Mapping(format_of("test", form)).decode(
        [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages],
        MAX_BYTES,
    )


def plain(decoded: Decoded) -> list[Sample]:
    rows = decoded.rows
    columns = zip(rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True)
    return [(*rows.series[code], time, value) for code, time, value in columns]


def read(form: Any, *messages: Any) -> list[Sample]:
    """All samples of messages of which nothing is lost or left."""
    decoded = mapped(form, *messages)
    assert decoded.rejects == []
    assert [one for one in decoded.unwatched if one.numeric] == []
    return plain(decoded)


def reason(form: Any, message: Any) -> str:
    decoded = mapped(form, message)
    assert len(decoded.rows) == 0
    [reject] = decoded.rejects
    return reject.reason


def left(decoded: Decoded) -> dict[str, int]:
    return {one.what: one.amount for one in decoded.unwatched}


FORM = {"source": "tags.host", "metric": "name", "value": "v", "time": "t", "unit": "u"}
MESSAGE = {"tags": {"host": "h"}, "name": "m", "v": 1.5, "t": T, "u": "ms"}
SAMPLE = ("h", "m", "ms", TIME, 1.5)


def test_a_value_that_is_null_is_absent_and_one_that_is_not_there_is_lost() -> None:
    decoded = mapped(FORM, MESSAGE | {"v": None})
    assert decoded.rejects == []
    assert ("null of v", "null: absent is no number", 1) in [
        (one.what, one.reason, one.amount) for one in decoded.unwatched
    ]
    without = {name: one for name, one in MESSAGE.items() if name != "v"}
    assert reason(FORM, without) == "no value at v; name its place in format: value"


def test_paths_lead_to_source_metric_value_time_and_unit() -> None:
    assert read(FORM, MESSAGE) == [SAMPLE]


def test_a_template_joins_texts_and_numbers() -> None:
    form = FORM | {"source": "{tags.host}/{rack}", "metric": "{{{name}}}"}
    assert read(form, MESSAGE | {"rack": 7}) == [("h/7", "{m}", "ms", TIME, 1.5)]


def test_the_first_path_that_leads_to_something_counts() -> None:
    form = FORM | {"source": ["tags.node", "tags.host"], "time": ["when", "t"]}
    assert read(form, MESSAGE | {"when": None}) == [SAMPLE]
    assert read(FORM | {"source": "nowhere", "source_id": "press"}, MESSAGE | {"tags": {}}) == [
        ("press", *SAMPLE[1:])
    ]


def test_keys_with_dots_and_places_in_arrays_are_quoted_and_numbered() -> None:
    form = FORM | {"source": 'tags["host.name"]', "value": "v[1].x"}
    message = MESSAGE | {"tags": {"host.name": "h"}, "v": [{"x": "text"}, {"x": 1.5}]}
    assert read(form, message) == [SAMPLE]


def test_several_values_of_a_message_are_named_by_a_mapping() -> None:
    form = {"source": "id", "time": "t", "values": {"temp": "a.temp", "flow": ["b", "c"]},
            "units": {"temp": "K"}}  # fmt: skip
    message = {"id": "x", "t": T, "a": {"temp": 300}, "c": "2.5"}
    assert read(form, message) == [("x", "temp", "K", TIME, 300.0), ("x", "flow", "", TIME, 2.5)]


def test_every_number_below_a_path_is_named_by_its_place() -> None:
    form = {"source": "id", "time": "t", "values": "data", "metric": "plc.{field}"}
    message = {"id": "x", "t": T, "data": {"a": 1, "b": {"c": 2.5, "d": True}, "e": "on"}}
    decoded = mapped(form, message)
    assert [(name, value) for _, name, _, _, value in plain(decoded)] == [
        ("plc.a", 1.0), ("plc.b.c", 2.5), ("plc.b.d", 1.0),
    ]  # fmt: skip
    assert left(decoded) == {"text of 'data.e'": 1}


def test_text_numbers_below_a_path_are_values_if_that_is_asked_for() -> None:
    form = {"source": "id", "time": "t", "values": "data"}
    message = {"id": "x", "t": T, "data": {"a": "1.5", "b": "1.5 ms"}}
    decoded = mapped(form, message)
    assert plain(decoded) == []
    found = {one.what: (one.numeric, one.remedy) for one in decoded.unwatched}
    assert found["field 'data.a'"] == (
        1,
        "add text_numbers: true to format "
        "(a preset becomes format: {preset: NAME, text_numbers: true})",
    )
    assert found["text of 'data.b'"] == (0, "")
    assert [value for *_, value in plain(mapped(form | {"text_numbers": True}, message))] == [1.5]


def test_elements_of_nested_arrays_see_what_lies_around_them() -> None:
    form = {"each": "rooms[*].points[*]", "source": "{$.site}/{^.room}", "metric": "n",
            "value": "v", "time": "$.t"}  # fmt: skip
    points = [{"n": "x", "v": 1}, {"n": "y", "v": "2"}]
    message = {"site": "s", "t": T, "rooms": [{"room": "a", "points": points}, {"room": 2,
               "points": points[:1]}]}  # fmt: skip
    assert read(form, message) == [
        ("s/a", "x", "", TIME, 1.0), ("s/a", "y", "", TIME, 2.0), ("s/2", "x", "", TIME, 1.0),
    ]  # fmt: skip


def test_an_array_as_a_message_is_read_element_by_element() -> None:
    decoded = mapped(FORM, [MESSAGE, MESSAGE | {"t": "soon"}, 5, MESSAGE | {"v": 2}])
    assert [value for *_, value in plain(decoded)] == [1.5, 2.0]
    assert decoded.element.tolist() == [0, 3]
    [reject] = decoded.rejects
    assert reject.lost == 2
    assert [number for number, _ in reject.elements] == [1, 2]
    assert "'soon' is neither an epoch time nor RFC 3339" in reject.elements[0][1]


def test_what_the_filter_leaves_out_is_counted() -> None:
    form = FORM | {"where": {"kind": ["a", "b"], "tags.host": "*"}}
    decoded = mapped(form, *[MESSAGE | {"kind": kind} for kind in "abcc"], MESSAGE)
    assert len(decoded.rows) == 2
    [one] = decoded.unwatched
    assert (one.what, one.amount, one.unit, one.numeric) == ("filtered by kind", 3, "elements", 0)
    assert mapped(FORM | {"where": {"ok": True}}, MESSAGE | {"ok": 1}).unwatched[0].amount == 1


def test_numbers_that_no_path_leads_to_are_named_with_their_place() -> None:
    message = MESSAGE | {"extra": 1, "deep": {"a": [1, 2, {"b": 3}]}, "text": "x", "n": "7"}
    decoded = mapped(FORM, message, message)
    assert left(decoded) == {
        "field 'extra'": 2, "field 'deep.a[*]'": 4, "field 'deep.a[*].b'": 2, "field 'n'": 2,
    }  # fmt: skip
    assert read(FORM | {"ignore": ["extra", "deep", "n"]}, message) == [SAMPLE]


def test_what_tells_series_apart_stands_in_their_names() -> None:
    form = FORM | {"by": ["tags.*"], "labels": {"site": "tags.site"}}
    tags = {"host": "h", "site": "a", "core": 3, "on": True, "z": 'a"b'}
    [(_, name, *_)] = read(form, MESSAGE | {"tags": tags})
    assert name == 'm{core="3",on="true",z="a\\"b"}'


def test_nested_tags_tell_series_apart_too() -> None:
    tags = {"host": "h", "place": {"site": "a", "row": 2}, "roles": ["x", "y"]}
    [(_, name, *_)] = read(FORM | {"by": "tags.*"}, MESSAGE | {"tags": tags})
    assert name == 'm{place.row="2",place.site="a",roles="x,y"}'


def test_a_name_with_too_many_tags_ends_in_a_hash_of_all_of_them() -> None:
    names = set()
    for last in "xy":
        tags = {"host": "h"} | {f"tag{i}": "v" * 20 for i in range(40)} | {"z": last}
        [(_, name, *_)] = read(FORM | {"by": "tags.*"}, MESSAGE | {"tags": tags})
        assert len(name) == 512
        names.add(name)
    assert len(names) == 2


@pytest.mark.parametrize(
    ("stamp", "keys"),
    [
        (T, {}), (float(T), {}), (T * 1000, {}), (T * 10**6, {}), (T * 10**9, {}), (f"{T}", {}),
        (f"{T}000", {}), ("2026-01-02T03:04:05Z", {}), ("2026-01-02T04:04:05+01:00", {}),
        ("2026-01-02 03:04:05", {}), (T, {"time_format": "s"}), (f"{T}000", {"time_format": "ms"}),
        (T * 10**6, {"time_format": "us"}), (T * 10**9, {"time_format": "ns"}),
        ("02.01.2026 03:04:05", {"time_format": "%d.%m.%Y %H:%M:%S"}),
        ("2026-01-02T04:04:05", {"timezone": "Europe/Berlin"}),
        ("02.01.2026 04:04", {"time_format": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"}),
    ],
)  # fmt: skip
def test_times_of_every_form_are_read(stamp: Any, keys: dict[str, Any]) -> None:
    whole = TIME - 5_000_000 if keys.get("time_format", "").endswith("%H:%M") else TIME
    for others in ([], [MESSAGE | {"t": T if "time_format" not in keys else stamp}]):
        found = read(FORM | keys, MESSAGE | {"t": stamp}, *others)
        assert found[0][3] == whole


def test_nanoseconds_are_exact_and_cut_to_microseconds() -> None:
    stamp = T * 10**9 + 123_456_789
    assert read(FORM, MESSAGE | {"t": stamp})[0][3] == TIME + 123_456


STAMP = st.one_of(
    st.integers(T * 10**9, T * 10**9 + 10**6), st.floats(T * 1e9, T * 1e9 + 1e6),
    st.integers(T, T + 9), st.floats(T, T + 9),
    st.sampled_from([f"{T}", None, True, 1e300, 10**40]),
)  # fmt: skip


@steady
@given(st.lists(STAMP, max_size=5), st.sampled_from(["auto", "s", "ns"]))
def test_a_time_is_read_alone_as_it_is_among_others(stamps: list[Any], form: str) -> None:
    messages = [MESSAGE | {"t": stamp} for stamp in stamps]
    whole = mapped(FORM | {"time_format": form}, *messages)
    alone = [mapped(FORM | {"time_format": form}, one) for one in messages]
    assert plain(whole) == [sample for one in alone for sample in plain(one)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"t": None}, "no time: nothing is there"),
        ({"t": True}, "no time: True"),
        ({"t": 5}, "timestamp 5 lies outside the years 2000 to 2199"),
        ({"t": 10**30}, "outside the years"),
        ({"t": "x" * 100}, "has 100 characters, at most 64"),
        ({"v": "x"}, "'m': value 'x' is no number"),
        ({"v": [1]}, "it is an array"),
        ({"name": None}, "no metric name at name; see format: metric"),
        ({"tags": {}}, "no source at tags.host; name its place in format: source"),
        ({"name": "n" * 600}, "metric_name has 600 characters, at most 512"),
    ],
)
def test_a_message_that_cannot_be_used_says_why(change: dict[str, Any], expected: str) -> None:
    assert expected in reason(FORM, MESSAGE | change)


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"17", b'"x"', b"null", b"[1]"])
def test_what_is_no_message_is_rejected(value: bytes) -> None:
    assert reason(FORM, value)


def test_an_hour_that_comes_twice_is_refused_and_not_guessed() -> None:
    form = FORM | {"timezone": "Europe/Berlin"}
    assert "comes twice" in reason(form, MESSAGE | {"t": "2026-10-25T02:30:00"})
    assert read(form, MESSAGE | {"t": "2026-10-25T02:30:00+01:00"})


def test_without_a_path_to_the_time_the_record_has_it() -> None:
    form = {key: value for key, value in FORM.items() if key != "time"}
    value = [json.dumps(MESSAGE | {"t": "x"}).encode()]
    mapping = Mapping(format_of("test", form))
    decoded = mapping.decode(value, MAX_BYTES, np.array([TIME]))
    assert decoded.rows.time.tolist() == [TIME]
    assert "no time" in mapping.decode(value, MAX_BYTES).rejects[0].reason


def test_a_longer_record_and_a_tombstone_are_accounted_for() -> None:
    mapping = Mapping(format_of("test", FORM))
    decoded = mapping.decode([None, b'{"a": 1}'], 3)
    assert left(decoded) == {"tombstone": 1}
    assert [one.record for one in decoded.rejects] == [1]
    assert "more than the 3 of --max_record_bytes" in decoded.rejects[0].reason


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("teligraf", "format 'teligraf' is unknown; known are: .*telegraf"),
        (5, "format is the name of a preset or a mapping"),
        ({"source": "a"}, "give value, values or both"),
        ({"value": "a", "metric": "m"}, "give source, source_id or both"),
        ({"source": "a", "value": "b"}, "value needs metric"),
        ({"source": "a", "values": "b", "metric": "m"}, "metric needs {field}"),
        ({"source": "a..b", "values": "b"}, "'a..b' is no path"),
        ({"source": "{a", "values": "b"}, "a brace is open"),
        (
            {"source": "a", "values": "b", "sauce": 1},
            "unknown key sauce; perhaps source is meant; allowed are: preset",
        ),
        ({"source": "a", "values": "b", "time_format": "seconds"}, "none of auto, s, ms, us, ns"),
        ({"source": "a", "values": "b", "timezone": "Mars"}, "timezone 'Mars' is unknown"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_place_and_the_remedy(form: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        format_of("x.yaml", form)


LEAF = st.one_of(
    st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(), st.none(), st.sampled_from(["x", "1.5", "", "-7"]),
)  # fmt: skip


def _tree(depth: int) -> "st.SearchStrategy[Any]":
    if not depth:
        return LEAF
    inner = _tree(depth - 1)
    names = st.sampled_from("abcdv")
    return st.one_of(LEAF, st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4))


TREE = _tree(3)


def _numbers(value: Any) -> int:
    """Numbers, and texts that are some, in a tree."""
    if isinstance(value, dict):
        return sum(map(_numbers, value.values()))
    if isinstance(value, list):
        return sum(map(_numbers, value))
    if isinstance(value, str):
        return value in ("1.5", "-7")
    return value is not None


FORMS: list[Any] = [
    {"source": "s", "time": "t", "values": "a"},
    {"source": "s", "time": "t", "values": "."},
    {"source": "s", "time": "t", "values": ".", "text_numbers": True, "by": ["b"]},
    {"source": "s", "time": "t", "values": {"x": "a", "y": ["b.c", "d"]}},
    {"source": "s", "time": "t", "value": "v", "metric": ["a", "{field}"], "values": "b"},
    {"source": "s", "time": "t", "value": "a.b", "metric": "s"},
]


@steady
@given(st.sampled_from(FORMS), st.dictionaries(st.sampled_from("abcdv"), TREE, max_size=5))
def test_every_number_of_a_message_is_read_left_or_lost(form: Any, message: dict[str, Any]) -> None:
    decoded = mapped(form, message | {"s": "x", "t": T})
    read_ = len(decoded.rows)
    unwatched = sum(one.numeric for one in decoded.unwatched)
    lost = sum(one.lost for one in decoded.rejects)
    used = 0
    for name in (
        ("b",) if "by" in form else ("a",) if form.get("metric") == ["a", "{field}"] else ()
    ):
        used += _numbers(message.get(name))
    present = _numbers(message)
    assert read_ + unwatched <= present
    if not lost:  # a value that is lost may hold several numbers
        assert present <= read_ + unwatched + used
    if not decoded.rejects and not read_:
        assert decoded.unwatched


@steady
@given(st.lists(st.dictionaries(st.sampled_from("stnv"), LEAF, max_size=4), max_size=6))
def test_every_element_is_a_sample_or_absent_or_lost(elements: list[dict[str, Any]]) -> None:
    form = {"each": "e[*]", "source": "s", "time": "t", "metric": "n", "value": "v"}
    decoded = mapped(form, {"e": elements})
    lost = sum(one.lost for one in decoded.rejects)
    absent = left(decoded).get("null of v", 0)
    assert absent <= sum("v" in one and one["v"] is None for one in elements)
    assert len(decoded.rows) + lost + absent == len(elements)
    if not elements:
        assert left(decoded) == {"empty message": 1}


@steady
@given(st.lists(st.sampled_from([
    MESSAGE, MESSAGE | {"t": "soon"}, MESSAGE | {"v": "x"}, [MESSAGE, {}, MESSAGE], {}, [],
    MESSAGE | {"name": "other"},
]), max_size=6))  # fmt: skip
def test_messages_give_the_same_alone_and_together(messages: list[Any]) -> None:
    whole = mapped(FORM, *messages)
    alone = [mapped(FORM, one) for one in messages]
    assert plain(whole) == [sample for one in alone for sample in plain(one)]
    assert [one.reason for one in whole.rejects] == [
        one.reason for part in alone for one in part.rejects
    ]
    assert whole.record.tolist() == [i for i, one in enumerate(alone) for _ in plain(one)]
