"""Exposition formats: where a number, a label, a line and a body end, to the character."""

import math

import pytest

from padit.codecs.exposition import MOST_NAMED, Exposition, Family, Sample, parse


def _one(line: str, *, openmetrics: bool = False) -> Sample:
    found = parse(f"{line}\n".encode(), openmetrics=openmetrics)
    assert found.refused == []
    [sample] = found.samples
    return sample


def _reason(line: str, *, openmetrics: bool = False) -> str:
    found = parse(f"{line}\n".encode(), openmetrics=openmetrics)
    [refused] = found.refused
    assert found.refused_count == 1
    assert found.samples == []
    return refused


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), ("+1", 1.0), ("-1.", -1.0), (".5", 0.5), ("1e3", 1000.0), ("1E-3", 0.001),
        ("0" * 399 + "7", 7.0), ("Inf", math.inf), ("+inf", math.inf), ("-Inf", -math.inf),
        ("-infinity", -math.inf), ("INFINITY", math.inf), ("0", 0.0), ("-0", -0.0),
    ],
)  # fmt: skip
def test_number_is_read_in_every_form(text: str, value: float) -> None:
    assert repr(_one(f"a {text}").value) == repr(value)
    assert repr(_one(f"a {text}", openmetrics=True).value) == repr(value)


@pytest.mark.parametrize("text", ["NaN", "nan", "+NaN", "-nan"])
def test_missing_value_is_not_a_number(text: str) -> None:
    assert math.isnan(_one(f"a {text}").value)


@pytest.mark.parametrize(
    "text", ["0" * 400 + "7", "1e999", "-1e999", "--1", "infin", "-", "+", "0x1", "1e", "e1"]
)
def test_what_is_no_number_is_refused_with_its_beginning(text: str) -> None:
    assert _reason(f"a {text}") == f"1: {text[:60]!r} is no number"


@pytest.mark.parametrize(
    ("stamp", "time"),
    [("0", 0.0), ("-1", -0.001), ("1234", 1.234), ("9" * 16, 9999999999999.999)],
)
def test_time_of_the_text_format_is_whole_milliseconds(stamp: str, time: float) -> None:
    assert _one(f"a 1 {stamp}").time == time


@pytest.mark.parametrize("stamp", ["9" * 17, "1.5", "1e3", "x", "+1", "NaN"])
def test_other_time_in_the_text_format_is_refused(stamp: str) -> None:
    assert _reason(f"a 1 {stamp}") == f"1: {stamp!r} is no time in whole milliseconds"


@pytest.mark.parametrize(("stamp", "time"), [("0", 0.0), ("-1.5", -1.5), ("1.5e3", 1500.0)])
def test_time_of_openmetrics_is_in_seconds(stamp: str, time: float) -> None:
    assert _one(f"a 1 {stamp}", openmetrics=True).time == time


@pytest.mark.parametrize("stamp", ["NaN", "Inf", "-Inf"])
def test_time_that_is_not_finite_is_refused(stamp: str) -> None:
    assert _reason(f"a 1 {stamp}", openmetrics=True) == f"1: {stamp!r} is no time in seconds"


def test_sample_without_a_time_has_none() -> None:
    assert _one("a 1").time is None
    assert _one('a 1 # {x="y"} 1', openmetrics=True).time is None


