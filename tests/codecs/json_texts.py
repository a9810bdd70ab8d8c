"""JSON records as anybody may write them: for tests that compare two ways to read them."""

import numpy as np
from hypothesis import strategies as st

from padit.codecs.values import JoinedValues

__all__ = ["LISTS", "MEMBERS", "NUMBERS", "STAMPS", "TEXTS", "joined"]

_FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(repr)
_DIGITS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?", fullmatch=True
)
_ODD_NUMBERS = st.sampled_from(
    [
        "-0",
        "-0.0",
        "-0e5",
        "0e999",
        "1e400",
        "-1e400",
        "1e-400",
        "5e-324",
        "2.5e-324",
        "1e-310",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "9007199254740993",
        "9007199254740992.5",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "0.1" + "0" * 40 + "1",
        "9" * 400,
        "1" + "0" * 30,
        "0." + "0" * 330 + "1",
        "123456789012345678901234567890.5",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "1e+",
        "--1",
        "1.2.3",
        "0x1",
        "NaN",
        "Infinity",
        "1_0",
        "1 2",
        "7450580596923828125e-27",
        "9007199254740993e0",
        "4503599627370497.5",
        "1e23",
        "8.5e22",
    ]
)
NUMBERS = _FLOATS | _DIGITS | _ODD_NUMBERS
"""Tokens that are numbers, or nearly."""

_CLOCK = st.builds(
    "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.sampled_from([1969, 1999, 2000, 2004, 2026, 2100, 2199, 2200]) | st.integers(1, 9999),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from("TTTT t_"),
    st.integers(0, 25),
    st.integers(0, 61),
    st.integers(0, 61),
    st.sampled_from(["", ".5", ".123456", ".1234567", ".999999999", ".", ",5", ".12x"]),
    st.sampled_from(
        [
            "Z",
            "z",
            "",
            "+02:00",
            "-23:59",
            "+24:00",
            "+0200",
            "+02",
            "-00:00",
            "+02:00:01",
            " ",
            "+14:60",
        ]
    ),
).map('"{}"'.format)
_EPOCHS = st.sampled_from(
    [
        "1767225600",
        "1767225600.5",
        "1767225600123",
        "1767225600123456",
        "1767225600123456789",
        "1.7672256e9",
        "1.7672256005E+9",
        "946684799.9999999",
        "946684800",
        "7258118399.999999",
        "7258118400",
        "99999999999",
        "100000000000",
        "1e11",
        "1e14",
        "99999999999999",
        "1e17",
        "-1",
        "0",
        "true",
        "null",
        '"1767225600.5"',
        '"soon"',
        '"2026-01-01"',
        '"2026-01-01T00:00Z"',
        '" 2026-01-01T00:00:00Z"',
        '"2026-01-01T00:00:00\\u005a"',
        "[]",
        "1767225600.00000049999999",
        "1767225600.0000005",
    ]
)
STAMPS = _CLOCK | _EPOCHS
"""Tokens that are timestamps, or nearly."""

TEXTS = st.sampled_from(
    [
        '"a"',
        '"cell-1"',
        '"cell-2"',
        '"Zürich"',
        '"Z\\u00fcrich"',
        '"\\""',
        '"a\\\\"',
        '"a,b"',
        '"}{"',
        '""',
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\q"',
        '"\\u12"',
        '"tab\t"',
        '"nul\x00"',
        '"' + "n" * 600 + '"',
        '"' + "é" * 300 + '"',
        '"' + "x" * 5000 + '"',
        "null",
        "7",
        "true",
        '"latency"',
        '"custom"',
        '"open',
        '"\x7f"',
        '"12345678"',
        '"1234567"',
        '"123456789"',
        '"ms"',
        '"\\u006ds"',
    ]
)
"""Tokens that are texts, or nearly."""

_ANY = st.recursive(
    NUMBERS | TEXTS | st.sampled_from(["true", "false", "nul", "tru", "", "falsy"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: f"[{' , '.join(some)}]")
        | st.lists(st.tuples(TEXTS, inner), max_size=3).map(
            lambda some: "{" + ",".join(f"{key} : {value}" for key, value in some) + "}"
        )
    ),
    max_leaves=6,
) | st.sampled_from(
    ["[" * 40 + "]" * 40, '{"a":' * 33 + "1" + "}" * 33, "[1,]", '{"a":1,}', "{,}", "[}"]
)
_METADATA = st.sampled_from(
    [
        '{"site":"a"}',
        '{ "site" : "b", "rack": 7 }',
        '{"site":["a"]}',
        '{"site":null}',
        "{}",
        "null",
        "5",
        '{"site":"a","site":"b"}',
        '{"rack":1e400}',
        '{"site":"\\u0061"}',
        '{"x":"}"}',
        '{"site":"' + "s" * 300 + '"}',
    ]
)

