"""The pages of docs/start: the lines a newcomer types are run as they stand, up to the first alert.

What a page cannot have here is replaced: its `padit up` by the broker of the tests, and the
addresses of its devices by those of real counterparts on this machine. A page mostly waits for a
window to end by the clock, so those with a broker are typed at once; each test asks for its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymodbus.server as pymodbus_server
import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.simulator import DataType, SimData, SimDevice

from padit.devcluster.ports import free_port
from tests.integration.helpers import ROOT, Record, produce, read_topic, wait_for
from tests.limits import allowed
from tests.parts import KafkaPart

PAGES = ROOT / "docs" / "start"
BROKER = "127.0.0.1:9092"
MOST_LINES = 10


def lines_of(page: str) -> str:
    """The lines of a page that are typed."""
    text = (PAGES / page).read_text(encoding="utf-8")
    block: str
    (block,) = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return block


class Shell:
    """A shell that runs a page; what it prints is at hand."""

    def __init__(self, directory: Path, script: str) -> None:
        tools = directory / "bin"
        tools.mkdir()
        padit = tools / "padit"
        padit.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m padit.cli.main "$@"\n')
        padit.chmod(0o755)
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        self.output = directory / "output"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                ["bash", "-e", "-c", script],
                cwd=directory,
                env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that were printed."""
        found = [line for line in self.said.splitlines() if line.startswith('{"specversion"')]
        return [json.loads(line) for line in found]

    def until(self, done: Callable[[], object], seconds: float = 120) -> None:
        def done_or_ended() -> object:
            if done():
                return True
            assert self.process.poll() is None, f"the shell has ended: {self.said[-3000:]}"
            return False

        wait_for(done_or_ended, seconds, lambda: self.said[-3000:])

    def end(self) -> None:
        """End the shell and what it started, and nothing else."""
        for number, seconds in ((signal.SIGTERM, 60.0), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
                wait_for(self._gone, seconds)
                return

    def _gone(self) -> bool:
        """Whether no process of the group is left."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


@contextmanager
def typed(page: str, directory: Path, replaced: Mapping[str, str]) -> Iterator[Shell]:
    """Run the lines of a page; each replacement has to be on it."""
    script = lines_of(page)
    for old, new in {"padit up\n": "", **replaced}.items():
        assert old in script, f"{page} has no {old!r}"
        script = script.replace(old, new)
    shell = Shell(directory, script)
    try:
        yield shell
    finally:
        shell.end()


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("[!R]*.md")))
def test_a_page_has_at_most_ten_lines_to_type_and_is_listed(page: str) -> None:
    assert len(lines_of(page).splitlines()) <= MOST_LINES
    assert f"]({page})" in (PAGES / "README.md").read_text(encoding="utf-8")


def test_a_csv_gives_alerts(tmp_path: Path) -> None:
    shell = Shell(tmp_path, lines_of("csv.md"))
    try:
        shell.until(lambda: shell.process.poll() is not None, 180)
    finally:
        shell.end()
    assert shell.process.returncode == 0, shell.said
    assert re.search(r"(WARNING|CRITICAL) .* of machine-0\d", shell.said), shell.said


def topic_of(kafka: KafkaPart) -> dict[str, str]:
    """Replacements of the broker and of the topic of samples, which is new for each page."""
    return {f"kafka://{BROKER}/metrics": kafka.uri(kafka.topic("start"))}


def adapters_to(kafka: KafkaPart, replaced: Mapping[str, str], health: int) -> dict[str, str]:
    """Replacements that send adapters to this topic, and keep their port apart from others'."""
    topic = next(iter(replaced.values())).rpartition("/")[2]
    kafka_section = f"kafka: {{bootstrap: '{kafka.bootstrap}', topic: {topic}, linger_ms: 20}}"
    return {"adapters: [": f"{kafka_section}\nhealth: {{port: {health}}}\nadapters: ["}


def play_logs(kafka: KafkaPart, directory: Path) -> list[dict[str, Any]]:
    """A program logs errors."""
    replaced = topic_of(kafka)
    replaced |= adapters_to(kafka, replaced, free_port())
    log = directory / "app.log"
    log.write_text("")
    with typed("logs.md", directory, replaced) as shell, writing(log) as level:
        shell.until(lambda: "opened" in shell.said or written(log) > 20)
        level["of"] = "ERROR"
        shell.until(shell.alerts)
    return shell.alerts()


def written(log: Path) -> int:
    return len(log.read_text().splitlines())


@contextmanager
def writing(log: Path) -> Iterator[dict[str, str]]:
    """A program that logs five lines a second, of the level that is set."""
    level, stop = {"of": "INFO"}, threading.Event()

    def write() -> None:
        while not stop.wait(0.2):
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            with log.open("a") as file:
                file.write(f"{moment} {level['of']} order 17 was taken\n")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield level
    finally:
        stop.set()
        thread.join()


def play_radio(kafka: KafkaPart, directory: Path) -> list[dict[str, Any]]:
    """A radio unit stops answering."""
    replaced = topic_of(kafka)
    port = free_port()
    replaced |= {"{host: 10.0.0.2}": f"{{host: 127.0.0.1, port: {port}}}"}
    replaced |= adapters_to(kafka, replaced, free_port())
    command = [sys.executable, "-m", "padit.cli.main", "adapters", "respond", "udp-echo"]
    radio = subprocess.Popen([*command, f"--port={port}"], stdout=subprocess.PIPE)
    try:
        assert radio.stdout is not None
        radio.stdout.readline()
        with typed("o-ru.md", directory, replaced) as shell:
            shell.until(lambda: '"metric_name"' in read(kafka, replaced))
            radio.terminate()
            shell.until(shell.alerts)
    finally:
        radio.kill()
        radio.wait()
    return shell.alerts()


def read(kafka: KafkaPart, replaced: Mapping[str, str]) -> str:
    """The samples on the topic of a page."""
    uri = next(one for one in replaced.values() if one.startswith("kafka://"))
    found = read_topic(kafka.bootstrap, uri.rpartition("/")[2])
    return "\n".join(str(one) for one in found)


class Plc:
    """A Modbus server with one temperature in registers 100 and 101."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._serve())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(allowed(10))

    async def _serve(self) -> None:
        data = [SimData(100, values=words(41.5), datatype=DataType.REGISTERS)]
        device = SimDevice(1, simdata=data)
        address = ("127.0.0.1", self._port)
        self._server = pymodbus_server.ModbusTcpServer(device, address=address)
        await self._server.serve_forever(background=True)

    def set(self, value: float) -> None:
        """Change the temperature, as a panel does."""
        with ModbusTcpClient("127.0.0.1", port=self._port) as client:
            assert not client.write_registers(100, words(value), device_id=1).isError()

    def close(self) -> None:
        """Stop the server and its thread."""
        self._call(self._server.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def words(value: float) -> list[int]:
    """A float32 as two registers, the high word first."""
    return list(struct.unpack(">2H", struct.pack(">f", value)))


def play_plc(kafka: KafkaPart, directory: Path) -> list[dict[str, Any]]:
    """A temperature rises."""
    replaced = topic_of(kafka)
    port = free_port()
    replaced |= {"host: 10.0.0.9, port: 502": f"host: 127.0.0.1, port: {port}"}
    replaced |= adapters_to(kafka, replaced, free_port())
    plc = Plc(port)
    try:
        with typed("plc.md", directory, replaced) as shell:
            shell.until(lambda: '"metric_name"' in read(kafka, replaced))
            plc.set(95.0)
            shell.until(shell.alerts)
    finally:
        plc.close()
    return shell.alerts()


def play_telegraf(kafka: KafkaPart, directory: Path) -> list[dict[str, Any]]:
    """A host gets busy."""
    topic = kafka.topic("telegraf")
    replaced = {f"kafka://{BROKER}/telegraf": kafka.uri(topic)}
    stop = threading.Event()
    busy = threading.Event()

    def telegraf() -> None:
        while not stop.wait(1.0):
            fields = {"usage_idle": 3.0 if busy.is_set() else 91.5, "usage_user": 5.0}
            moment = time.time()
            common = {"fields": fields, "name": "cpu", "timestamp": int(moment)}
            records = [{**common, "tags": {"host": host}} for host in ("srv-1", "srv-2")]
            lines = [Record(json.dumps(one).encode(), moment) for one in records]
            produce(kafka.bootstrap, topic, lines)

    thread = threading.Thread(target=telegraf)
    thread.start()
    try:
        time.sleep(3)  # Telegraf runs before somebody looks
        with typed("telegraf.md", directory, replaced) as shell:
            shell.until(lambda: "cpu_usage_idle" in shell.said)
            busy.set()
            shell.until(shell.alerts)
    finally:
        stop.set()
        thread.join()
    return shell.alerts()


Played = Callable[[str], dict[str, Any]]
PLAYS = {"logs": play_logs, "o-ru": play_radio, "plc": play_plc, "telegraf": play_telegraf}


@pytest.fixture(scope="module")
def first_alert(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The data of the first alert that a page gave."""
    with ThreadPoolExecutor(len(PLAYS)) as pool:
        played = {
            page: pool.submit(play, kafka, tmp_path_factory.mktemp(page))
            for page, play in PLAYS.items()
        }

        def of(page: str) -> dict[str, Any]:
            found: dict[str, Any] = played[page].result()[0]["data"]
            return found

        yield of


def test_every_page_with_a_broker_is_played() -> None:
    pages = {path.stem for path in PAGES.glob("[!R]*.md") if "padit up" in lines_of(path.name)}
    assert pages == PLAYS.keys()


def test_logs_with_errors_give_an_alert(first_alert: Played) -> None:
    assert first_alert("logs")["metric_name"] == "log_error_ratio"


def test_a_fronthaul_link_that_loses_requests_gives_an_alert(first_alert: Played) -> None:
    assert first_alert("o-ru")["metric_name"] == "udp_echo_loss_ratio"


def test_a_plc_whose_temperature_rises_gives_an_alert(first_alert: Played) -> None:
    data = first_alert("plc")
    assert (data["source_id"], data["metric_name"]) == ("press-3", "temp_c")


def test_telegraf_records_give_an_alert(first_alert: Played) -> None:
    data = first_alert("telegraf")
    assert data["metric_name"] == "cpu_usage_idle"
    assert "srv-" in data["source_id"]
