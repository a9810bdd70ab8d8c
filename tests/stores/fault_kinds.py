"""The kinds of faults of `make faults-stores`."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

import redis

from padit.devcluster.ports import LOOPBACK, free_port
from tests.stores.fault_site import STORE, Site

__all__ = ["KINDS", "strike"]

Kind = Callable[[Site, random.Random], None]


def kill_server(site: Site, chance: random.Random) -> None:
    """SIGKILL to all of PostgreSQL; started again on the same data."""
    del chance
    site.server.kill()
    site.server.part.start()


def end_connections(site: Site, chance: random.Random) -> None:
    """As an administrator does it."""
    del chance
    site.query(STORE + "AND pg_terminate_backend(pid)")


def cut_connections(site: Site, chance: random.Random) -> None:
    """Connections to PostgreSQL and Redis end in the middle of whatever is on its way."""
    for way in (site.way, site.redis_way):
        way.cut_after(
            chance.choice((1, 100, 1000, 10_000)), chance.choice(("upstream", "downstream"))
        )
    site.produce(600, 3)
    time.sleep(0.3)
    site.way.calm()
    site.way.cut()
    site.redis_way.cut()


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


def make_read_only(site: Site, chance: random.Random) -> None:
    """PostgreSQL takes nothing for a while, as during a failover; connections stay."""
    site.configure("default_transaction_read_only = on")
    try:
        site.produce(600, 3)
        time.sleep(chance.uniform(0.5, 2))
    finally:
        site.configure("default_transaction_read_only = off")


def make_replica(site: Site, chance: random.Random) -> None:
    """Redis is a replica for a while, of a server that is not there."""
    with contextlib.closing(redis.Redis(LOOPBACK, site.redis_port)) as client:
        client.replicaof(LOOPBACK, str(free_port()))
        site.produce(600, 3)
        time.sleep(chance.uniform(0.5, 2))
        client.replicaof("no", "one")


def fill_disk(site: Site, chance: random.Random) -> None:
    """No byte is left where the tables and the buckets lie; freed again after a while."""
    del chance
    assert site.disk is not None
    filler = site.disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    log = site.server.directory.parent / "postgres.log"
    before = log.read_text(errors="replace")
    site.produce(6000, 20)
    try:
        site.wait(
            lambda: "No space left" in log.read_text(errors="replace")[len(before) :],
            "the disk is full", 20,
        )  # fmt: skip
    finally:
        filler.unlink()


def forget_redis(site: Site, chance: random.Random) -> None:
    """SIGKILL to Redis, which keeps nothing on the disk; started again, empty."""
    del chance
    site.redis.kill()
    site.redis.start()


def kill_redis_store(site: Site, chance: random.Random) -> None:
    """SIGKILL to the `padit store` of Redis; started again."""
    del chance
    site.redis_store.kill()
    site.redis_store.launch()


def busy_s3(site: Site, chance: random.Random) -> None:
    """S3 answers 503 SlowDown to most requests, or drops them in their middle."""
    site.busy.part = chance.uniform(0.5, 0.95)
    site.produce(600, 3)
    time.sleep(chance.uniform(1, 3))
    site.busy.part = 0.0


def kill_archive(site: Site, chance: random.Random) -> None:
    """SIGKILL to `padit archive`; started again."""
    del chance
    site.archive.kill()
    site.archive.launch()


KINDS: dict[str, Kind] = {
    "PostgreSQL killed": kill_server,
    "connections ended": end_connections,
    "connections cut": cut_connections,
    "padit store killed": kill_store,
    "Redis without its memory": forget_redis,
    "PostgreSQL paused": pause_server,
    "S3 busy": busy_s3,
    "disk full": fill_disk,
    "padit store of Redis killed": kill_redis_store,
    "padit archive killed": kill_archive,
    "PostgreSQL read-only": make_read_only,
    "Redis a replica": make_replica,
}
# Those of PostgreSQL, which may strike while a transaction is held open for them.
_IN_TRANSACTION = (
    "PostgreSQL killed", "connections ended", "padit store killed", "PostgreSQL paused"
)  # fmt: skip


def strike(site: Site, kind: str, chance: random.Random) -> None:
    """One fault, at a moment that chance decides."""
    site.produce(chance.randrange(300, 3000, 3), chance.randint(1, 20))
    if kind in _IN_TRANSACTION and chance.random() < 0.5:
        with site.in_transaction():
            KINDS[kind](site, chance)
    else:
        time.sleep(chance.uniform(0, 0.3))
        KINDS[kind](site, chance)