_KEYS = {
    "timestamp": STAMPS,
    "source_id": TEXTS,
    "metric_name": TEXTS,
    "value": NUMBERS | TEXTS,
    "unit": TEXTS,
    "metric_type": TEXTS,
    "metadata": _METADATA | _ANY,
}
_PLAIN = {
    "timestamp": "1767225600.5",
    "source_id": '"cell-1"',
    "metric_name": '"delay"',
    "value": "1.25",
    "unit": '"ms"',
    "metric_type": '"latency"',
    "metadata": '{"site":"a"}',
}
_OPTIONAL = ("unit", "metric_type", "metadata")
_OTHER_KEYS = st.sampled_from(
    [
        '"note"',
        '"valu"',
        '"values"',
        '"unit "',
        '"Value"',
        '"\\u0076alue"',
        '"timestamp\\n"',
        '""',
        '"é"',
        '"a\\"b"',
        '"metadat"',
        "value",
        '"source_id_"',
        '"protocol"',
    ]
)


@st.composite
def _members(draw: st.DrawFn) -> list[tuple[str, str]]:
    """The fields of a record, of which most are sound."""
    gone = draw(
        st.sampled_from([*[()] * 6, *zip(_OPTIONAL), _OPTIONAL, ("value",), ("timestamp",)])
    )
    names = draw(st.permutations([name for name in _KEYS if name not in gone]))
    found = [(f'"{name}"', _PLAIN[name]) for name in names]
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        place = draw(st.integers(0, len(found) - 1))
        name = found[place][0].strip('"')
        if name in _KEYS and draw(st.booleans()):
            found[place] = (found[place][0], draw(_KEYS[name]))
        else:
            twice = draw(st.sampled_from([False, False, False, True]))
            key = found[place][0] if twice else draw(_OTHER_KEYS)
            found.insert(place, (key, draw(_ANY)))
    return found


_SPACES = ["", "", "", "", " ", "\n", "\t ", "\r\n", "  "]
_ODD_SPACES = [*_SPACES, "\x0b", "\x00", "\x0c", "\u00a0"]


@st.composite
def _written(draw: st.DrawFn) -> str:
    members = draw(_members())
    if draw(st.booleans()):
        comma, colon = draw(
            st.sampled_from([(",", ":"), (", ", ": "), (",\n  ", ": "), (" ,", " :")])
        )
        return "{" + comma.join(f"{key}{colon}{value}" for key, value in members) + "}"
    parts = ["{"]
    for number, (key, value) in enumerate(members):
        parts += [",", ""] if number else []
        parts += [key, ":", value]
    spaces = st.sampled_from(draw(st.sampled_from([_SPACES] * 5 + [_ODD_SPACES])))
    return "".join(part + draw(spaces) for part in [*parts, "}"])


MEMBERS = _written().map(lambda text: text.encode("utf-8", "surrogatepass"))
"""One record as an object, or nearly."""


@st.composite
def _damaged(draw: st.DrawFn, records: st.SearchStrategy[bytes]) -> bytes:
    record = draw(records)
    kind = draw(st.sampled_from(["whole"] * 20 + ["cut", "byte", "more", "front"]))
    at = draw(st.integers(0, max(len(record) - 1, 0)))
    if kind == "cut":
        return record[:at]
    if kind == "byte":
        return record[:at] + bytes([draw(st.integers(0, 255))]) + record[at + 1 :]
    if kind == "more":
        return record + draw(
            st.sampled_from([b" ", b"\n", b"}", b"{}", b"\x00", b"\x0c", b",", record])
        )
    return (
        draw(st.sampled_from([b" ", b"\n\t", b"\xef\xbb\xbf", b"["])) + record
        if kind == "front"
        else record
    )


def _array(records: list[bytes], gap: bytes) -> bytes:
    return b"[" + (b"," + gap).join(records) + gap + b"]"


_ARRAYS = st.builds(_array, st.lists(MEMBERS, max_size=6), st.sampled_from([b"", b" ", b"\n"]))
LISTS = st.lists(
    _damaged(MEMBERS)
    | _damaged(_ARRAYS)
    | st.sampled_from([None, b"", b"[]", b"{}", b"\xff\xff\xff\xff"]),
    min_size=1,
    max_size=12,
)
"""Values of records: objects, arrays, damaged ones, tombstones."""


def joined(values: list[bytes | None], gap: bytes = b"\n", behind: int = 0) -> JoinedValues:
    """Values in one buffer, with a byte between them and some behind the last one."""
    text = b"".join((value or b"") + gap for value in values) + bytes(behind)
    length = np.array([-1 if value is None else len(value) for value in values], np.int64)
    size = np.maximum(length, 0) + len(gap)
    return JoinedValues(np.frombuffer(bytearray(text), np.uint8), np.cumsum(size) - size, length)
