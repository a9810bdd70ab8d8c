"""Line protocol: where each number, name and line begins and ends, to the character."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.influx_lines import MOST_NAMED, Line, LineError, parse_line, parse_lines
from padit.domain.timestamps import EARLIEST_US, LATEST_US
from tests.codecs.samples import steady

LOWEST, HIGHEST = -(2**63), 2**63 - 1


def _value(raw: str) -> float:
    [(_, value)] = parse_line(f"m f={raw}").fields
    return value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("0", 0.0), ("-0.0", -0.0), ("1.", 1.0), (".5", 0.5), ("-.5e-3", -0.0005), ("1E+2", 100.0),
        ("0i", 0.0), (f"{LOWEST}i", -(2.0**63)), (f"{HIGHEST}i", 2.0**63), ("0u", 0.0), ("1u", 1.0),
        (f"{2**64 - 1}u", 2.0**64), ("1.7976931348623157e308", 1.7976931348623157e308),
        *((word, 1.0) for word in ("t", "T", "true", "True", "TRUE")),
        *((word, 0.0) for word in ("f", "F", "false", "False", "FALSE")),
    ],
)  # fmt: skip
def test_value_is_read_up_to_its_bounds(raw: str, value: float) -> None:
    assert repr(_value(raw)) == repr(value)


@pytest.mark.parametrize(
    "raw",
    [f"{LOWEST - 1}i", f"{HIGHEST + 1}i", f"{2**64}u", "-1u", "1e309", "-1e309", "i", "1.5u", "tr",
     "yes", '"', 'a"', '"a', '"a\\"', '"\\\\\\"', "1_0", "+1"],
)  # fmt: skip
def test_value_beyond_its_bounds_is_no_field_value(raw: str) -> None:
    with pytest.raises(LineError) as caught:
        parse_line(f"m f={raw}")
    assert str(caught.value) == f"{raw!r} is no field value"


@pytest.mark.parametrize("stamp", [LOWEST, -1, 0, 7, HIGHEST])
def test_time_is_any_integer_of_64_bits(stamp: int) -> None:
    assert parse_line(f"m f=1 {stamp}").time == stamp


@pytest.mark.parametrize("stamp", [str(LOWEST - 1), str(HIGHEST + 1), "1" * 20, "1.0", "x"])
def test_time_of_more_bits_is_refused(stamp: str) -> None:
    with pytest.raises(LineError, match=f"{stamp!r} is no time stamp"):
        parse_line(f"m f=1 {stamp}")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("m f=1", Line("m", (), (("f", 1.0),), None)),
        ("m  f=1   7", Line("m", (), (("f", 1.0),), 7)),
        ("m,a=b,c=d f=1,g=2 7", Line("m", (("a", "b"), ("c", "d")), (("f", 1.0), ("g", 2.0)), 7)),
        ('m f="x"', Line("m", (), (), None, ("f",))),
        ('m f="",g=1 7', Line("m", (), (("g", 1.0),), 7, ("f",))),
        ('m f="a b,c=d",g=1 7', Line("m", (), (("g", 1.0),), 7, ("f",))),
        (r'm f="\\",g=1', Line("m", (), (("g", 1.0),), None, ("f",))),
        (r'm f="a\" b",g=1', Line("m", (), (("g", 1.0),), None, ("f",))),
        (r"m\ n\,o,a\ b\=c=d\,e\\ f\ g=1 7", Line("m n,o", (("a b=c", "d,e\\"),),
                                                   (("f g", 1.0),), 7)),
        (r"m\,n f=1", Line("m,n", (), (("f", 1.0),), None)),
        (r"a\b f=1", Line(r"a\b", (), (("f", 1.0),), None)),
        ('m,a="b f=1', Line("m", (("a", '"b'),), (("f", 1.0),), None)),
        ('m"n f=1  7 ', Line('m"n', (), (("f", 1.0),), 7)),
        (r'm,"a\ x=b f=1', Line("m", (('"a x', "b"),), (("f", 1.0),), None)),
        ('m f"g=1 7', Line("m", (), (('f"g', 1.0),), 7)),
    ],
)  # fmt: skip
def test_line_is_cut_where_the_protocol_says(line: str, expected: Line) -> None:
    assert parse_line(line) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m", "a line needs a measurement, fields, and perhaps a time stamp"),
        ("m f=1 7 8", "a line needs a measurement, fields, and perhaps a time stamp"),
        (",a=b f=1", "the measurement is missing"),
        (r'm,a f="x"', "'a' is no name=value"),
        ("m,a=,b=c f=1", "'a=' is no name=value"),
        ("m,=b f=1", "'=b' is no name=value"),
        ("m,a=b=c f=1", "'a=b=c' is no name=value"),
        (r"m,a\=b f=1", r"'a\\=b' is no name=value"),
        (r"m,a\,b=c=d f=1", r"'a\\,b=c=d' is no name=value"),
        ("m f=1,", "'' is no name=value"),
        ("m f=1,f=2", "the field 'f' is there twice"),
        ('m f="x",f="y"', "the field 'f' is there twice"),
        ('m f=1,f="y"', "the field 'f' is there twice"),
        ("m,a=1,a=2 f=1", "the tag 'a' is there twice"),
        ("m,a=1,b=2,b=3 f=1", "the tag 'b' is there twice"),
        (f"m,{'a' * 70}=1,{'a' * 70}=1 f=1", f"the tag '{'a' * 60}' is there twice"),
        (f"m f={'x' * 70}", f"'{'x' * 60}' is no field value"),
        (f"m f=1 {'x' * 70}", f"'{'x' * 60}' is no time stamp"),
        (f"m {'x' * 70}", f"'{'x' * 60}' is no name=value"),
    ],
)
def test_bad_line_is_refused_with_what_is_wrong(line: str, reason: str) -> None:
    for again in range(2):  # what is remembered of a head is no other answer
        with pytest.raises(LineError) as caught:
            parse_line(line)
        assert str(caught.value) == reason, again


WORD = st.text(string.ascii_letters + "éµ", min_size=1, max_size=5)
NAME = st.text(string.ascii_letters + ",= \"'#", min_size=1, max_size=8)


def _escaped(text: str, signs: str) -> str:
    return "".join("\\" + sign if sign in signs else sign for sign in text)


@steady
@given(
    WORD | NAME,
    st.dictionaries(WORD | NAME, WORD | NAME, max_size=3),
    st.dictionaries(WORD, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3),
    st.none() | st.integers(LOWEST, HIGHEST),
    st.none() | st.text(string.ascii_letters + ',= \\"', max_size=8),
)
def test_what_is_written_by_the_rules_is_read_back(
    name: str, tags: dict[str, str], fields: dict[str, float], time: int | None, text: str | None
) -> None:
    head = ",".join(
        [
            _escaped(name, ", "),
            *(f"{_escaped(k, ',= ')}={_escaped(v, ',= ')}" for k, v in tags.items()),
        ]
    )
    values = [f"{key}={value!r}" for key, value in fields.items()]
    if text is not None:
        values.insert(1, '0text="' + _escaped(text, '\\"') + '"')
    line = f"{head} {','.join(values)}" + ("" if time is None else f" {time}")
    assert parse_line(line) == Line(
        name, tuple(tags.items()), tuple(fields.items()), time, () if text is None else ("0text",)
    )


@pytest.mark.parametrize("length", [998, 999, 1000, 1001])
def test_head_that_is_too_long_to_be_remembered_reads_alike(length: int) -> None:
    name = "m" * length
    assert [parse_line(f"{name} f={n}").measurement for n in range(2)] == [name] * 2


EMPTY = [b"", b" ", b"\t\r", b"# x v=1", b"  # x v=1", b"#\xff"]


def test_empty_rows_and_comments_are_no_lines_and_rows_count_from_one() -> None:
    rows = [b"a v=1 7", EMPTY[0], b" b v=1\r", *EMPTY[1:], b"c v=1", b"\xff v=1", b"!d v=1"]
    for body in (rows, [row for row in rows if b"\xff" not in row]):
        found = parse_lines(b"\n".join(body))
        assert [line.measurement for line in found.good] == ["a", "b", "c", "!d"]
        assert found.numbers == [i for i, row in enumerate(body, 1) if b"\xff v" not in row
                                 and row not in EMPTY]  # fmt: skip
        assert found.others == [i for i in range(1, len(body) + 1) if i not in found.numbers]
        assert found.taken == 4
        assert found.refused == (["10: no UTF-8 at byte 0"] if body is rows else [])


@pytest.mark.parametrize("bad", [MOST_NAMED - 1, MOST_NAMED, MOST_NAMED + 1])
def test_refused_lines_are_named_up_to_a_hundred_and_counted_beyond(bad: int) -> None:
    found = parse_lines(b"x\n" * bad)
    assert MOST_NAMED == 100
    assert found.refused_count == bad
    assert len(found.refused) == min(bad, 100)
    assert found.refused[-1].startswith(f"{min(bad, 100)}: a line needs")


@pytest.mark.parametrize(
    ("precision", "unit"), [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)]
)
def test_time_counts_from_2000_until_2200_in_its_unit(precision: str, unit: int) -> None:
    first, end = EARLIEST_US * 1000 // unit, LATEST_US * 1000 // unit
    body = f"m v=1 {first}\nm v=1 {end - 1}\nm v=1\nm v=1 {first - 1}\nm v=1 {end}"
    found = parse_lines(body.encode(), precision)
    assert [line.time for line in found.good] == [first, end - 1, None]
    assert found.refused == [
        f"{row}: the time {time} in {precision} is not in the years 2000 to 2199"
        for row, time in ((4, first - 1), (5, end))
    ]


@pytest.mark.parametrize(
    ("precision", "time", "hint"),
    [
        ("s", 1_767_323_045_000, "ms"), ("ns", 1_767_323_045, "s"), ("ms", 1_767_323_045, "s"),
        ("s", 1_767_323_045_000_000, "us"), ("us", EARLIEST_US * 1000, "ns"),
        ("us", 946_684_800, "s"),
        ("s", LATEST_US * 1000 - 1, "ns"), ("us", LATEST_US // 1000 - 1, "ms"), ("ns", 7, ""),
        ("s", LATEST_US * 1000, ""),
    ],
)  # fmt: skip
def test_time_in_another_unit_is_refused_with_that_unit(
    precision: str, time: int, hint: str
) -> None:
    said = f"; is it in {hint}? then add precision={hint}" if hint else ""
    [refused] = parse_lines(f"m v=1 {time}".encode(), precision).refused
    assert refused == f"1: the time {time} in {precision} is not in the years 2000 to 2199{said}"


@pytest.mark.parametrize("time", [LOWEST, HIGHEST])
def test_without_a_precision_any_time_is_taken(time: int) -> None:
    assert [line.time for line in parse_lines(f"m v=1 {time}".encode()).good] == [time]


@pytest.mark.parametrize("feeds", [1, 2, 99, 100, 101])
def test_quoted_text_may_hold_up_to_a_hundred_line_feeds(feeds: int) -> None:
    text = "\n".join(["x"] * (feeds + 1))
    found = parse_lines(f'a v=1\nm s="{text}",v=2 7\nb v=3'.encode())
    if feeds <= 100:
        assert [(line.measurement, line.time) for line in found.good] == [
            ("a", None), ("m", 7), ("b", None),
        ]  # fmt: skip
        assert found.numbers == [1, 2, feeds + 3]
        assert found.others == list(range(3, feeds + 3))
        assert found.refused_count == 0
    else:
        assert [line.measurement for line in found.good] == ["a", "b"]
        assert found.refused_count == feeds + 1


def test_rows_behind_a_quote_are_joined_only_if_they_make_a_line() -> None:
    bodies = {
        b'm s="x\ny v=1': (["y"], 1),  # never closed
        b'm s="x\ny",v=1\nz v=1': (["m", "z"], 0),
        b'm s="x\n\xff"\nz v=1': (["z"], 2),  # no UTF-8 within
        b'm s="x\\"\ny",v=1': (["m"], 0),  # an escaped quote closes nothing
        b'm s="x\ny" "\nz v=1': (["z"], 2),
        b'  m s="x\ny"  \nz v=1': (["m", "z"], 0),
    }
    for body, (names, refused) in bodies.items():
        found = parse_lines(body)
        assert ([line.measurement for line in found.good], found.refused_count) == (names, refused)
