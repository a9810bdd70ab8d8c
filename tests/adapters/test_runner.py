"""The runner: schedules, failures, back-off, a clean stop, and the health endpoint."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import yaml

from padit.adapters.base import Adapter, AdapterOptions, Batch, Emitter
from padit.adapters.config import AdaptersConfig
from padit.adapters.encode import Record
from padit.adapters.errors import AdapterError
from padit.adapters.registry import adapter_types, create_adapter, create_all
from padit.adapters.runner import Runner
from padit.devcluster.ports import free_port
from padit.domain.errors import ConfigurationError
from padit.domain.metric import Metric
from padit.ops.stats import Stats
from tests.adapters.live import until
from tests.limits import allowed
from tests.parts import KafkaPart


class Sink:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.batches: list[Batch | Record] = []

    def put(self, batch: Batch | Record) -> None:
        self.batches.append(batch)

    def ready(self) -> bool:
        return True


class Scripted:
    """An adapter whose polls do what a script says: an exception, a number of seconds, or None."""

    Options: ClassVar[type[AdapterOptions]] = AdapterOptions

    def __init__(self, name: str, script: list[Any], **options: Any) -> None:
        settings = {"interval_sec": 0.01, "jitter": 0.0, "max_backoff_sec": 0.02, **options}
        self.options = AdapterOptions(type="scripted", name=name, **settings)
        self.script = script
        self.polls = self.opened = self.closed = 0

    async def open(self, emitter: Emitter) -> None:
        self.opened += 1

    async def poll(self, emitter: Emitter) -> None:
        step = self.script[self.polls] if self.polls < len(self.script) else None
        self.polls += 1
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, float):
            await asyncio.sleep(step)
        emitter.emit([Metric(time.time(), self.options.name, "m", float(self.polls))])

    async def close(self) -> None:
        self.closed += 1


def run(adapters: list[Any], seconds: float = 0.5) -> tuple[Sink, Stats, Runner]:
    sink, stats = Sink(), Stats()

    async def main() -> Runner:
        runner = Runner(adapters, sink, stats, seed=1)
        task = asyncio.create_task(runner.run())
        await asyncio.sleep(seconds)
        runner.stop()
        await asyncio.wait_for(task, allowed(5))
        return runner

    return sink, stats, asyncio.run(main())


def test_scripted_adapter_follows_the_protocol() -> None:
    assert isinstance(Scripted("a", []), Adapter)


@pytest.mark.parametrize(
    "trouble",
    [
        ValueError("a bug"),
        AdapterError("away", cause="connect"),
        SystemExit(3),
        RecursionError(),
        30.0,  # hangs until its time-out
    ],
    ids=repr,
)
def test_failing_adapter_stops_no_other_and_is_opened_again(trouble: Any) -> None:
    bad = Scripted("bad", [trouble] * 3, timeout_sec=0.05)
    good = Scripted("good", [])
    _, stats, _ = run([bad, good], 0.8)
    assert good.polls >= 10
    assert good.opened == 1
    assert bad.opened == 4
    assert bad.closed == 4
    assert stats.total("padit_adapter_failures_total") == 3
    assert stats.get("padit_adapter_up", adapter="bad") == 1  # it works again by now


def test_failures_back_off() -> None:
    bad = Scripted("bad", [ValueError()] * 1000, max_backoff_sec=60.0)
    run([bad], 0.6)
    assert 2 <= bad.polls <= 8  # 10 ms, 20, 40 ...: not sixty


def test_cause_is_logged_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    run([Scripted("bad", [AdapterError("no way to x", cause="connect")] * 4)])
    texts = [record.getMessage() for record in caplog.records]
    assert sum("no way to x" in text for text in texts) == 1
    assert sum("works again" in text for text in texts) == 1


def test_slow_poll_is_an_overrun_not_a_burst() -> None:
    slow = Scripted("slow", [0.2])
    _, stats, _ = run([slow], 0.5)
    assert stats.get("padit_adapter_overruns_total", adapter="slow") >= 10
    assert slow.polls <= 35


def test_step_of_the_wall_clock_moves_no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    begin = time.monotonic()
    monkeypatch.setattr(
        time, "time", lambda: real() + (3600 if time.monotonic() - begin > 0.2 else 0)
    )
    one = Scripted("a", [])
    run([one], 0.5)
    assert 20 <= one.polls <= 51


class Deaf(Scripted):
    """An adapter whose library loses the first cancellation, as `asyncio.wait_for` can."""

    def __init__(self, name: str, after: float, **options: Any) -> None:
        super().__init__(name, [], **options)
        self.after = after
        self.lost = 0

    async def poll(self, emitter: Emitter) -> None:
        self.polls += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.lost += 1
            if self.lost > 1:
                raise
            await asyncio.sleep(self.after)

    async def close(self) -> None:
        await asyncio.sleep(0.6)
        self.closed += 1


@pytest.mark.parametrize("after", [0.0, 60.0], ids=["the poll ends", "the poll goes on"])
def test_stop_ends_an_adapter_that_loses_a_cancellation(
    after: float, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = Deaf("deaf", after)
    begin = time.monotonic()
    run([deaf, Scripted("good", [])], 0.2)
    assert time.monotonic() - begin < 8
    assert (deaf.polls, deaf.closed) == (1, 1)
    assert "left behind" not in caplog.text


def test_options_metadata_is_added() -> None:
    sink, _, _ = run([Scripted("a", [], metadata={"site": "north"})], 0.1)
    batch: Any = sink.batches[0]
    assert batch[0].metadata == {"site": "north"}


def test_unknown_key_names_the_allowed_ones() -> None:
    hint = "unknown key intervall_sec; perhaps interval_sec is meant; allowed are: type"
    with pytest.raises(ConfigurationError, match=hint):
        create_adapter({"type": "host", "intervall_sec": 1})


def test_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'htp'; there are: .*http.*oran-cfm"):
        create_adapter({"type": "htp"})


def test_two_adapters_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="give each adapter its own"):
        create_all([{"type": "host"}, {"type": "host"}])


@pytest.mark.parametrize("kind", sorted(adapter_types()))
def test_every_type_can_be_loaded_and_says_what_it_is(kind: str) -> None:
    from padit.adapters.reference import reference
    from padit.adapters.registry import adapter_class

    found = adapter_class(kind)
    assert found.__doc__
    assert issubclass(found.Options, AdapterOptions)
    for name, field in found.Options.model_fields.items():
        assert field.description, name
    assert f"### `{kind}`" in reference(kind)


def test_receiver_on_an_open_address_needs_a_token() -> None:
    with pytest.raises(ConfigurationError, match="tokens"):
        create_adapter({"type": "influx", "host": "0.0.0.0"})  # noqa: S104
    create_adapter({"type": "influx", "host": "0.0.0.0", "tokens": ["t"]})  # noqa: S104


def test_configuration_needs_adapters() -> None:
    with pytest.raises(ValueError, match="adapters"):
        AdaptersConfig.model_validate({"adapters": []})


def test_process_serves_health_and_flushes_on_sigterm(kafka: KafkaPart, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "adapters.yaml"
    content = {
        "kafka": {"bootstrap": kafka.bootstrap, "topic": kafka.topic("metrics")},
        "buffer": {"directory": str(tmp_path / "buffer")},
        "health": {"port": port},
        "adapters": [
            {"type": "factory", "machines": 3, "step_sec": 0.1, "interval_sec": 0.1},
            {"type": "http", "urls": ["http://127.0.0.1:9/"], "interval_sec": 0.2},
            {"type": "mqtt", "port": 9, "subscriptions": [{"topic": "#"}]},
        ],
    }
    config.write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "padit.cli.main", "adapters", "--config", str(config)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{port}"

        def sent() -> bool:
            try:
                text = httpx.get(f"{url}/metrics").text
            except httpx.HTTPError:
                return False
            return "padit_publisher_sent_total" in text and 'adapter="http"' in text

        until(sent, "samples", 60)
        until(lambda: httpx.get(f"{url}/health").json()["status"] == "degraded", "a failure")
        health = httpx.get(f"{url}/health").json()
        assert httpx.get(f"{url}/ready").status_code == 200
    finally:
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=allowed(40))
    assert health["status"] == "degraded"
    assert health["adapters"]["mqtt"]["state"] == "failing"
    assert health["adapters"]["factory"]["state"] == "up"
    summary = json.loads(out)
    assert summary["emitted"] == summary["sent"] > 0
    assert summary["dropped"] == summary["left_on_disk"] == 0
