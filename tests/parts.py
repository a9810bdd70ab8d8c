"""Real parts for tests: `kafka`, `flink`, `prism`, `s3`, `gcs`, `parts_directory`, and `required`.

Each is started once per process, when the first test asks for it, and ended with the session, by
process id. What a machine needs for them is in `tests.supplies`; the first lines of a run name what
cannot be had. A test whose part is missing is skipped; in CI (the variable CI is set) it fails.
Registered by `pytest_plugins` in conftest.py.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.errors import MissingToolError
from padit.devcluster.flink import FlinkCluster, start_flink
from padit.devcluster.prism import prism as build_prism
from tests.debian import Program, program
from tests.gcs import GcsServer, start_gcs
from tests.s3 import S3Server, start_s3
from tests.supplies import NO_DATA

__all__ = [
    "KafkaPart",
    "flink",
    "gcs",
    "kafka",
    "missing",
    "parts_directory",
    "prism",
    "required",
    "required_program",
    "s3",
    "skip_for_data",
]

T = TypeVar("T")


@dataclass(frozen=True)
class KafkaPart:
    """The session's broker.

    Attributes:
        broker: for fault injection (`kill`, `restart`); a test that uses that should start a
            broker of its own.
    """

    broker: Broker

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return self.broker.bootstrap

    def topic(self, name: str = "topic", partitions: int = 1) -> str:
        """Create a topic that no other test has; return its name."""
        return self.broker.create_topic(f"{name}-{uuid.uuid4().hex[:10]}", partitions)

    def uri(self, topic: str) -> str:
        """Return `kafka://host:port/topic`."""
        return f"kafka://{self.bootstrap}/{topic}"


def missing(what: str) -> NoReturn:
    """Skip the test that lacks a part; in CI it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI no test of a part is skipped: {what}")
    pytest.skip(what)


def required(start: Callable[[], T]) -> T:
    """Call `start`; without a tool that it needs the part is missing."""
    try:
        return start()
    except MissingToolError as error:
        missing(str(error))


def required_program(name: str) -> Program:
    """A program of `tests.debian.PACKAGES`."""
    return required(lambda: program(name, _say))


def skip_for_data(what: str) -> NoReturn:
    """Skip a test, in CI too, whose data are not part of the repository."""
    pytest.skip(NO_DATA + what)


def _say(text: str) -> None:
    print(text, flush=True)


@pytest.fixture(scope="session")
def parts_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's parts keep their data and logs."""
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="session")
def kafka(parts_directory: Path) -> Iterator[KafkaPart]:
    """Start a Kafka broker."""
    broker = required(lambda: start_broker(parts_directory / "kafka", say=_say))
    yield KafkaPart(broker)
    broker.stop()


@pytest.fixture(scope="session")
def flink(parts_directory: Path) -> Iterator[FlinkCluster]:
    """Start a Flink cluster: one TaskManager with four slots, EXTERNAL Python workers."""
    cluster = required(lambda: start_flink(parts_directory / "flink", say=_say))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def s3(parts_directory: Path) -> Iterator[S3Server]:
    """Start an S3 server."""
    server = required(lambda: start_s3(parts_directory / "s3", _say))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gcs(parts_directory: Path) -> Iterator[GcsServer]:
    """Start a server that speaks as Google Cloud Storage does."""
    server = required(lambda: start_gcs(parts_directory / "gcs", _say))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def prism() -> Path:
    """Return the path of Prism for `--prism_location`."""
    return required(lambda: build_prism(_say))
