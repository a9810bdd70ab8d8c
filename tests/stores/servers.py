"""Real Redis, InfluxDB and Prometheus on loopback, each for one test file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from padit.codecs.validate import Validate
from padit.devcluster.processes import LOOPBACK, Part, free_port, port_answers
from padit.stores.base import Content, Store
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from tests.parts import required_program
from tests.stores.faking import FakeTopics

__all__ = ["bring", "redis_server"]


def redis_server(directory: Path, *options: str) -> tuple[int, Part]:
    """Start Redis without any memory on the disk."""
    program = required_program("redis-server")
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    part = Part(
        "Redis",
        [program.path, "--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no",
         "--dir", str(directory), *options],
        log=directory / "redis.log",
        answers=lambda: port_answers(port),
        env=program.environment,
    )  # fmt: skip
    part.start()
    return port, part


def bring(store: Store, content: Content, partitions: Sequence[Sequence[bytes | None]],
          topics: FakeTopics | None = None, records: int = 50) -> tuple[Consume, FakeTopics]:  # fmt: skip
    """Bring records to a store, to the end; the loop and its topic, for more of both."""
    source = topics or FakeTopics(partitions, content.value)
    decoder = Decoder(source.topic, content, Validate(1 << 20, 3_600_000_000), raw=False)
    pace = Pace(records=records, poll=0.0, longest=0.05, open=0.05)
    loop = Consume(source, store, {source.topic: decoder}, _Drop(), pace)
    import threading

    loop.run(threading.Event(), source.caught_up)
    assert loop.counts.holds, loop.counts.line()
    return loop, source


class _Drop:
    """A sink for dead letters."""

    def write(self, messages: Sequence[object]) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
