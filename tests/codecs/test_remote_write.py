"""A remote write request becomes one point a series, whatever its neighbours look like."""

from __future__ import annotations

from typing import Any

import cramjam
import pytest

from padit.codecs.bodies import BadRequestError, EncodingError, TooLargeError
from padit.codecs.prometheus_proto import Label, Request, WriteRequest
from padit.codecs.remote_write import LabelError, Metadata, Point, labels_of, read_request

FIRST = "application/x-protobuf"
SECOND = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
MOST = 1 << 20


def packed(message: Any) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def first(*labels: tuple[str, str]) -> Any:
    message = WriteRequest()
    series = message.timeseries.add()
    series.labels.extend(
        Label(name=name, value=value).SerializeToString() for name, value in labels
    )
    series.samples.add(value=1.5, timestamp=7)
    series.histograms.add(count_int=4, sum=2.5)
    return message


def test_a_series_of_the_first_version_has_its_labels_samples_and_histograms() -> None:
    message = first(("__name__", "up"), ("zone", "a"), ("empty", ""))
    message.metadata.add(type=1, metric_family_name="up", unit="s")
    message.metadata.add(type=2, metric_family_name="down")
    message.metadata.add(type=3, unit="m")
    found = read_request(packed(message), FIRST, MOST)
    assert found.second is False
    assert found.metadata == [Metadata("up", 1, "s"), Metadata("down", 2, "")]
    (point,) = found.points
    assert labels_of(point.labels) == {"__name__": "up", "zone": "a"}
    assert [(one.value, one.timestamp) for one in point.samples] == [(1.5, 7)]
    assert [(one.count_int, one.sum) for one in point.histograms] == [(4, 2.5)]
    assert point[1:4] == (0, "", 0)
    assert point.fault == ""


def second(symbols: list[str], *refs: list[int], unit: int = 0) -> Any:
    message = Request(symbols=symbols)
    for one in refs:
        series = message.timeseries.add(labels_refs=one, created_timestamp=9)
        series.metadata.type, series.metadata.unit_ref = 1, unit
        series.samples.add(value=2.5, timestamp=8)
    return message


@pytest.mark.parametrize(
    "content_type", [SECOND, SECOND.upper(), SECOND.replace(";", " ; "), f'{SECOND}; a="b"']
)
def test_a_series_of_the_second_version_takes_its_texts_from_the_symbols(
    content_type: str,
) -> None:
    message = second(["", "__name__", "up", "s"], [1, 2], unit=3)
    found = read_request(packed(message), content_type, MOST)
    assert found.second is True
    assert found.metadata == ()
    (point,) = found.points
    samples = point.samples
    assert [(one.value, one.timestamp) for one in samples] == [(2.5, 8)]
    assert point == Point(("__name__", "up"), 1, "s", 9, samples, point.histograms, "")


def test_a_unit_that_is_not_named_is_none() -> None:
    found = read_request(packed(second(["", "__name__", "up"], [1, 2])), SECOND, MOST)
    assert [point.unit for point in found.points] == [""]


def test_a_series_that_cannot_be_used_has_a_fault_and_its_neighbours_have_none() -> None:
    message = second(["", "__name__", "up", "zone"], [1, 2], [1, 4], [1, 2, 3], [1, 2, 3, 2], [])
    found = list(read_request(packed(message), SECOND, MOST).points)
    assert [point.fault for point in found] == [
        "", "a label refers to a symbol that is not there", "a label without a value", "", "",
    ]  # fmt: skip
    assert [point.labels for point in found] == [
        ("__name__", "up"), (), (), ("__name__", "up", "zone", "up"), (),
    ]  # fmt: skip
    assert [len(point.samples) for point in found] == [1] * 5


def test_a_unit_that_is_not_there_is_a_fault() -> None:
    (point,) = read_request(packed(second(["", "a", "b"], [1, 2], unit=3)), SECOND, MOST).points
    assert point.fault == "a label refers to a symbol that is not there"


