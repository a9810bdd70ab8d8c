"""Logs: files through rotation, posted batches, and the metrics that come of them."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.log_tail import LONGEST_LINE, Tail
from padit.adapters.receiver import BadRequestError, Call
from padit.adapters.registry import create_adapter
from padit.codecs.log_lines import parse_line, template_of
from tests.adapters.live import Live

NOW = 1_767_323_045.0
LOCAL = {"type": "logs", "port": 0, "store_dir": ""}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '{"ts": "2026-01-02T03:04:05Z", "level": "error", "msg": "no route", "service": "shop",'
            ' "latency_ms": 12.5, "user": 7}',
            ("2026-01-02T03:04:05.000000Z", "shop", "ERROR", "no route", 12.5, {"user": 7}),
        ),
        (
            'time=2026-01-02T03:04:05Z level=warn msg="slow \\"query\\"" duration_s=1.5',
            (
                "2026-01-02T03:04:05.000000Z",
                "file",
                "WARNING",
                'slow "query"',
                1500.0,
                {"duration_s": "1.5"},
            ),
        ),
        (
            "2026-01-02 03:04:05,250 ERROR shop.db - query took 35 ms",
            (
                "2026-01-02T03:04:05.250000Z",
                "file",
                "ERROR",
                "ERROR shop.db - query took 35 ms",
                35.0,
                {},
            ),
        ),
        ("just text", ("2026-01-02T03:04:05.000000Z", "file", "", "just text", None, {})),
    ],
)
def test_lines_of_every_kind_become_records(line: str, expected: tuple[Any, ...]) -> None:
    record = parse_line(line, "file", NOW)
    attributes = {k: v for k, v in record.attributes.items() if k != "latency_ms"}
    assert expected == (
        record.timestamp,
        record.service,
        record.level,
        record.message,
        record.latency_ms,
        attributes,
    )


def test_tail_follows_rotation_truncation_and_half_lines(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("old\n")
    tail = Tail(str(tmp_path / "*.log"), from_start=False, state=None)

    def read() -> list[bytes]:
        return [line for _, line in tail.read()]

    assert read() == []
    with path.open("a") as file:
        file.write("one\nhal")
    assert read() == [b"one"]
    with path.open("a") as file:
        file.write("f\nlast")
    assert read() == [b"half"]
    with path.open("a") as file:
        file.write(" before rotation\n")
    path.rename(tmp_path / "app.log.1")
    path.write_text("first after rotation\n")
    assert read() == [b"last before rotation", b"first after rotation"]
    path.write_text("cut\n")  # copytruncate
    assert read() == [b"cut"]
    path.unlink()
    assert read() == []
    path.write_text("new\n")
    assert read() == [b"new"]
    tail.close()


def test_tail_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    path.write_text("one\ntw")
    tail = Tail(str(path), from_start=True, state=state)
    assert [line for _, line in tail.read()] == [b"one"]
    tail.close()
    with path.open("a") as file:
        file.write("o\nthree\n")
    again = Tail(str(path), from_start=True, state=state)
    assert [line for _, line in again.read()] == [b"two", b"three"]
    again.close()


def test_endless_line_is_cut_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"x" * (3 * LONGEST_LINE) + b"\nnext\n")
    tail = Tail(str(path), from_start=True, state=None)
    lines = [line for _, line in tail.read()]
    tail.close()
    assert [len(line) for line in lines] == [LONGEST_LINE, 4]


def test_files_become_records_and_metrics(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    path.touch()
    config = {**LOCAL, "listen": False, "files": [{"path": str(path)}], "learn_sec": 0}
    with Live(config) as live:
        with path.open("a") as file:
            for i in range(100):
                level = "ERROR" if i < 10 else "INFO"
                file.write(
                    json.dumps({"level": level, "msg": f"order {i}", "latency_ms": i}) + "\n"
                )
            file.write("a new kind of trouble\n")
        live.poll()
        live.poll()
    emitter = live.emitter
    assert {record[:2] for record in emitter.records} == {("logs.ingestion", "shop")}
    assert len(emitter.records) == 101
    assert emitter.values("log_error_ratio") == [pytest.approx(10 / 101)]
    assert emitter.values("log_latency_p50_ms") == [49.5]
    assert emitter.values("log_new_templates") == [2.0, 0.0]
    assert emitter.values("log_rate_per_s")[0] > 0
    assert emitter.values("log_rate_per_s")[1] == 0
    assert {m.source_id for m in emitter.metrics} == {"shop"}


def test_pattern_names_the_parts_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text('10.0.0.1 "GET /cart" 502 0.250\n')
    pattern = r'(?P<client>\S+) "(?P<message>[^"]*)" (?P<status>\d+) (?P<duration_s>[\d.]+)'
    file = {"path": str(path), "pattern": pattern, "from_start": True, "service": "web"}
    with Live({**LOCAL, "listen": False, "files": [file]}) as live:
        live.poll()
    record = json.loads(live.emitter.records[0][2])
    assert record["message"] == "GET /cart"
    assert record["attributes"]["status"] == "502"
    assert live.emitter.values("log_latency_p50_ms") == [250.0]


@pytest.mark.parametrize(
    "body",
    [
        '{"service": "a", "message": "x"}',
        '[{"service": "a", "message": "x"}]',
        '{"service": "a", "message": "x"}\n',
        '{\n"service": "a",\n"message": "x"}',
    ],
)
def test_posted_logs_are_accepted_in_every_form(body: str) -> None:
    with Live({**LOCAL, "tokens": ["t"]}) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v1/logs"
        refused = httpx.post(url, content=body)
        taken = httpx.post(url, content=body, headers={"Authorization": "Bearer t"})
    assert refused.status_code == 401
    assert (taken.status_code, taken.json()) == (202, {"accepted": 1, "rejected": 0})
    assert [record[1] for record in live.emitter.records] == ["a"]


def test_posted_nonsense_is_refused_and_counted() -> None:
    with Live(LOCAL) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v1/logs"
        assert httpx.post(url, content="no json").status_code == 400
        assert httpx.post(url, content='[1, {"message": "x"}]').json() == {
            "accepted": 1,
            "rejected": 1,
        }
    assert live.emitter.faults == {"malformed": 2}


def test_templates_keep_words_and_drop_what_varies() -> None:
    assert template_of("user 1 at 10.0.0.1: 'x'") == template_of("user 2 at 10.0.0.2: 'y'")
    assert template_of("user 1 failed") != template_of("user 1 logged in")


@given(st.text(max_size=200))
def test_no_line_breaks_the_parser(line: str) -> None:
    record = parse_line(line, "s", NOW)
    assert record.service
    assert record.timestamp


@given(st.one_of(st.binary(max_size=200), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["timestamp", "level", "message", "latency_ms", "service", "x"]), inner
    ), max_leaves=10).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_no_body_breaks_the_endpoint(body: bytes) -> None:
    adapter: Any = create_adapter(LOCAL)
    adapter._emitter = ListEmitter()
    try:
        reply = adapter.write(Call(body, {}, {}))
    except BadRequestError:
        return
    assert reply.status in (202, 400)
