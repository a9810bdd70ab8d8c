"""Paths and templates of a mapping lead where their words say."""

from __future__ import annotations

from typing import Any

import pytest

from padit.codecs.mapping_paths import (
    EACH,
    MISSING,
    as_text,
    first_of,
    getter,
    holes_of,
    parse_path,
    template_of,
    text_of,
)

ELEMENT = {"a": {"b": {"c": 3, "d": None}, "x.y": 4, "": 5}, "list": [1, {"v": 2}, [7, 8]],
           "name": "m", "empty": "", "n": 2, "f": 1.5, "yes": True, "1": "one"}  # fmt: skip
ROOT = {"host": "h", "devices": [{"id": "d1"}], "v": "root"}
MIDDLE = {"id": "d1", "v": "middle"}
AROUND = (ROOT, MIDDLE)


@pytest.mark.parametrize(
    ("text", "outer", "steps"),
    [
        (".", 0, ()), (" . ", 0, ()), ("a", 0, ("a",)), ("a.b.c", 0, ("a", "b", "c")),
        ("a[0]", 0, ("a", 0)), ("[12].b", 0, (12, "b")), ("a['x.y'].c", 0, ("a", "x.y", "c")),
        ('a["it\'s"]', 0, ("a", "it's")), ("a.*", 0, ("a", EACH)), ("a[*].b", 0, ("a", EACH, "b")),
        ("*", 0, (EACH,)), ("[*]", 0, (EACH,)), ("$.a", -1, ("a",)), ("$", -1, ()),
        ("^.a", 1, ("a",)), ("^a", 1, ("a",)), ("^.^.a", 2, ("a",)), ("^^a", 2, ("a",)),
        ("^", 1, ()), ("$[0]", -1, (0,)), (".a", 0, ("a",)), ("a b.c-d", 0, ("a b", "c-d")),
        (".".join("abcdefghijklmnop"), 0, tuple("abcdefghijklmnop")),
    ],
)  # fmt: skip
def test_a_path_is_parsed_into_where_it_begins_and_its_steps(
    text: str, outer: int, steps: tuple[Any, ...]
) -> None:
    assert parse_path(text) == (text, outer, steps)


@pytest.mark.parametrize(
    ("text", "rest"),
    [("a[x]", "'[x]'"), ("a[", "'['"), ("a..b", "'..b'"), ("a]", "']'"), ("a['b", "\"['b\""),
     ("a[1234567]", "'[1234567]'"), ("a.$b", "'.$b'")],
)  # fmt: skip
def test_what_is_no_path_is_refused_from_where_it_is_none(text: str, rest: str) -> None:
    with pytest.raises(ValueError, match="is no path") as caught:
        parse_path(text)
    assert (
        str(caught.value) == f"{text!r} is no path: {rest} is not understood; see docs/payloads.md"
    )


@pytest.mark.parametrize("text", ["", "  ", ".".join("abcdefghijklmnopq")])
def test_an_empty_or_too_long_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it must have at most 16 steps, like a\.b\.c"):
        parse_path(text)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".", ELEMENT), ("a.b.c", 3), ("a.b", {"c": 3, "d": None}), ("a.b.d", None), ("n", 2),
        ("a['x.y']", 4), ("list[0]", 1), ("list[1].v", 2), ("list[2][1]", 8), ("list[1]", {"v": 2}),
        ("list[3]", MISSING), ("list[2][2]", MISSING), ("list.v", MISSING), ("a[0]", MISSING),
        ("a.b.c.d", MISSING), ("a.none", MISSING), ("none", MISSING), ("none.a", MISSING),
        ("none.a.b", MISSING), ("n.a", MISSING), ("name.a", MISSING), ("n[0]", MISSING),
        ("name[0]", MISSING), ("a.b.d.e", MISSING), ("list['0']", MISSING), ("['1']", "one"),
        ("[1]", MISSING), ("$.host", "h"), ("$.devices[0].id", "d1"), ("$", ROOT),
        ("^.v", "middle"), ("^^v", "root"), ("^^^v", MISSING), ("^.none", MISSING), ("^", MIDDLE),
    ],
)  # fmt: skip
def test_a_path_leads_to_what_stands_there_or_to_nothing(path: str, found: Any) -> None:
    assert getter(parse_path(path))(ELEMENT, AROUND) is found or (
        getter(parse_path(path))(ELEMENT, AROUND) == found
    )