@pytest.mark.parametrize("openmetrics", [True, False])
@pytest.mark.parametrize(
    ("head", "labels"),
    [
        ("a", ()), ("a{}", ()), ("a{ }", ()), ("a\t{\t}", ()), ('a {b="c"}', (("b", "c"),)),
        ('a{b="c",}', (("b", "c"),)), ('a{ b = "c" , d = "e" , }', (("b", "c"), ("d", "e"))),
        ('a{b=""}', (("b", ""),)), ('a{b="}"}', (("b", "}"),)), ('a{b=","}', (("b", ","),)),
        (r'a{b="\"\\\n\t"}', (("b", '"\\\n\\t'),)), ('a{_0="é"}', (("_0", "é"),)),
    ],
)  # fmt: skip
def test_labels_are_read_as_they_stand(
    openmetrics: bool, head: str, labels: tuple[tuple[str, str], ...]
) -> None:
    for filling in ("", "x" * 3_000):  # a long head is not remembered, and reads alike
        filled = head.replace("a", "a" + filling, 1)
        for _ in range(2):
            sample = _one(f"{filled} 1", openmetrics=openmetrics)
            assert (sample.name, sample.labels, sample.value) == ("a" + filling, labels, 1.0)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ('a{b="c" d="e"}', """'b="c" d="e"' are no labels"""),
        ('a{b="c",,d="e"}', """',d="e"' are no labels"""),
        ("a{,}", "',' are no labels"),
        ("a{b=c}", "'b=c' are no labels"),
        ('a{0b="c"}', """'0b="c"' are no labels"""),
        ('a{b="c",b="d"}', "the label b stands there twice"),
        ('a{b="c",d="",b="c"}', "the label b stands there twice"),
        ("a{" + "b" * 200 + "}", f"'{'b' * 100}' are no labels"),
    ],
)
def test_bad_labels_are_refused_by_what_is_wrong(head: str, reason: str) -> None:
    for _ in range(2):
        assert _reason(f"{head} 1") == f"1: {reason}"


@pytest.mark.parametrize("length", [998, 999, 1000, 1001, 65_534])
def test_line_of_any_allowed_length_is_read(length: int) -> None:
    assert _one("a" * length + " 1").name == "a" * length
    assert parse(b"a" * length + b" 1\n" + b"a" * length + b" 2\n").refused == [
        f"2: '{'a' * min(length, 100)}' stands there twice"
    ]


def test_line_of_more_than_65536_characters_is_refused_with_its_length() -> None:
    assert _reason("a" * 65_535 + " 1") == "1: 65537 characters; a line has 65536 at most"
    assert _reason("é" * 200) == f"1: '{'é' * 100}' is no sample"


def test_series_may_come_again_with_another_time_only() -> None:
    body = b'a{b="c",d="e"} 1\na{d="e",b="c"} 2\na{b="c",d="e"} 1 5\na{b="c",d="e"} 1 6\na 1\n'
    found = parse(body)
    assert found.refused == ["""2: 'a{d="e",b="c"}' stands there twice"""]
    assert [sample.time for sample in found.samples] == [None, 0.005, 0.006, None]


@pytest.mark.parametrize(
    ("name", "kind", "ending"),
    [
        ("m_total", "counter", "_total"), ("m_created", "counter", "_created"),
        ("m_bucket", "histogram", "_bucket"), ("m_count", "histogram", "_count"),
        ("m_sum", "histogram", "_sum"), ("m_created", "histogram", "_created"),
        ("m_count", "summary", "_count"), ("m_sum", "summary", "_sum"),
        ("m_created", "summary", "_created"), ("m_info", "info", "_info"),
        ("m_bucket", "gaugehistogram", "_bucket"), ("m_gcount", "gaugehistogram", "_gcount"),
        ("m_gsum", "gaugehistogram", "_gsum"), ("m", "stateset", ""), ("m", "unknown", ""),
        ("m", "gauge", ""),
    ],
)  # fmt: skip
def test_ending_of_a_name_leads_to_its_family(name: str, kind: str, ending: str) -> None:
    meta = f"# TYPE m {kind}\n# UNIT m seconds\n"
    for openmetrics in (True, False):
        [sample] = parse(f"{meta}{name} 1\n".encode(), openmetrics=openmetrics).samples
        assert (sample.family, sample.ending) == (Family("m", kind, "seconds"), ending)
    [sample] = parse(f"{meta}# TYPE {name} {kind}\n{name} 1\n".encode()).samples
    assert (sample.family.name, sample.ending) == (name, "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("m_total", "gauge"), ("m_sum", "counter"), ("m_bucket", "summary"), ("m_count", "gauge"),
     ("m_info", "counter"), ("_total", "counter"), ("m_gsum", "histogram")],
)  # fmt: skip
def test_ending_that_the_type_does_not_have_is_a_name_of_its_own(name: str, kind: str) -> None:
    [sample] = parse(f"# TYPE m {kind}\n{name} 1\n".encode()).samples
    assert (sample.family, sample.ending) == (Family(name, "untyped", ""), "")


