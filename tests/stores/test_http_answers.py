"""What an answer of a store over HTTP means: only what is about the records is their fault."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from padit.devcluster.ports import LOOPBACK
from padit.domain.errors import ConfigurationError, SinkError
from padit.ops.retrying import asked_wait
from padit.stores.base import BusyError, Content, Store
from padit.stores.registry import store_from_uri
from tests.stores.at_work import at_work
from tests.stores.databases import batch_of, sample
from tests.stores.servers import create_influx, get, influx_server

Headers = dict[str, str]
_PAGE = {"Content-Type": "text/html"}


class _Site(ThreadingHTTPServer):
    """Answers each POST with the next of `answers`, and 204 when there is none left."""

    daemon_threads = True
    answers: list[tuple[int, Headers, bytes]]
    calls: list[float]
    logins: list[str | None]


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Site

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.calls.append(time.monotonic())
        self.server.logins.append(self.headers.get("Authorization"))
        status, headers, body = 204, dict[str, str](), b""
        if self.server.answers:
            status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _site(*answers: tuple[int, Headers, bytes]) -> Iterator[_Site]:
    site = _Site((LOOPBACK, 0), _Answering)
    site.answers, site.calls, site.logins = list(answers), [], []
    thread = threading.Thread(target=site.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


def _store(kind: str, site: _Site, **settings: str) -> Store:
    path = {"influxdb": "/plant", "influxdb2": "/plant/bucket"}.get(kind, "")
    return store_from_uri(f"{kind.rstrip('2')}://{LOOPBACK}:{site.server_port}{path}", settings)


_KINDS = ("influxdb", "influxdb2", "prometheus")
_TAKEN: tuple[int, Headers, bytes] = (204, {}, b"")
# Answers of what stands before a store, or in its place: never the fault of a record.
_ELSEWHERE: list[tuple[int, Headers, bytes]] = [
    (301, {"Location": "https://metrics.example/"}, b""),
    (302, {"Location": "/login"}, b"<html>sign in</html>"),
    (400, _PAGE, b"<html>The plain HTTP request was sent to HTTPS port</html>"),
    (401, {}, b"who are you"),
    (402, {}, b"pay"),
    (403, {}, b"not you"),
    (404, {}, b'{"error":"database not found"}'),
    (405, {}, b""),
    (407, {}, b"proxy"),
    (410, {}, b"gone"),
    (413, _PAGE, b"<html>nginx: too large</html>"),
    (421, {}, b""),
    (451, {}, b""),
]
_LATER = [
    (408, {}, b""),
    (425, {}, b""),
    (429, {"Retry-After": "1"}, b"slow down"),
    (500, {}, b"oops"),
    (502, _PAGE, b"<html>bad gateway</html>"),
    (503, {"Retry-After": "1"}, b""),
    (507, {}, b"disk full"),
]


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("answer", _ELSEWHERE, ids=lambda one: f"{one[0]}{'p' * bool(one[1])}")
def test_an_answer_from_elsewhere_ends_the_start_and_is_waited_for_later(
    kind: str, answer: tuple[int, Headers, bytes]
) -> None:
    with _site(answer) as site, pytest.raises(ConfigurationError, match=str(answer[0])) as found:
        _store(kind, site).open()
    if "Location" in answer[1]:
        assert answer[1]["Location"] in str(found.value)
    with _site(_TAKEN, answer, answer, answer) as site:
        store = _store(kind, site)
        with at_work(store, Content.METRICS, [sample("rpm", n, n) for n in range(5)]) as work:
            work.caught_up()
        assert work.loop.counts.failures == 3
        assert work.loop.counts.dead == 0
        assert work.loop.counts.written == 5


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("answer", _LATER, ids=lambda one: str(one[0]))
def test_a_busy_server_is_asked_again_and_not_before_it_wants(
    kind: str, answer: tuple[int, Headers, bytes]
) -> None:
    with _site(answer) as site, pytest.raises(BusyError, match=str(answer[0])):
        _store(kind, site).open()
    with _site(_TAKEN, answer) as site:
        with at_work(_store(kind, site), Content.METRICS, [sample("rpm", 1, 1)]) as work:
            work.caught_up()
        assert work.loop.counts.dead == 0
        wanted = float(answer[1].get("Retry-After", 0))
        assert site.calls[2] - site.calls[1] >= wanted


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_answer_about_the_records_is_halved_to_the_one_it_is_about(
    kind: str, status: int
) -> None:
    with _site(_TAKEN, *[(status, {}, b"bad point")] * 4) as site:  # of 8, 4, 2, 1 records
        values = [sample("rpm", n, n) for n in range(8)]
        with at_work(_store(kind, site), Content.METRICS, values) as work:
            work.caught_up()
        assert work.loop.counts.failures == 0
        assert work.loop.counts.dead == 1
        assert (work.loop.counts.written, work.loop.counts.refused) == (7, 1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "9" * 500}, 3600.0),
        ({"retry-after": "-7"}, 0.0),
        ({"retry-after": "\u0667"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT",
          "date": "Thu, 01 Jan 2026 00:00:10 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT",
          "date": "Thu, 01 Jan 2026 00:00:10 GMT"}, 0.0),
    ],
)  # fmt: skip
def test_how_long_a_server_wants_to_be_left_alone(headers: Headers, seconds: float) -> None:
    assert asked_wait(headers) == seconds


def test_a_database_that_somebody_dropped_is_waited_for_and_goes_on(tmp_path: Path) -> None:
    port, part = influx_server(tmp_path / "influx")
    create_influx(port, "plant")
    try:
        store = store_from_uri(f"influxdb://{LOOPBACK}:{port}/plant")
        values = [sample("rpm", n, n) for n in range(300)]
        with at_work(store, Content.METRICS, values[:100]) as work:
            work.caught_up()
            get(port, f"/query?q={quote('DROP DATABASE plant')}")
            work.more(values[100:])
            work.held()
            create_influx(port, "plant")
            work.caught_up()
        assert work.loop.counts.dead == 0
        query = quote("SELECT count(value) FROM rpm")
        answer = json.loads(get(port, f"/query?db=plant&q={query}")[1])
        assert answer["results"][0]["series"][0]["values"][0][1] == 200
    finally:
        part.stop()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_login_that_is_changed_is_read_again(kind: str, tmp_path: Path) -> None:
    config = tmp_path / "login.conf"
    login = "token={}\n" if kind == "influxdb2" else "username=a\npassword={}\n"
    config.write_text(login.format("first"))
    with _site(_TAKEN, (401, {}, b"it is refused")) as site:
        store = _store(kind, site, client_config=str(config))
        store.open().close()
        with pytest.raises(SinkError, match=r"login\.conf") as found:
            store.open()
        assert "first" not in str(found.value)
        config.write_text(login.format("second"))
        writer = store.open()
        assert writer.write(batch_of("metrics", [sample("rpm", 1, 1)])).written == 1
        writer.close()
    logins = site.logins
    assert logins[0] == logins[1] != logins[2] == logins[3]