@pytest.mark.parametrize("element", [None, 5, "text", [1, 2], True])
@pytest.mark.parametrize("path", ["a", "a.b", "a.b.c", "[5]"])
def test_a_path_into_what_is_no_object_leads_to_nothing(path: str, element: Any) -> None:
    assert getter(parse_path(path))(element, ()) is MISSING


def test_where_nothing_lies_around_the_message_is_the_element() -> None:
    assert getter(parse_path("$.a.b.c"))(ELEMENT, ()) == 3
    assert getter(parse_path("^.a"))(ELEMENT, ()) is MISSING


def test_the_first_path_that_leads_to_more_than_null_counts() -> None:
    def first(*paths: str) -> Any:
        return first_of([parse_path(path) for path in paths])(ELEMENT, AROUND)

    assert first("a.b.d", "none", "n", "f") == 2
    assert first("f", "n") == 1.5
    assert first("none", "a.b.d") is MISSING
    assert first("a.b.d") is None
    assert first("none") is MISSING


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("name", "m"), ("a.b.c", "3"), ("f", "1.5"), ("n", "2"), ("empty", None), ("yes", None),
        ("none", None), ("list", None), ("a.b", None), ("a.b.d", None), ("$.host", "h"),
        ("list[1].v", "2"), ("none.a", None), ("name.a", None), ("a['x.y']", "4"),
        ("{name}", "m"), ("{n}/{name}", "2/m"), ("a-{name}-z", "a-m-z"), ("{name}.", "m."),
        (".{name}", ".m"), ("{name}{n}{f}", "m21.5"), ("<{$.host}|{^.id}>", "<h|d1>"),
        ("{name}/{none}", None), ("{none}/{name}", None), ("x{none}y", None), ("{none}", None),
        ("{empty}", None), ("{{name}}", "{name}"), ("{{{name}}}", "{m}"), ("{{}}", "{}"),
        ("a{{b{name}c}}d", "a{bmc}d"), ("}}{{", "}{"), ("{{}}{name}{{}}{n}", "{}m{}2"),
        ("{a['x.y']}", "4"), ("{list[0]} {list[2][0]}", "1 7"), ("{['1']}", "one"),
    ],
)  # fmt: skip
def test_a_text_is_what_its_paths_lead_to_put_together(template: str, text: str | None) -> None:
    assert text_of(template)(ELEMENT, AROUND) == text


def test_a_template_without_a_path_is_itself() -> None:
    assert template_of("fixed")(ELEMENT, ()) == "fixed"
    assert template_of("")(ELEMENT, ()) == ""
    assert template_of("a}}b")({}, ()) == "a}b"


def test_the_paths_of_a_template_are_those_in_single_braces() -> None:
    assert holes_of("{tags.host}/{name}") == ["tags.host", "name"]
    assert holes_of("{{no}} {a['}']} {{") == ["a['}']"]
    assert holes_of("none") == []
    for wrong in ("{", "}", "{a", "a}", "{a}{", "{{{", "}}}"):
        with pytest.raises(ValueError, match=r"a brace is open; \{\{ is a brace as text") as caught:
            holes_of(wrong)
        assert str(caught.value).startswith(f"{wrong!r} is no template")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), ("", None), (0, "0"), (-7, "-7"), ((1 << 64) - 1, str((1 << 64) - 1)),
        (1 << 64, None),
        (-(1 << 70), None), (1 - (1 << 64), str(1 - (1 << 64))), (-(1 << 64), None),
        (0.1, "0.1"), (1e300, "1e+300"), (True, None), (None, None), ([1], None), ({}, None),
        (MISSING, None),
    ],
)  # fmt: skip
def test_a_name_is_text_or_a_number_of_at_most_64_bits(value: Any, text: str | None) -> None:
    assert as_text(value) == text
