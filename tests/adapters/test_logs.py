"""Logs: files through rotation, posted batches, and the metrics that come of them."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.log_options import LogFile
from padit.adapters.log_sources import LogSource
from padit.adapters.receiver import BadRequestError, Call
from padit.adapters.registry import create_adapter
from padit.codecs.log_lines import ERROR_LEVELS, parse_line, template_of
from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.record import LogRecord
from padit.domain.errors import ConfigurationError
from tests.adapters.live import Live
from tests.codecs.log_samples import SAMPLES

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
    assert emitter.values("log_error_ratio") == [pytest.approx(10 / 100)]
    assert emitter.values("log_level_known_ratio") == [pytest.approx(100 / 101)]
    assert emitter.left == {"level": 1}
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
            "reasons": ["record 1 is no JSON object"],
        }
    assert live.emitter.faults == {"malformed": 2}


def test_posted_text_is_read_as_the_lines_of_a_file_are() -> None:
    body = SAMPLES["java-stack"].content + b"\0\0\0\n"
    with Live(LOCAL) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v1/logs?service=shop"
        answer = httpx.post(url, content=body, headers={"Content-Type": "text/plain"})
        live.poll()
    assert answer.status_code == 202
    assert {**answer.json(), "reasons": 0} == {"accepted": 4, "rejected": 1, "reasons": 0}
    assert answer.json()["reasons"][0].startswith("a line is binary")
    assert live.emitter.values("log_error_ratio") == [0.5]


def test_posted_objects_are_read_in_the_form_of_their_logger() -> None:
    bodies = ["serilog", "ecs", "journald", "gelf", "docker", "pino"]
    with Live(LOCAL) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v1/logs"
        for name in bodies:
            answer = httpx.post(url, content=SAMPLES[name].content)
            assert answer.json() == {"accepted": 4, "rejected": 0}
    levels = [json.loads(value).get("level", "") for _, _, value in live.emitter.records]
    expected = [level for name in bodies for level in SAMPLES[name].levels]
    assert sorted(levels) == sorted(expected)


@pytest.mark.parametrize("names", [[n for n in SAMPLES if n[-2:] != "-2"],
                                   [n for n in SAMPLES if n[-2:] == "-2"]])  # fmt: skip
def test_files_of_every_form_give_their_share_of_errors(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / f"{name}.log").write_bytes(SAMPLES[name].content)
    files = [{"path": str(tmp_path / "*.log"), "from_start": True}]
    with Live({**LOCAL, "listen": False, "learn_sec": 0, "files": files}) as live:
        live.poll()
    ratios = {m.source_id: m.value for m in live.emitter.metrics
              if m.metric_name == "log_error_ratio"}  # fmt: skip
    for name in names:
        levels = [level for level in SAMPLES[name].levels if level]
        errors = sum(level in ERROR_LEVELS for level in levels)
        records = LineParser(name).feed(SAMPLES[name].content.split(b"\n"), NOW)
        if any(record.service != name for record in records):
            continue  # names its service, as others do
        expected = errors / len(levels) if levels else None
        assert (name, ratios.get(name)) == (name, pytest.approx(expected) if levels else None)
    assert live.emitter.faults == {}


def test_a_service_without_known_levels_has_no_share_of_errors(tmp_path: Path) -> None:
    (tmp_path / "none.log").write_bytes(SAMPLES["none"].content)
    file = {"path": str(tmp_path / "none.log"), "from_start": True}
    with Live({**LOCAL, "listen": False, "files": [file]}) as live:
        live.poll()
    assert live.emitter.values("log_error_ratio") == []
    assert live.emitter.values("log_level_known_ratio") == [0.0]
    assert live.emitter.left == {"level": 4}
    assert "levels" in live.emitter.messages["level"]


def test_a_record_that_is_written_in_two_polls_is_one(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.touch()
    config = {**LOCAL, "listen": False, "files": [{"path": str(path)}], "join_sec": 1.5}
    with Live(config) as live:
        writer = threading.Timer(0.3, lambda: _append(path, "\tat a.b.C.run(C.java:10)\n"))
        _append(path, "2026-01-05 00:00:01 ERROR failed\njava.io.IOException: x\n")
        writer.start()
        live.poll()
        writer.join()
    records = [json.loads(value) for _, _, value in live.emitter.records]
    assert [record["lines"] for record in records] == [3]


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_record_that_waits_is_read_again_after_a_crash(tmp_path: Path) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    _append(path, "2026-01-05 00:00:00 INFO ok\n2026-01-05 00:00:01 ERROR failed\n\tat a\n")
    options = LogFile(path=str(path), from_start=True)
    taken: list[LogRecord] = []
    first = LogSource(options, state, ListEmitter, taken.extend)
    first.read()
    first.end()  # saves positions; the process ends before the record does
    assert [record.level for record in taken] == ["INFO"]
    again = LogSource(options, state, ListEmitter, taken.extend)
    again.read()
    again.close()
    assert [(record.level, record.lines) for record in taken] == [("INFO", 1), ("ERROR", 2)]


def test_every_line_of_a_file_is_in_the_books(tmp_path: Path) -> None:
    lines = [
        b"",
        b"\0" * 50,
        b"INFO T\xfcr",
        b"started",
        b"",
        b"x" * 1_500_000,
        b"ERROR a",
        b"\tat a",
    ]
    (tmp_path / "app.log").write_bytes(b"\n".join(lines) + b"\n")
    file = {"path": str(tmp_path / "app.log"), "from_start": True}
    with Live({**LOCAL, "listen": False, "files": [file]}) as live:
        live.poll()
    emitter = live.emitter
    in_records = sum(json.loads(value).get("lines", 1) for _, _, value in emitter.records)
    assert in_records + emitter.left["blank"] + emitter.faults["binary"] == len(lines)
    assert emitter.left == {"blank": 1, "encoding": 1, "level": 2}
    assert emitter.faults == {"binary": 1, "long_line": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"levels": {"x": "loud"}}, "LOUD is no level"),
        ({"format": "cobol"}, "format"),
        ({"pattern": "("}, "regular expression"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({**LOCAL, "files": [{"path": "x.log", **options}]})


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
