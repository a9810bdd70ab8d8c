"""Everything that `make faults-stores` strikes: parts as processes, and what was produced."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from confluent_kafka import Producer

from padit.connectors.archive_manifest import latest
from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.ports import LOOPBACK
from padit.devcluster.processes import Part, log_tail
from padit.stores.archive_service import open_place
from tests.limits import allowed
from tests.parts import required
from tests.postgres import Postgres, start_postgres
from tests.s3 import start_s3, troubled
from tests.stores.databases import alert_events, sample
from tests.stores.servers import redis_server
from tests.toxiproxy import Toxiproxy, Way, start_toxiproxy

__all__ = ["METRICS", "STORE", "Site", "site"]

METRICS = ("rpm", "torque_nm", "vibration")
STORE = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'padit store%' "
_TOPICS = ("metrics", "alerts", "anomaly-alerts")


@dataclass
class Busy:
    """How many requests S3 refuses, or drops in their middle; from 0 to 1."""

    part: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __call__(self, line: bytes) -> str:
        """What becomes of a request; see `tests.s3.troubled`."""
        kind = ""
        if self.chance.random() < self.part:
            kind = self.chance.choice(("slow", "slow", "cut"))
            self.happened[kind] += 1
        return kind


@dataclass
class Site:
    """The parts, and what was produced."""

    broker: Broker
    server: Postgres
    way: Way
    store: Part
    disk: Path | None
    redis: Part
    redis_port: int
    redis_way: Way
    redis_store: Part
    busy: Busy
    archive: Part
    archive_uri: str
    samples: int = 0
    events: list[bytes] = field(default_factory=list)
    refused: int = 0

    def produce(self, samples: int, alerts: int) -> None:
        """Write more records of each topic."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "linger.ms": 5,
                             "enable.idempotence": True})  # fmt: skip
        for n in range(self.samples, self.samples + samples):
            name, second = METRICS[n % 3], n // 3
            producer.produce("metrics", sample(name, second, n))
            if n % 1000 == 0:
                producer.poll(0)
        self.samples += samples
        producer.produce("metrics", b"no JSON")
        self.refused += 1
        more = alert_events(alerts, first=len(self.events))
        for event in more:
            producer.produce("alerts", event)
        self.events += more
        assert producer.flush(allowed(30)) == 0

    def query(self, text: str) -> list[tuple[Any, ...]]:
        return self.server.query(text, "plant")

    def configure(self, setting: str) -> None:
        """Change a setting of PostgreSQL while it runs, also one that lets nobody write."""
        with contextlib.closing(self.server.connect("postgres")) as connection:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute(b"SELECT pg_reload_conf()")

    def supervise(self) -> None:
        """Start again what ended: who begins while the store takes nothing says so, and ends."""
        for one in (self.store, self.redis_store, self.archive):
            if not one.running:
                one.launch()

    def wait(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        until = time.monotonic() + allowed(seconds)
        while True:
            self.supervise()
            with contextlib.suppress(Exception):
                if holds():
                    return
            assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
            time.sleep(0.1)

    def stands(self) -> bool:
        """Whether everything that was produced is in the database."""
        ends = {"metrics": self.samples + self.refused, "alerts": len(self.events)}
        return dict(self.query("SELECT topic, following FROM store_position")) == ends

    def stream(self) -> list[bytes]:
        """The events in Redis, in order."""
        with contextlib.closing(redis.Redis(LOOPBACK, self.redis_port)) as client:
            found: list[Any] = client.xrange("alerts")  # type: ignore[assignment]
        return [fields[b"event"] for _, fields in found]

    def torque(self) -> float | None:
        """The latest in Redis."""
        with contextlib.closing(redis.Redis(LOOPBACK, self.redis_port)) as client:
            value = client.get("machine:press-1:last_torque")
        return float(value) if value is not None else None

    @property
    def last_torque(self) -> float:
        """The latest that was produced."""
        return float(max(n for n in range(self.samples - 3, self.samples) if n % 3 == 1))

    def all_stand(self) -> bool:
        """Whether every store has everything."""
        manifest = latest(open_place(self.archive_uri))
        return (
            self.stands()
            and len(self.stream()) >= len(self.events)
            and self.torque() == self.last_torque
            and manifest is not None
            and manifest.following(0) == self.samples + self.refused
        )

    @contextlib.contextmanager
    def in_transaction(self) -> Iterator[None]:
        """While the store has written rows, and not yet its positions."""
        connection = self.server.connect("plant")
        try:
            with contextlib.suppress(Exception):  # a machine may be too busy for that moment
                connection.execute("BEGIN")
                connection.execute("LOCK TABLE store_position IN EXCLUSIVE MODE")
                self.produce(300, 5)
                self.wait(
                    lambda: bool(self.query(STORE + "AND wait_event_type = 'Lock'")),
                    "the store waits for the lock", 20,
                )  # fmt: skip
            yield
            with contextlib.suppress(Exception):  # the connection may be gone
                connection.execute("COMMIT")
        finally:
            connection.close()


@contextlib.contextmanager
def _small_disk(directory: Path, size: int) -> Iterator[Path | None]:
    """A file system of so many MiB, where one can be mounted."""
    place = directory / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@contextlib.contextmanager
def site(directory: Path, disk_mib: int = 96) -> Iterator[Site]:
    """Start everything; end it by process id. After a failure the ends of the logs are printed."""
    with ExitStack() as stack:
        broker = required(lambda: start_broker(directory / "kafka"))
        stack.callback(broker.stop)
        for topic in _TOPICS:
            broker.create_topic(topic)
        proxy = required(lambda: start_toxiproxy(directory))
        stack.callback(proxy.stop)
        parts = _database(stack, directory, disk_mib, broker, proxy)
        parts |= _redis(stack, directory, broker, proxy)
        parts |= _archive(stack, parts["disk"] or directory, directory, broker)
        made = Site(broker, **parts)
        for one in (made.store, made.redis_store, made.archive):
            stack.callback(one.stop)
            one.launch()
        try:
            yield made
        except BaseException:
            for one in (made.store, made.redis_store, made.archive, made.server.part):
                print(log_tail(one.log, 15))
            raise


def _padit(name: str, directory: Path, *arguments: str) -> Part:
    """A command of ours as a process; not started yet."""
    command = [sys.executable, "-m", "padit.cli.main", *arguments]
    return Part(name, command, log=directory / f"{name}.log", answers=lambda: True,
                env={**os.environ, "PGUSER": "padit"})  # fmt: skip


def _database(
    stack: ExitStack, directory: Path, disk_mib: int, broker: Broker, proxy: Toxiproxy
) -> dict[str, Any]:
    disk = stack.enter_context(_small_disk(directory, disk_mib))
    server = start_postgres(directory / "postgres")
    stack.callback(server.stop)
    server.database("plant")
    if disk is not None:
        (disk / "tables").mkdir(mode=0o700)
        with contextlib.closing(server.connect("plant")) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{disk / 'tables'}'".encode())
            connection.execute(b"ALTER DATABASE plant SET default_tablespace = small")
    way = proxy.way("database", server.port)
    store = _padit(
        "store", directory, "store",
        f"postgresql://127.0.0.1:{way.port}/plant?timeout_sec=10"
        f"&relay=kafka://{broker.bootstrap}/anomaly-alerts",
        "--from", f"kafka://{broker.bootstrap}/{{metrics,alerts}}", "--breaker_sec", "0.5",
    )  # fmt: skip
    return {"server": server, "way": way, "store": store, "disk": disk}


def _redis(stack: ExitStack, directory: Path, broker: Broker, proxy: Toxiproxy) -> dict[str, Any]:
    port, part = redis_server(directory / "redis")
    stack.callback(part.stop)
    way = proxy.way("redis", port)
    store = _padit(
        "redis-store", directory, "store", f"redis://127.0.0.1:{way.port}/0",
        "--from", f"kafka://{broker.bootstrap}/{{metrics,alerts}}", "--breaker_sec", "0.5",
        "--dead_letters", "null",
    )  # fmt: skip
    return {"redis": part, "redis_port": port, "redis_way": way, "redis_store": store}


def _archive(stack: ExitStack, disk: Path, directory: Path, broker: Broker) -> dict[str, Any]:
    """Its buckets lie on the small disk, too."""
    server = required(lambda: start_s3(disk / "s3"))
    stack.callback(server.stop)
    server.bucket("plant")
    busy = Busy()
    port = stack.enter_context(troubled(server.port, busy))
    archive = _padit(
        "archive", directory, "archive",
        server.uri("plant/metrics", port) + "&attempts=2&request_timeout_sec=5",
        "--from", f"kafka://{broker.bootstrap}/metrics", "--live", "--commit_sec", "1",
    )  # fmt: skip
    return {"busy": busy, "archive": archive, "archive_uri": server.uri("plant/metrics")}
