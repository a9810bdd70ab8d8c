"""Messages between arrival and reading: in order, bounded, none lost, and the loop goes on."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from padit.adapters import mqtt_intake
from padit.adapters.mqtt_intake import Arrived, Intake
from padit.adapters.threads import Worker
from tests.limits import allowed

LARGE = 100_000


class Reader:
    """Reads only when it is let; notes in which thread, and what is asked of the wire."""

    def __init__(self, most_bytes: int = 10 * LARGE) -> None:
        self.started, self.gate = threading.Event(), threading.Event()
        self.read: list[tuple[str, bool]] = []
        self.asked: list[str] = []
        self.worker = Worker("test")
        self.intake = Intake(
            self._read, self.worker, most_bytes,
            lambda: self.asked.append("pause"), lambda: self.asked.append("resume"),
        )  # fmt: skip

    def _read(self, message: Arrived) -> None:
        in_loop = threading.current_thread() is threading.main_thread()
        self.started.set()
        if not in_loop:
            assert self.gate.wait(allowed(10))
        self.read.append((message.topic, in_loop))

    def put(self, topic: str, size: int) -> None:
        self.intake.put(Arrived(None, topic, bytes(size), 0.0, False))


def run(scene: Callable[[Reader], Awaitable[None]], reader: Reader | None = None) -> Reader:
    made = reader or Reader()

    async def whole() -> None:
        try:
            await scene(made)
        finally:
            made.gate.set()
            made.worker.close()

    asyncio.run(whole())
    return made


def test_small_message_is_read_at_once() -> None:
    async def scene(reader: Reader) -> None:
        reader.put("small", 100)
        assert reader.read == [("small", True)]

    run(scene)


def test_loop_goes_on_while_a_large_message_is_read_and_the_order_is_kept() -> None:
    async def scene(reader: Reader) -> None:
        reader.put("large", LARGE)
        for topic in ("second", "third"):
            reader.put(topic, 1)
            await asyncio.sleep(0)
        assert reader.read == [], "the thread is held, and the loop came back here"
        reader.gate.set()
        assert await reader.intake.close() == 0

    assert run(scene).read == [("large", False), ("second", False), ("third", False)]


def test_reading_pauses_when_too_much_waits_and_goes_on_when_all_is_read() -> None:
    async def scene(reader: Reader) -> None:
        reader.put("1", LARGE)
        reader.put("2", LARGE)
        assert reader.asked == []
        reader.put("3", LARGE)
        reader.put("4", LARGE)
        assert reader.asked == ["pause"]
        reader.gate.set()
        assert await reader.intake.close() == 0
        assert reader.asked == ["pause", "resume"]
        reader.put("5", 1)

    made = run(scene, Reader(most_bytes=LARGE * 5 // 2))
    assert made.read == [("1", False), ("2", False), ("3", False), ("4", False), ("5", True)]


def test_small_messages_that_wait_are_bounded_too() -> None:
    async def scene(reader: Reader) -> None:
        reader.put("large", LARGE)
        for _ in range(1_000):
            reader.put("small", 0)
        assert reader.asked == ["pause"]

    run(scene, Reader(most_bytes=2 * LARGE))


def test_what_is_left_unread_at_the_end_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_intake, "_LAST_SEC", 0.1)

    async def scene(reader: Reader) -> None:
        reader.put("large", LARGE)
        reader.put("second", 1)
        reader.put("third", 1)
        await asyncio.to_thread(reader.started.wait, allowed(10))
        assert await reader.intake.close() == 2
        reader.gate.set()
        await asyncio.to_thread(_finished, reader)

    assert run(scene).read == [("large", False)]


def _finished(reader: Reader) -> None:
    """Wait until the thread has read what it was at."""
    thread = reader.worker._thread
    reader.worker.close()
    assert thread is not None
    thread.join(allowed(10))
