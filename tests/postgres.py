"""A real PostgreSQL for tests: its own data directory on loopback, never as root."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from padit.devcluster.ports import LOOPBACK, free_port
from padit.devcluster.processes import Part, Service
from tests.limits import allowed
from tests.parts import required_program

__all__ = ["NOT_ROOT", "Postgres", "start_postgres"]

# PostgreSQL refuses root; in a namespace of its own it is another user with the same files.
NOT_ROOT = ["unshare", "--user", "--map-user=65534"] if os.geteuid() == 0 else []
_SETTINGS = {
    "wal_level": "logical",
    "max_replication_slots": 4,
    "max_wal_senders": 4,
    "max_connections": 40,
    "shared_buffers": "64MB",
    "restart_after_crash": "on",
    "log_min_messages": "warning",
    "wal_keep_size": 0,
    "fsync": "off",  # a killed server loses nothing that the system has
}


@dataclass(frozen=True)
class Postgres(Service):
    """A running server with the superuser `padit` and no password.

    Attributes:
        port: on loopback.
        directory: of its data.
        part: the process.
    """

    port: int
    directory: Path
    part: Part

    def stop(self) -> None:
        """End it without waiting for its clients."""
        if self.part.running:
            os.kill(self.part.pid, signal.SIGINT)
        self.part.stop()

    def processes(self) -> list[psutil.Process]:
        """Its own process and those that serve connections."""
        first = psutil.Process(self.part.pid)
        return [first, *first.children(recursive=True)]

    def kill(self) -> None:
        """End all of it as a crash would. One that is left would keep the next one out."""
        found = self.processes()
        for one in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.part.kill()
        psutil.wait_procs(found, allowed(10))

    def uri(self, database: str = "padit") -> str:
        """As `padit store` takes it."""
        return f"postgresql://{LOOPBACK}:{self.port}/{database}"

    def connect(self, database: str = "padit", **others: Any) -> psycopg.Connection[Any]:
        """A connection in autocommit, unless `others` say otherwise."""
        given: dict[str, Any] = {
            "user": "padit",
            "host": LOOPBACK,
            "port": self.port,
            "dbname": database,
            "autocommit": True,
        } | others
        return psycopg.connect(**given)

    def database(self, name: str) -> str:
        """Make a database; its name."""
        with contextlib.closing(self.connect("postgres")) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return name

    def query(self, text: str, database: str = "padit", *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with contextlib.closing(self.connect(database)) as connection:
            return connection.execute(text.encode(), values or None).fetchall()


def _make(data: Path) -> None:
    """A cluster of its own."""
    maker = required_program("initdb")
    made = subprocess.run(
        [*NOT_ROOT, maker.path, "--pgdata", str(data), "--username=padit", "--auth=trust",
         "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8"],
        env=dict(maker.environment), capture_output=True, text=True, check=False,
        timeout=allowed(60),
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr


def start_postgres(directory: Path, *, made: bool = False, **settings: Any) -> Postgres:
    """Make a cluster and start it; the test is skipped where PostgreSQL cannot be had.

    Args:
        directory: that gets the folder `data`.
        made: whether the cluster is there already: a replica, or one that was restored.
        settings: of the server.
    """
    server = required_program("postgres")
    data, port = directory / "data", free_port()
    directory.mkdir(parents=True, exist_ok=True)
    if not made:
        _make(data)
    given = {**_SETTINGS, "unix_socket_directories": "", **settings}
    options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
    command = [*NOT_ROOT, server.path, "-D", str(data), "-p", str(port), "-h", LOOPBACK, *options]

    def answers() -> bool:
        try:
            psycopg.connect(user="padit", host=LOOPBACK, port=port, dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    part = Part("PostgreSQL", command, log=directory / "postgres.log", answers=answers,
                env=server.environment, timeout_s=allowed(60))  # fmt: skip
    part.start()
    return Postgres(port, data, part)


@contextlib.contextmanager
def postgres(directory: Path, **settings: Any) -> Iterator[Postgres]:
    """Started, and stopped at the end."""
    made = start_postgres(directory, **settings)
    try:
        yield made
    finally:
        made.stop()
