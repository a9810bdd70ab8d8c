"""What is no HTTP, or is cut or packed in odd ways: nothing is acknowledged that is not kept."""

from __future__ import annotations

import gzip
import logging
import socket
import zlib
from collections.abc import Iterator

import pytest

from tests.adapters.live import Live, until

N = 1_767_571_200 * 10**9


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with Live({"type": "influx", "port": 0}) as made:
        yield made


def line(number: int) -> bytes:
    return b"m,host=a%d v=%d %d\n" % (number, number, N)


def request(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    lines = [b"POST /write?db=x HTTP/1.1", b"Host: x", b"Connection: close", *headers]
    if not any(one.startswith((b"Content-Length", b"Transfer")) for one in headers):
        lines.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return b"\r\n".join([*lines, b"", body])


def status(live: Live, data: bytes, *, cut: bool = False) -> int:
    """The status of the answer, 0 without one."""
    with socket.create_connection(("127.0.0.1", live.adapter.port), 20) as one:
        one.sendall(data)
        if cut:
            one.shutdown(socket.SHUT_WR)
        answer = b""
        while part := one.recv(1 << 16):
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer else 0


def sources(live: Live) -> list[str]:
    return [one.source_id for one in live.emitter.metrics]


GZIP = b"Content-Encoding: gzip"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("body", "header", "kept"),
    [
        (gzip.compress(line(1)) + gzip.compress(line(2)), GZIP, ["a1", "a2"]),
        (gzip.compress(line(1)) + b"junk", GZIP, []),
        (gzip.compress(line(1) * 50)[:-12], GZIP, []),
        (gzip.compress(line(1))[:-8] + bytes(8), GZIP, []),
        (gzip.compress(gzip.compress(line(1))), b"Content-Encoding: gzip, gzip", []),
        (line(1), GZIP, []),
        (gzip.compress(line(1)), b"X: y", []),
        (zlib.compress(line(1)), b"Content-Encoding: deflate", ["a1"]),
        (gzip.compress(bytes(200_000_000), 1), GZIP, []),
        (b"\xef\xbb\xbf" + line(1), b"X: y", ["a1"]),
        (line(1).replace(b"\n", b"\r\n") + line(2), b"X: y", ["a1", "a2"]),
        (line(1).decode().encode("utf-16"), b"X: y", []),
        (b"%x\r\n%b\r\n0\r\n\r\n" % (len(line(1)), line(1)), CHUNKED, ["a1"]),
    ],
)
def test_a_body_is_kept_whole_and_acknowledged_or_neither(
    live: Live, body: bytes, header: bytes, kept: list[str]
) -> None:
    before = len(sources(live))
    code = status(live, request(body, header))
    assert sources(live)[before:] == kept
    assert (code == 204) == bool(kept)
    assert code in (204, 400, 413, 415)


def test_a_byte_order_mark_is_no_part_of_a_name(live: Live) -> None:
    before = len(live.emitter.metrics)
    assert status(live, request(b"\xef\xbb\xbf" + line(1))) == 204
    assert [one.metric_name for one in live.emitter.metrics[before:]] == ["m_v"]


@pytest.mark.parametrize(
    "data",
    [
        request(line(1), length=5000),
        request(b"%x\r\n%b" % (len(line(1)), line(1)), CHUNKED),
        request(line(1), length=5000)[:30],
    ],
)
def test_a_request_that_is_cut_gives_nothing(live: Live, data: bytes) -> None:
    before = len(sources(live))
    assert status(live, data, cut=True) in (0, 400)
    assert sources(live)[before:] == []


@pytest.mark.parametrize(
    "data",
    [
        request(line(1), b"Content-Length: 5", CHUNKED),
        request(line(1), b"Content-Length: 5", b"Content-Length: 500"),
        request(line(1), b"Content-Length: -5"),
        request(b"", b"X: " + b"a" * 200_000),
        b"POST /write?db=x HTTP/1.1\r\nHost x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_counted_and_logs_no_trace(
    live: Live, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    before, faults = len(sources(live)), live.emitter.faults.get("malformed", 0)
    with caplog.at_level(logging.INFO):
        assert status(live, data) == 400
        until(lambda: live.emitter.faults.get("malformed", 0) > faults, "a fault")
    assert sources(live)[before:] == []
    assert not [one for one in caplog.records if one.exc_info]
    assert len(live.emitter.messages["malformed"]) < 400
    assert status(live, request(line(7))) == 204