def test_a_text_that_is_no_utf8_costs_its_own_series_only() -> None:
    raw = second(["", "__name__", "up", "zzzz"], [1, 2], [1, 3]).SerializeToString()
    body = bytes(cramjam.snappy.compress_raw(raw.replace(b"zzzz", b"zz\xff\xfe")))
    found = list(read_request(body, SECOND, MOST).points)
    assert [point.fault for point in found] == ["", "a label that is no UTF-8"]
    raw = first(("__name__", "up"))
    raw.metadata.add(type=1, metric_family_name="zzzz")
    raw.metadata.add(type=2, metric_family_name="fine", unit="yyyy")
    damaged = raw.SerializeToString().replace(b"zzzz", b"zz\xff\xfe").replace(b"yyyy", b"yyy\xff")
    body = bytes(cramjam.snappy.compress_raw(damaged))
    assert read_request(body, FIRST, MOST).metadata == [Metadata("fine", 2, "")]


@pytest.mark.parametrize("symbols", [[], ["a", "b"]])
def test_symbols_begin_with_the_empty_text(symbols: list[str]) -> None:
    with pytest.raises(BadRequestError, match="symbols must begin with the empty string"):
        read_request(packed(second(symbols)), SECOND, MOST)


def test_what_is_no_message_or_too_large_is_refused_with_its_version() -> None:
    broken = bytes(cramjam.snappy.compress_raw(b"\xff\xff\xff"))
    with pytest.raises(BadRequestError, match=r"^no 1\.0 message: "):
        read_request(broken, FIRST, MOST)
    with pytest.raises(BadRequestError, match=r"^no 2\.0 message: "):
        read_request(broken, SECOND, MOST)
    message = first(("__name__", "x" * 100))
    size = len(message.SerializeToString())
    assert list(read_request(packed(message), FIRST, size).points)
    with pytest.raises(TooLargeError, match=f"more than {size - 1} bytes"):
        read_request(packed(message), FIRST, size - 1)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ((("", "v"),), "a label without a name (its value is 'v')"),
        ((("", "v" * 80),), f"a label without a name (its value is '{'v' * 60}')"),
        ((("a", "1"), ("b", "2"), ("a", "3")), "the label a is there twice: '1', '3'"),
        ((("a", ""), ("a", "")), "the label a is there twice: '', ''"),
    ],
)
def test_labels_that_are_unclear_make_a_series_unusable(
    labels: tuple[tuple[str, str], ...], reason: str
) -> None:
    encoded = tuple(Label(name=name, value=value).SerializeToString() for name, value in labels)
    texts = tuple(text for pair in labels for text in pair)
    for key in (encoded, texts):
        with pytest.raises(LabelError) as caught:
            labels_of(key)
        assert str(caught.value) == reason


def test_a_damaged_label_is_named() -> None:
    with pytest.raises(LabelError, match="a label that is no UTF-8, or damaged"):
        labels_of((Label(name="a", value="b").SerializeToString(), b"\x0a\x05ab"))


@pytest.mark.parametrize(
    ("content_type", "is_second"),
    [
        ("", False),
        ("application/x-protobuf", False),
        ("application/x-protobuf;proto=prometheus.WriteRequest", False),
        ("application/x-protobuf; charset=utf-8; proto=prometheus.writerequest", False),
        ('Application/X-Protobuf ; Proto="io.prometheus.write.v2.Request"', True),
        ("application/x-protobuf;proto=io.prometheus.write.v2.Request;x=y", True),
    ],
)
def test_the_content_type_names_the_version(content_type: str, *, is_second: bool) -> None:
    message = second(["", "__name__", "up"], [1, 2]) if is_second else first(("__name__", "up"))
    found = read_request(packed(message), content_type, MOST)
    assert found.second is is_second
    assert len(list(found.points)) == 1


@pytest.mark.parametrize("name", ["io.prometheus.write.v3.Request", "a.B", ""])
def test_a_message_of_another_name_is_not_guessed(name: str) -> None:
    with pytest.raises(EncodingError, match=r"one of: prometheus\.WriteRequest, io\.prometheus"):
        read_request(packed(first(("__name__", "up"))), f"{FIRST};proto={name}", MOST)


def test_a_body_of_version_2_that_does_not_say_so_is_refused_not_taken_for_nothing() -> None:
    body = packed(second(["", "__name__", "up"], [1, 2]))
    with pytest.raises(BadRequestError, match=r"version 2\.0: say so with .*v2\.Request"):
        read_request(body, FIRST, MOST)
    assert list(read_request(packed(WriteRequest()), FIRST, MOST).points) == []
