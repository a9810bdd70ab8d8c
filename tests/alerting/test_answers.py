"""Answers of receivers that nobody would expect."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.delivery.worker import MOST_ATTEMPTS, Worker
from padit.alerting.effects import Handed
from padit.alerting.notifiers.base import by_status
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.store.sqlite import SqliteStore
from tests.alerting.making import SIMPLE, cloud_event, config_of, event, run
from tests.alerting.receiving import Answer, receiving
from tests.limits import allowed


def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    (message,) = [one for one in run([event("opened", 0)])[1] if isinstance(one, Handed)]
    with receiving() as got:
        answer = Answer(200, b"x" * 50_000_000)
        got.answer = lambda number: answer
        receiver = receivers_of(config_of(SIMPLE.replace("http://127.0.0.1:1/", got.url)))["ops"]
        try:
            tracemalloc.start()
            assert receiver.attempt(message, "").state == "delivered"
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()
            receiver.close()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "9" * 400}, 3600.0),
        ({"retry-after": "Sun, 01 Mar 2026 08:01:30 GMT", "date": "Sun, 01 Mar 2026 08:00:00 GMT"},
         90.0),
        ({"retry-after": "Sun, 01 Mar 2026 07:00:00 GMT", "date": "Sun, 01 Mar 2026 08:00:00 GMT"},
         0.0),
        ({"retry-after": "Sun, 01 Mar 2026 08:01:30 GMT"}, 0.0),
        ({"retry-after": "1 Mar 2026 08:01:30 -0000", "date": "1 Mar 2026 08:00:00 GMT"},
         0.0),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_nothing_else_is_taken_for_it(
    headers: dict[str, str], seconds: float
) -> None:
    assert by_status(429, headers, b"").after == seconds


@contextmanager
def _dripping(beginning: bytes) -> Iterator[int]:
    """The port of a server that sends a byte each 50 ms, for as long as somebody listens."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not ended.is_set():
                one, _ = server.accept()
                with one, suppress(OSError):
                    one.sendall(beginning)
                    while not ended.wait(0.05):
                        one.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize(
    ("setting", "beginning"),
    [
        ('kind: webhook, url: "http://127.0.0.1:{port}/"', b"HTTP/1.1 200 OK\r\nx: "),
        ("kind: email, host: 127.0.0.1, port: {port}, tls: none, sender: a@b, to: [c@d]", b"220 "),
    ],
    ids=["http", "smtp"],
)
def test_who_answers_byte_by_byte_holds_a_thread_no_longer_than_its_time(
    setting: str, beginning: bytes
) -> None:
    (message,) = [one for one in run([event("opened", 0)])[1] if isinstance(one, Handed)]
    with _dripping(beginning) as port:
        text = "receivers: {ops: {%s, timeout_sec: 0.2}}\nroutes: [{name: all, receiver: ops}]\n"
        receiver = receivers_of(config_of(text % setting.format(port=port)))["ops"]
        began = time.monotonic()
        result = receiver.attempt(message, "")
        receiver.close()
    assert time.monotonic() - began < allowed(3)
    assert (result.state, result.reason[:25]) == ("retry", "it did not answer in time")


@contextmanager
def _worker(
    tmp_path: Path, url: str, count: int, kind: str = "webhook"
) -> Iterator[tuple[Worker, SqliteStore]]:
    """A worker with so many messages to deliver; its breaker opens for no time."""
    config = config_of(SIMPLE.replace("http://127.0.0.1:1/", url).replace("webhook", kind))
    receiver = receivers_of(config)["ops"]
    with closing(SqliteStore(tmp_path)) as store, closing(receiver):
        lines = [cloud_event(event("opened", i, f"a{i}", source=f"s{i}")) for i in range(count)]
        core = Alerting(config, store)
        core.take([Record("alert", "f", 0, i, i + 1, line) for i, line in enumerate(lines)])
        yield Worker(receiver, lambda: store, wait=0.001), store


def test_who_asks_for_a_day_gets_nothing_for_an_hour_and_is_asked_again_for_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other messages wait, too, without an attempt; nothing of it is dead after a day."""
    with receiving() as got, _worker(tmp_path, got.url, 3) as (worker, store):
        got.answer = lambda number: Answer(429, headers=(("Retry-After", "86400"),))
        now, slept = time.time(), 0.0
        monkeypatch.setattr("padit.alerting.delivery.worker.clock", lambda: now + slept)
        monkeypatch.setattr("padit.alerting.delivery.worker.monotonic", lambda: slept)
        for minute in range(24 * 60):
            slept = 60.0 * minute
            worker.deliver(store)
        tried = sum(one.attempts for one in store.deliveries("pending"))
        assert MOST_ATTEMPTS < tried == len(got.requests) <= 24
        got.answer = lambda number: Answer(500)
        slept += 3600.0
        worker.deliver(store)
        assert not store.deliveries("dead")  # a failure after it was put off for a day
        got.answer = lambda number: Answer()
        slept, ends = 30.0 * 86_400, time.perf_counter() + allowed(10)
        while store.waiting() and time.perf_counter() < ends:
            if not worker.deliver(store):  # its breaker is open for a millisecond
                time.sleep(0.002)
        assert store.counts()["all"] == {"handed": 3, "message delivered": 3}


def test_slack_gets_a_message_a_second(tmp_path: Path) -> None:
    with receiving() as got, _worker(tmp_path, got.url, 3, "slack") as (worker, store):
        began = time.monotonic()
        while worker.deliver(store):
            pass
        assert len(got.requests) == 3
        assert time.monotonic() - began >= 2.0
