"""Loops that must not end unnoticed: the publisher's thread, the runner's tasks, blocking calls."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from padit.adapters.backlog import Backlog
from padit.adapters.base import AdapterOptions, Emitter
from padit.adapters.config import AdaptersConfig, BufferOptions, KafkaOptions
from padit.adapters.encode import Encoder, Record
from padit.adapters.errors import AdapterError
from padit.adapters.loops import MOST_FAILURES
from padit.adapters.parked import Parked
from padit.adapters.publisher import Publisher
from padit.adapters.runner import Runner, run_adapters
from padit.adapters.threads import Worker
from padit.devcluster.ports import free_port
from padit.ops.stats import Stats
from tests.adapters.live import until
from tests.adapters.test_publisher import make, samples
from tests.adapters.test_runner import Scripted, Sink
from tests.parts import KafkaPart

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Failing:
    """Replaces a method by one that raises, until it is mended."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.broken = threading.Event()
        real: Callable[..., Any] = getattr(owner, name)

        def method(*arguments: Any, **more: Any) -> Any:
            if self.broken.is_set():
                message = "the disk is gone"
                raise OSError(message)
            return real(*arguments, **more)

        patch.setattr(owner, name, method)


def test_publisher_goes_on_after_failures_and_nothing_is_lost(
    kafka: KafkaPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(monkeypatch, Backlog, "take")
    publisher, stats = make(kafka.bootstrap, kafka.topic("metrics", 3), tmp_path)
    publisher.put(samples(0, 100))
    until(lambda: stats.get("padit_publisher_sent_total") == 100, "the first")
    failing.broken.set()
    publisher.put(samples(100, 5000))
    until(lambda: publisher.state.failures > 1, "failures")
    assert publisher.alive
    until(lambda: not publisher.ready(), "it is not ready")
    until(lambda: publisher.buffered == 5000, "all are kept")
    until(lambda: "the disk is gone" in publisher.state.last_error, "the reason")
    failing.broken.clear()
    until(lambda: stats.get("padit_publisher_sent_total") == 5100, "the rest")
    until(publisher.ready, "it is ready again")
    assert publisher.stop(20) == 0
    assert stats.total("padit_publisher_dropped_total") == 0
    assert stats.get("padit_loop_failures_total", loop="publisher") > 1


def test_segments_that_cannot_be_removed_do_not_end_the_publisher(
    kafka: KafkaPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic("metrics", 3)
    left, _ = make(f"127.0.0.1:{free_port()}", topic, tmp_path)
    left.put(samples(0, 500))
    assert left.stop(1) == 500
    failing = Failing(monkeypatch, Path, "unlink")
    failing.broken.set()
    publisher, stats = make(kafka.bootstrap, topic, tmp_path)
    until(lambda: stats.get("padit_publisher_sent_total") == 500, "what was left")
    until(lambda: stats.total("padit_publisher_disk_errors_total") > 0, "it is counted")
    publisher.put(samples(500, 500))
    until(lambda: stats.get("padit_publisher_sent_total") == 1000, "the others")
    assert publisher.alive
    assert publisher.ready()
    failing.broken.clear()
    assert publisher.stop(20) == 0
    assert not list(tmp_path.glob("*.seg"))


def test_batch_that_cannot_be_encoded_costs_itself_and_is_counted(
    kafka: KafkaPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(monkeypatch, Encoder, "encode")
    publisher, stats = make(kafka.bootstrap, kafka.topic("metrics", 3), tmp_path)
    failing.broken.set()
    publisher.put(samples(0, 7))
    until(lambda: stats.total("padit_publisher_dropped_total") == 7, "they are counted")
    failing.broken.clear()
    publisher.put(samples(7, 3))
    until(lambda: stats.get("padit_publisher_sent_total") == 3, "the others")
    assert publisher.stop(20) == 0


def test_process_answers_503_and_ends_with_an_error_when_its_publisher_has_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padit.adapters.loops._LONGEST_SEC", 0.15)
    failing = Failing(monkeypatch, Backlog, "add")
    ports = {name: free_port() for name in ("health", "influx")}
    config = AdaptersConfig.model_validate(
        {
            "kafka": {"bootstrap": f"127.0.0.1:{free_port()}", "topic": "metrics"},
            "buffer": {"directory": str(tmp_path)},
            "health": {"port": ports["health"]},
            "adapters": [{"type": "influx", "port": ports["influx"], "jitter": 0.0}],
        }
    )
    answers: list[int] = []
    states: list[dict[str, Any]] = []

    def talk() -> None:
        until(lambda: _answers(f"http://127.0.0.1:{ports['influx']}/ping"), "it listens")
        failing.broken.set()
        place = f"http://127.0.0.1:{ports['influx']}/api/v2/write"
        httpx.post(place, content="a v=1 1767323045000000000")
        until(lambda: _loop(ports["health"], states)["failures"] > 1, "failures")
        answers.append(httpx.post(place, content="a v=2").status_code)
        answers.append(httpx.get(f"http://127.0.0.1:{ports['health']}/ready").status_code)

    async def main() -> None:
        talking = asyncio.create_task(Worker("test").run(talk))
        with pytest.raises(AdapterError, match=r"publisher ended after 10 failures.*disk is gone"):
            await asyncio.wait_for(run_adapters(config, asyncio.Event(), Stats()), 60)
        await talking

    asyncio.run(main())
    assert answers == [503, 503]
    assert states[-1]["status"] == "degraded"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


def _loop(port: int, states: list[dict[str, Any]]) -> dict[str, Any]:
    states.append(httpx.get(f"http://127.0.0.1:{port}/health").json())
    found: dict[str, Any] = states[-1]["loops"]["publisher"]
    return found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_that_something_uncatchable_ended_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_self: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Publisher, "_turn", end)
    kafka = KafkaOptions(bootstrap=f"127.0.0.1:{free_port()}")
    publisher = Publisher(kafka, BufferOptions(directory=str(tmp_path)), Stats())
    publisher.start()
    until(lambda: not publisher.alive, "the thread has ended")
    publisher.put(samples(0, 10))
    assert publisher.state.ended
    assert not publisher.ready()
    assert publisher.stop(1) == 10  # on disk, for the next start


def test_task_of_an_adapter_that_fails_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Runner._next
    left = [3]

    def fail_sometimes(self: Runner, part: Any, due: float) -> float:
        if left[0]:
            left[0] -= 1
            message = "a bug of the runner"
            raise ValueError(message)
        return real(self, part, due)

    monkeypatch.setattr(Runner, "_next", fail_sometimes)
    one, stats = Scripted("a", []), Stats()

    async def main() -> Runner:
        runner = Runner([one], Sink(), stats, seed=1)
        task = asyncio.create_task(runner.run())
        await asyncio.sleep(1.5)
        runner.stop()
        await asyncio.wait_for(task, 5)
        return runner

    runner = asyncio.run(main())
    assert one.polls > 10
    assert stats.get("padit_loop_failures_total", loop="adapter a") == 3
    assert not runner.loops[1].ended
    assert MOST_FAILURES > 3


def test_parked_records_are_bounded_by_their_bytes_and_counted() -> None:
    parked = Parked(100_000)
    dropped = sum(parked.add(Record("big", b"k", bytes(900), -1, 3)) for _ in range(200))
    assert dropped > 0
    assert parked.samples + dropped == 600
    assert parked.add(Record("small", b"k", bytes(900), -1, 1)) == 3  # of the topic with most
    assert len(parked.take("small")) == 1
    assert sum(len(record.value) for record in parked.take_all()) <= 100_000
    assert parked.samples == 0
    assert not parked


def test_records_that_wait_for_their_topic_are_in_buffered(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    publisher, stats = make(kafka.bootstrap, kafka.topic("metrics", 3), tmp_path)
    for _ in range(20):
        publisher.put(Record("no-such-topic", b"shop", bytes(10_000), -1, 1))
    until(lambda: stats.total("padit_publisher_dropped_total") > 0, "more than in_flight_mb")

    def dropped() -> int:  # one after the other, while the topic is asked for
        return int(stats.get("padit_publisher_dropped_total", reason="unknown_topic"))

    until(lambda: publisher.buffered + dropped() == 20, "the others wait")
    assert publisher.stop(1) + dropped() == 20


class Blocking:
    """An adapter whose polls block a thread until they are released."""

    Options: ClassVar[type[AdapterOptions]] = AdapterOptions

    def __init__(self, name: str = "blocking") -> None:
        self.options = AdapterOptions(
            type="blocking",
            name=name,
            interval_sec=0.01,
            jitter=0.0,
            max_backoff_sec=0.02,
            timeout_sec=0.05,
        )
        self.worker = Worker(name)
        self.workers = (self.worker,)
        self.go_on = threading.Event()
        self.calls = self.polls = 0

    def _block(self) -> None:
        self.calls += 1
        self.go_on.wait(30)

    async def open(self, emitter: Emitter) -> None:
        """Nothing."""

    async def poll(self, emitter: Emitter) -> None:
        self.polls += 1
        await self.worker.run(self._block)

    async def close(self) -> None:
        self.worker.close()


def test_poll_that_never_returns_keeps_one_thread_and_no_receiver_waits() -> None:
    many = [Blocking(f"blocking-{i}") for i in range(os.cpu_count() or 1)]
    many += [Blocking(f"more-{i}") for i in range(8)]
    stats = Stats()

    async def main() -> tuple[list[int], list[int]]:
        from padit.adapters.registry import create_adapter

        receiver: Any = create_adapter({"type": "influx", "port": 0})
        runner = Runner([*many, receiver], Sink(), stats, seed=1)
        task = asyncio.create_task(runner.run())
        await asyncio.sleep(1.0)
        url = f"http://127.0.0.1:{receiver.port}/api/v2/write"
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.post(url, content="a v=1")
        stuck = [part.stuck_calls for part in runner.parts[:-1]]
        for one in many:
            one.go_on.set()
        await asyncio.sleep(0.3)
        after = [part.stuck_calls for part in runner.parts[:-1]]
        runner.stop()
        await asyncio.wait_for(task, 5)
        assert answer.status_code == 204
        return stuck, after

    stuck, after = asyncio.run(main())
    assert stuck == [1] * len(many)
    assert after == [0] * len(many)
    assert all(one.polls > 3 for one in many)  # tried again, and refused at once
    assert stats.get("padit_adapter_failures_total", adapter="more-0", cause="stuck") > 1


def test_time_limit_of_a_library_is_not_reported_as_the_polls_own() -> None:
    library = Scripted("library", [TimeoutError("the broker took too long")] * 100)
    own = Scripted("own", [30.0] * 100, timeout_sec=0.05)

    async def main() -> Runner:
        runner = Runner([library, own], Sink(), Stats(), seed=1)
        task = asyncio.create_task(runner.run())
        await asyncio.sleep(0.3)
        runner.stop()
        await asyncio.wait_for(task, 5)
        return runner

    runner = asyncio.run(main())
    assert runner.parts[0].last_error == "the broker took too long"
    assert runner.parts[1].last_error == "no end within 0.05 s"


def test_error_in_a_callback_is_counted_and_the_loop_goes_on() -> None:
    stats = Stats()

    async def main() -> None:
        runner = Runner([], Sink(), stats)
        task = asyncio.create_task(runner.run())
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.05)
        runner.stop()
        await task

    asyncio.run(main())
    assert stats.get("padit_callback_errors_total") == 1


def test_process_with_a_blocked_call_ends_on_sigterm(tmp_path: Path) -> None:
    """A thread that hangs in a library must not keep the process."""
    module = tmp_path / "hanging.py"
    module.write_text(
        "import asyncio, time\n"
        "from padit.adapters.threads import Worker\n"
        "async def main():\n"
        "    call = asyncio.create_task(Worker('x').run(time.sleep, 600))\n"
        "    await asyncio.sleep(0.2)\n"
        "    print('up', flush=True)\n"
        "    call.cancel()\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(module)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    )
    begin = time.monotonic()
    try:
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert time.monotonic() - begin < 30
