"""Bodies and times that a sender meant otherwise than it said: the refusal names what they are."""

import gzip
import json

import pytest

from padit.codecs.bodies import BadRequestError
from padit.codecs.logs.posted import objects_of
from padit.codecs.otlp_bodies import JSON, PROTOBUF, read_request
from padit.codecs.remote_write import read_request as read_remote_write
from padit.codecs.time_units import NANOS, probable_unit

NOW = 1_767_571_200
REQUEST = json.dumps({"resourceMetrics": []}).encode()


@pytest.mark.parametrize("unit", NANOS)
def test_the_unit_of_a_time_is_told_by_its_size(unit: str) -> None:
    assert probable_unit(NOW * 10**9 // NANOS[unit]) == unit
    assert probable_unit(-NOW) == probable_unit(0) == probable_unit(10**30) == ""


@pytest.mark.parametrize(
    ("body", "content_type", "hint"),
    [
        (REQUEST, PROTOBUF, "it looks like JSON: send Content-Type: application/json"),
        (b"\n " + REQUEST, PROTOBUF, "it looks like JSON: send Content-Type: application/json"),
        (gzip.compress(REQUEST), JSON, "it is gzip: send Content-Encoding: gzip"),
        (gzip.compress(b"\n\0"), PROTOBUF, "it is gzip: send Content-Encoding: gzip"),
    ],
)
def test_a_body_of_another_form_is_named(body: bytes, content_type: str, hint: str) -> None:
    with pytest.raises(BadRequestError, match=hint):
        read_request(body, content_type)


@pytest.mark.parametrize("body", [b"up 1\n", b"cpu,host=a v=1\r\n", b'{"a": 1}'])
def test_text_sent_to_remote_write_names_the_adapter_that_reads_it(body: bytes) -> None:
    with pytest.raises(BadRequestError, match="prometheus-scrape"):
        read_remote_write(body, "", 1000)


@pytest.mark.parametrize("body", [b"", b"\xff" * 9, b"\x05abc"])
def test_what_is_no_text_keeps_its_reason(body: bytes) -> None:
    with pytest.raises(BadRequestError, match="no snappy block"):
        read_remote_write(body, "", 1000)


@pytest.mark.parametrize("text", ['{"message": "x"}', '{"message": "x"}\n{"message": "y"}\n'])
def test_a_byte_order_mark_before_posted_records_is_passed_over(text: str) -> None:
    found, refused = objects_of(text.encode("utf-8-sig"))
    assert (len(found), refused) == (text.count("message"), [])
