"""`make faults-stores N=300 [SEED=...]`: a store is struck again and again; nothing may be lost.

A real broker, a real PostgreSQL and `padit store` with its relay as a process of its own. Records
come all the time. Half of the faults strike while a transaction is open: a lock keeps it from
writing its positions. In the end the tables and the topic `anomaly-alerts` are compared, row by
row, with what was produced.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.processes import Part, log_tail
from tests.limits import allowed
from tests.parts import required
from tests.postgres import Postgres, start_postgres
from tests.stores.databases import alert_events, sample
from tests.stores.proxy import Proxy

__all__ = ["KINDS", "Site", "Verdict", "main", "site"]

_METRICS = ("rpm", "torque_nm", "vibration")
_STORE = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'padit store%' "


@dataclass
class Verdict:
    """What is wrong in the end; all zero is good."""

    lost: int = 0
    doubled: int = 0
    changed: int = 0
    details: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.changed)

    def compare(self, what: str, wanted: Counter[Any], found: Counter[Any]) -> None:
        """Count what is not there, and what is there too often or is something else."""
        lost, more = wanted - found, found - wanted
        self.lost += lost.total()
        self.doubled += sum(count for one, count in more.items() if one in wanted)
        self.changed += sum(count for one, count in more.items() if one not in wanted)
        if lost or more:
            self.details[what] = f"lost {list(lost)[:3]}, more {list(more)[:3]}"


@dataclass
class Site:
    """The parts, and what was produced."""

    broker: Broker
    server: Postgres
    proxy: Proxy
    store: Part
    disk: Path | None
    samples: int = 0
    events: list[bytes] = field(default_factory=list)
    refused: int = 0

    def produce(self, samples: int, alerts: int) -> None:
        """Write more records of each topic."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "linger.ms": 5,
                             "enable.idempotence": True})  # fmt: skip
        for n in range(self.samples, self.samples + samples):
            name, second = _METRICS[n % 3], n // 3
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

    def wait(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        until = time.monotonic() + allowed(seconds)
        while True:
            with contextlib.suppress(Exception):
                if holds():
                    return
            assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
            time.sleep(0.1)

    def stands(self) -> bool:
        """Whether everything that was produced is in the database."""
        ends = {"metrics": self.samples + self.refused, "alerts": len(self.events)}
        return dict(self.query("SELECT topic, following FROM store_position")) == ends

    @contextlib.contextmanager
    def in_transaction(self) -> Iterator[None]:
        """While the store has written rows, and not yet its positions."""
        connection = self.server.connect("plant")
        try:
            with contextlib.suppress(Exception), connection.transaction():
                connection.execute("LOCK TABLE store_position IN EXCLUSIVE MODE")
                self.produce(300, 5)
                self.wait(
                    lambda: bool(self.query(_STORE + "AND wait_event_type = 'Lock'")),
                    "the store waits for the lock", 20,
                )  # fmt: skip
                yield
        finally:
            connection.close()

    def judge(self) -> Verdict:
        """Compare tables and topic with what was produced."""
        verdict = Verdict()
        wanted: Counter[Any] = Counter()
        for n in range(self.samples):
            wanted[(_METRICS[n % 3], n // 3, float(n))] += 1
        found: Counter[Any] = Counter()
        since = "(extract(epoch FROM {}) - 1767225600)::bigint"
        rows = self.query(
            f"SELECT {since.format('timestamp')}, rpm, torque_nm FROM sensor_log"  # noqa: S608
        )
        for second, rpm, torque in rows:
            for name, value in zip(_METRICS, (rpm, torque), strict=False):
                if value is not None:
                    found[(name, second, value)] += 1
        found.update(self.query(f"SELECT metric_name, {since.format('time')}, value FROM metric"))  # noqa: S608
        verdict.compare("samples", wanted, found)
        ids = Counter(json.loads(event)["id"] for event in self.events)
        history = Counter(one for (one,) in self.query("SELECT transition_id FROM anomaly_history"))
        verdict.compare("anomaly_history", ids, history)
        events = Counter(self.events)
        outbox = self.query("SELECT payload FROM outbox ORDER BY txid, seq")
        verdict.compare("outbox", events, Counter(one.encode() for (one,) in outbox))
        published = self.published()
        verdict.compare("anomaly-alerts", events, Counter(published))
        if verdict.good and published != self.events:
            verdict.changed += 1
            first = next(n for n, one in enumerate(published) if one != self.events[n])
            there = [one.encode() for (one,) in outbox] == self.events
            verdict.details["anomaly-alerts"] = (
                f"out of order from {first} on; the outbox is {'in' if there else 'out of'} order"
            )
        dead = self.query("SELECT count(*) FROM dead_letter")[0][0]
        verdict.compare("dead letters", Counter(n=self.refused), Counter(n=dead))
        return verdict

    def published(self) -> list[bytes]:
        """Committed records of `anomaly-alerts`, in order; waits until there are enough."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "judge",
                             "isolation.level": "read_committed", "log_level": 2})  # fmt: skip
        values: list[bytes] = []
        until = time.monotonic() + allowed(60)
        try:
            consumer.assign([TopicPartition("anomaly-alerts", 0, 0)])
            while time.monotonic() < until:
                some = consumer.consume(1000, 1.0)
                values += [one.value() or b"" for one in some if one.error() is None]
                if not some and len(values) >= len(self.events):
                    break
        finally:
            consumer.close()
        return values


def kill_server(site: Site, chance: random.Random) -> None:
    """SIGKILL to all of PostgreSQL; started again on the same data."""
    del chance
    site.server.kill()
    site.server.part.start()


def end_connections(site: Site, chance: random.Random) -> None:
    """As an administrator does it."""
    del chance
    site.query(_STORE + "AND pg_terminate_backend(pid)")


def cut_connections(site: Site, chance: random.Random) -> None:
    """A reset in the middle of whatever is on its way, after some more bytes."""
    site.proxy.cut(chance.choice((0, 100, 1000, 10_000)))
    site.produce(600, 3)
    time.sleep(0.3)
    site.proxy.cut()


def kill_store(site: Site, chance: random.Random) -> None:
    """SIGKILL to `padit store`; started again."""
    del chance
    site.store.kill()
    site.store.launch()


def pause_server(site: Site, chance: random.Random) -> None:
    """SIGSTOP to PostgreSQL for a while."""
    pids = [one.pid for one in site.server.processes()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(chance.uniform(0.5, 2))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def fill_disk(site: Site, chance: random.Random) -> None:
    """No byte is left where the tables lie; freed again after a while."""
    del chance
    assert site.disk is not None
    filler = site.disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    before = (site.server.directory.parent / "postgres.log").read_text(errors="replace")
    site.produce(6000, 20)
    log = site.server.directory.parent / "postgres.log"
    try:
        site.wait(
            lambda: "No space left" in log.read_text(errors="replace")[len(before) :],
            "the disk is full", 20,
        )  # fmt: skip
    finally:
        filler.unlink()


KINDS: dict[str, Callable[[Site, random.Random], None]] = {
    "PostgreSQL killed": kill_server,
    "connections ended": end_connections,
    "connections cut": cut_connections,
    "padit store killed": kill_store,
    "PostgreSQL paused": pause_server,
    "disk full": fill_disk,
}
_ANYWHERE = ("connections cut", "disk full")  # they need no open transaction to be held for them


def strike(site: Site, kind: str, chance: random.Random) -> None:
    """One fault, at a moment that chance decides."""
    site.produce(chance.randrange(300, 3000, 3), chance.randint(1, 20))
    if kind not in _ANYWHERE and chance.random() < 0.5:
        with site.in_transaction():
            KINDS[kind](site, chance)
    else:
        time.sleep(chance.uniform(0, 0.3))
        KINDS[kind](site, chance)


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
    with contextlib.ExitStack() as stack:
        broker = required(lambda: start_broker(directory / "kafka"))
        stack.callback(broker.stop)
        for topic in ("metrics", "alerts", "anomaly-alerts"):
            broker.create_topic(topic)
        disk = stack.enter_context(_small_disk(directory, disk_mib))
        server = start_postgres(directory / "postgres")
        stack.callback(server.stop)
        server.database("plant")
        if disk is not None:
            (disk / "tables").mkdir(mode=0o700)
            with contextlib.closing(server.connect("plant")) as connection:
                connection.execute(f"CREATE TABLESPACE small LOCATION '{disk / 'tables'}'".encode())
                connection.execute(b"ALTER DATABASE plant SET default_tablespace = small")
        proxy = Proxy(server.port)
        stack.callback(proxy.close)
        command = [
            sys.executable, "-m", "padit.cli.main", "store",
            f"postgresql://127.0.0.1:{proxy.port}/plant?timeout_sec=10"
            f"&relay=kafka://{broker.bootstrap}/anomaly-alerts",
            "--from", f"kafka://{broker.bootstrap}/{{metrics,alerts}}", "--breaker_sec", "0.5",
        ]  # fmt: skip
        store = Part("padit store", command, log=directory / "store.log", answers=lambda: True,
                     env={**os.environ, "PGUSER": "padit"})  # fmt: skip
        stack.callback(store.stop)
        store.launch()
        try:
            yield Site(broker, server, proxy, store, disk)
        except BaseException:
            print(log_tail(store.log, 15), log_tail(server.part.log, 15), sep="\n")
            raise


def play(place: Site, faults: int, seed: int, say: Callable[[str], None]) -> Verdict:
    """Strike so often, wait until all is written, judge."""
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if kind != "disk full" or place.disk is not None]
    place.produce(3000, 10)
    place.wait(place.stands, "the store begins", 60)
    for n in range(faults):
        kind = kinds[n % len(kinds)]
        begin = time.monotonic()
        strike(place, kind, chance)
        if n % 5 == 4:
            place.wait(place.stands, f"the store has recovered from {kind}", 60)
        say(f"{n + 1}/{faults} {kind}: {time.monotonic() - begin:.1f} s")
    place.wait(place.stands, "the store has caught up", 90)
    return place.judge()


def main() -> int:
    """Run; 0: nothing was lost, doubled or changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--output", type=Path, default=Path("build/faults-stores.json"))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all parts are stopped
    directory = Path(tempfile.mkdtemp(prefix="padit-faults-"))
    begin = time.monotonic()
    try:
        with site(directory, 96 + args.faults) as place:
            verdict = play(place, args.faults, args.seed, lambda text: print(text, flush=True))
            made = {"samples": place.samples, "alerts": len(place.events)}
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    report = {"seed": args.seed, "faults": args.faults, **made, "lost": verdict.lost,
              "doubled": verdict.doubled, "changed": verdict.changed, "details": verdict.details,
              "minutes": round((time.monotonic() - begin) / 60, 1)}  # fmt: skip
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
