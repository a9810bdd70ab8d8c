"""Order seen from bytes: never where the parsed times go back, and seen for the common forms."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.records import decode
from padit.connectors.text_order import TextOrder, key_values, line_starts
from padit.domain.timestamps import parse_timestamp

_SECONDS = st.sampled_from(
    ["1700000000", "1700000001", "1700000001.5", "1700000001.25", "999999999", "1700000000000",
     "1.7e9", "1700000000.", "-1700000000"]
)  # fmt: skip
_CLOCKS = st.builds(
    lambda day, between, second, fraction, zone: (
        f"2023-11-{day}{between}22:13:{second}{fraction}{zone}"
    ),
    st.sampled_from(["14", "15"]),
    st.sampled_from(["T", " "]),
    st.sampled_from(["20", "21"]),
    st.sampled_from(["", ".5", ".25", ".1234567"]),
    st.sampled_from(["", "Z", "+02:00", "-01:00"]),
)


def seen(chunks: list[str], ends: bytes) -> bool:
    order = TextOrder(ends)
    return all(order.take(one.encode(), line_starts(one.encode())) for one in chunks)


@given(
    texts=st.one_of(
        st.lists(_SECONDS, min_size=1, max_size=6),
        st.lists(_CLOCKS, min_size=1, max_size=6),
        st.lists(st.one_of(_SECONDS, _CLOCKS), min_size=1, max_size=6),
    ),
    cut=st.integers(0, 6),
    quote=st.sampled_from(["", '"']),
)
@settings(max_examples=100, deadline=None)
def test_order_is_never_seen_where_times_go_back(texts: list[str], cut: int, quote: str) -> None:
    lines = [f"{quote}{text}{quote},9\n" for text in texts]
    chunks = ["".join(lines[:cut]), "".join(lines[cut:])]
    if seen(chunks, b',"\n'):
        times = [parse_timestamp(float(text) if text[:5].isdigit() else text) for text in texts]
        assert times == sorted(times)


@pytest.mark.parametrize(
    "texts",
    [
        ["1700000000", "1700000000", "1700000000.5", "1700000001"],
        ["1700000000000", "1700000000001"],
        ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.5Z", "2023-11-14T22:13:21Z"],
        ["2023-11-14 22:13:20", "2023-11-14 22:13:20.000001"],
        ["2023-11-14T22:13:20+02:00", "2023-11-14T22:13:21+02:00"],
    ],
)
def test_the_common_forms_are_seen(texts: list[str]) -> None:
    assert seen(["".join(f"{text},1\n" for text in texts)], b",\n")
    assert not seen(["".join(f"{text},1\n" for text in reversed(texts))], b",\n")


_SAMPLE = st.builds(
    lambda stamp, first, extra: (
        {"timestamp": stamp, "source_id": "s", "metric_name": "m", "value": 1.0, **extra}
        if first
        else {"source_id": "s", **extra, "timestamp": stamp, "metric_name": "m", "value": 1.0}
    ),
    st.sampled_from([1700000000, 1700000001.5, 1700000001, "2023-11-14T22:13:20Z"]),
    st.booleans(),
    st.sampled_from([{}, {"unit": "timestamp"}, {"meta": {"timestamp": 5}}, {"unit": "\u00e4"}]),
)


@given(
    lines=st.lists(
        st.one_of(_SAMPLE.map(lambda one: [one]), st.lists(_SAMPLE, min_size=1, max_size=3)),
        min_size=1,
        max_size=5,
    ),
    compact=st.booleans(),
    ascii_only=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_order_is_never_seen_in_json_where_times_go_back(
    lines: list[list[dict[str, object]]], compact: bool, ascii_only: bool
) -> None:
    separators = (",", ":") if compact else None
    records = [
        json.dumps(one if len(one) > 1 else one[0], separators=separators, ensure_ascii=ascii_only)
        for one in lines
    ]
    data = "".join(f"{one}\n" for one in records).encode()
    starts = key_values(data)
    if starts is not None and TextOrder(b',}"').take(data, starts):
        times = decode([one.encode() for one in records], 1 << 20).rows.time
        assert (np.diff(times) >= 0).all()


def test_order_is_seen_in_json_wherever_the_key_stands() -> None:
    for form in ('{{"timestamp":{},"value":1}}', '{{"a":"b","timestamp": {}}}'):
        data = "".join(form.format(f"170000000{i}.5") + "\n" for i in range(9)).encode()
        starts = key_values(data)
        assert starts is not None
        assert TextOrder(b',}"').take(data, starts)
