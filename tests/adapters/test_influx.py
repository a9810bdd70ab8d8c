"""InfluxDB line protocol, written by the official client and by hand."""

import gzip
from typing import Any

import httpx
import influxdb_client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.influx_lines import LineError, parse_line
from tests.adapters.live import Live, until

official: Any = influxdb_client
Point = official.Point
LOCAL = {"type": "influx", "port": 0}


def test_points_of_the_official_client_arrive() -> None:
    with Live({**LOCAL, "tokens": ["secret"]}) as live:
        url = f"http://127.0.0.1:{live.adapter.port}"
        with official.InfluxDBClient(url=url, token="secret", org="o", enable_gzip=True) as client:  # noqa: S106
            assert client.ping()
            writer = client.write_api(write_options=official.client.write_api.SYNCHRONOUS)
            point = (
                Point("press 1")
                .tag("host", "line=7")
                .tag("part", "a,b")
                .field("torque", 41.5)
                .field("cycles", 12)
                .field("ok", True)
                .field("note", 'says "hi", twice')
                .time(1_767_323_045_123_456_789)
            )
            writer.write(bucket="b", record=[point] * 3)
        until(lambda: len(live.emitter.metrics) == 9, "nine samples")
        found = {m.metric_name: m for m in live.emitter.metrics}
    assert found['press 1_torque{part="a,b"}'].value == 41.5
    assert found['press 1_cycles{part="a,b"}'].value == 12.0
    assert found['press 1_ok{part="a,b"}'].value == 1.0
    assert {m.source_id for m in live.emitter.metrics} == {"line=7"}
    assert found['press 1_torque{part="a,b"}'].timestamp == pytest.approx(1767323045.123456)


def test_good_lines_are_taken_beside_bad_ones() -> None:
    with Live(LOCAL) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v2/write?precision=s"
        answer = httpx.post(url, content="a v=1 1767323045\nbroken\n# comment\n\nb v=2i 1767323045")
    assert answer.status_code == 400
    assert "line 2" in answer.json()["message"]
    assert [m.metric_name for m in live.emitter.metrics] == ["a_v", "b_v"]
    assert live.emitter.faults == {"malformed": 1}


@pytest.mark.parametrize("scheme", ["Token wrong", "Basic c2VjcmV0", "", "Token"])
def test_write_without_the_token_is_refused(scheme: str) -> None:
    with Live({**LOCAL, "tokens": ["secret"]}) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v2/write"
        answer = httpx.post(url, content="a v=1", headers={"Authorization": scheme})
    assert answer.status_code == 401
    assert not live.emitter.metrics
    assert live.emitter.faults == {"unauthorized": 1}


def test_body_that_is_too_large_is_refused_before_and_after_decompression() -> None:
    with Live({**LOCAL, "max_body_bytes": 100_000}) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v2/write"
        plain = httpx.post(url, content=b"a v=1\n" * 50_000)
        bomb = gzip.compress(b"a v=1\n" * 5_000_000)
        packed = httpx.post(url, content=bomb, headers={"Content-Encoding": "gzip"})
        chunked = httpx.post(url, content=(b"a v=1\n" * 1000 for _ in range(100)))
    assert [plain.status_code, packed.status_code, chunked.status_code] == [413, 413, 413]
    assert not live.emitter.metrics


def test_damaged_gzip_is_the_clients_fault() -> None:
    with Live(LOCAL) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v2/write"
        answer = httpx.post(url, content=b"no gzip", headers={"Content-Encoding": "gzip"})
        again = httpx.post(url, content=b"a v=1")
    assert answer.status_code == 400
    assert again.status_code == 204


def test_writers_have_to_wait_while_the_output_is_blocked() -> None:
    with Live({**LOCAL, "retry_after_sec": 7}) as live:
        live.emitter.open = False
        url = f"http://127.0.0.1:{live.adapter.port}/api/v2/write"
        answer = httpx.post(url, content="a v=1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        line = parse_line(text)
    except LineError:
        return
    assert line.measurement


names = st.text(
    st.characters(
        codec="utf-8", exclude_characters="\n\r\\\x85\u2028\u2029", exclude_categories=("C", "Z")
    ),
    min_size=1,
    max_size=20,
)


@given(
    names.filter(lambda name: not name.startswith("#")),  # a comment to a server; the client warns
    st.dictionaries(names, names, max_size=3),
    st.dictionaries(
        names, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3
    ),
)
def test_what_the_client_writes_is_what_is_read(
    measurement: str, tags: dict[str, str], fields: dict[str, float]
) -> None:
    point = Point(measurement)
    for name, text in tags.items():
        point.tag(name, text)
    for name, value in fields.items():
        point.field(name, value)
    line = parse_line(point.to_line_protocol())
    assert line.measurement == measurement
    assert dict(line.tags) == tags
    assert dict(line.fields) == pytest.approx(fields)