def test_metadata_count_for_the_lines_behind_them() -> None:
    body = b"m_sum 1\n# TYPE m summary\nm_sum 2 1\n# UNIT m s\nm_sum 3 2\nm 4\n# HELP\n# TYPE\n#\n"
    found = parse(body)
    assert found.refused == []
    assert [(one.family, one.ending) for one in found.samples] == [
        (Family("m_sum"), ""), (Family("m", "summary"), "_sum"),
        (Family("m", "summary", "s"), "_sum"), (Family("m", "summary", "s"), ""),
    ]  # fmt: skip


def test_metadata_that_contradict_are_refused_and_repeated_ones_are_not() -> None:
    body = b"# TYPE m gauge\n# TYPE m gauge\n# TYPE m counter\n# UNIT m s\n# UNIT m ms\n# UNIT m\n"
    assert parse(body).refused == [
        "3: '# TYPE m counter': m is 'gauge' further up",
        "5: '# UNIT m ms': m is 's' further up",
        "6: '# UNIT m': m is 's' further up",
    ]


@pytest.mark.parametrize("line", ["# TYPE 0m gauge", "# UNIT m-n s", "# TYPE m", "# TYPE m Gauge"])
def test_metadata_that_are_none_are_refused_with_the_types_there_are(line: str) -> None:
    types = "counter, gauge, gaugehistogram, histogram, info, stateset, summary, unknown"
    assert _reason(line, openmetrics=True) == f"1: {line!r}: the type is one of {types}"
    assert _reason(line) == f"1: {line!r}: the type is one of {types}, untyped"


def test_only_the_text_format_has_the_type_untyped() -> None:
    assert parse(b"# TYPE m untyped\n").refused == []
    assert parse(b"# TYPE m untyped\n", openmetrics=True).refused_count == 1


def test_only_openmetrics_has_exemplars() -> None:
    assert _one('a 1 # {b="c"} 2', openmetrics=True).value == 1.0
    assert _reason('a 1 # {b="c"} 2') == (
        """1: '# {b="c"} 2' stands after the sample; only OpenMetrics has exemplars"""
    )


def test_empty_lines_and_comments_are_passed_over() -> None:
    found = parse(b"\n \t\r\n# x\n#\na 1\r\n  \n")
    assert ([one.name for one in found.samples], found.refused) == (["a"], [])


@pytest.mark.parametrize("bad", [MOST_NAMED - 1, MOST_NAMED, MOST_NAMED + 1, 250])
def test_bad_lines_are_named_up_to_a_hundred_and_counted_beyond(bad: int) -> None:
    assert MOST_NAMED == 100
    found = parse(b"x\n" * bad)
    assert found.refused_count == bad
    assert len(found.refused) == min(bad, 100)
    assert found.refused[-1] == f"{min(bad, 100)}: 'x' is no sample"


def test_end_of_openmetrics_ends_the_body() -> None:
    for body, names, complete in (
        (b"a 1\n# EOF\nb 1\n", ["a"], True),
        (b"a 1\n# EOF\r\n", ["a"], True),
        (b"a 1\n# EOF", ["a"], True),
        (b"a 1\n # EOF\nb 1\n", ["a", "b"], False),
        (b"a 1\n", ["a"], False),
        (b"", [], False),
    ):
        found = parse(body, openmetrics=True)
        assert ([one.name for one in found.samples], found.complete) == (names, complete), body
    assert [one.name for one in parse(b"a 1\n# EOF\nb 1").samples] == ["a", "b"]
    assert parse(b"").complete


def test_what_is_read_of_an_empty_body_is_nothing() -> None:
    assert parse(b"") == Exposition([], [], 0, True, False)


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_samples_beyond_the_most_are_not_read_nor_the_lines_behind_them(most: int) -> None:
    found = parse(b"a 1\nx\nb 1\nc 1\nd 1\ny\n", most=most)
    assert (len(found.samples), found.over) == (most, True)
    assert found.refused_count == (most > 0)
    assert not parse(b"a 1\nb 1\n", most=2).over


def test_a_million_samples_are_read_at_most_unless_another_bound_is_given() -> None:
    import inspect

    assert inspect.signature(parse).parameters["most"].default == 1_000_000
    assert inspect.signature(parse).parameters["openmetrics"].default is False
