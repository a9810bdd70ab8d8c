"""Real parts for tests: `kafka`, `flink`, `prism`, `parts_directory`.

Each is started once per test session, when the first test asks for it, and ended with the session,
by process id. Where Java, Maven or Go is missing, the test is skipped and the summary says why;
in CI (the variable CI is set) it fails instead. Registered by `pytest_plugins` in conftest.py.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.errors import MissingToolError
from padit.devcluster.flink import FlinkCluster, start_flink
from padit.devcluster.prism import prism as build_prism

__all__ = ["KafkaPart", "flink", "kafka", "parts_directory", "prism"]


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


def _or_skip(start: Callable[[], T]) -> T:
    """Call `start`; without a tool it needs, skip the test, or fail it in CI."""
    try:
        return start()
    except MissingToolError as error:
        if os.environ.get("CI"):
            pytest.fail(f"in CI nothing is skipped: {error}")
        pytest.skip(str(error))


def _say(text: str) -> None:
    print(text, flush=True)


@pytest.fixture(scope="session")
def parts_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's parts keep their data and logs."""
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="session")
def kafka(parts_directory: Path) -> Iterator[KafkaPart]:
    """Start a Kafka broker."""
    broker = _or_skip(lambda: start_broker(parts_directory / "kafka", say=_say))
    yield KafkaPart(broker)
    broker.stop()


@pytest.fixture(scope="session")
def flink(parts_directory: Path) -> Iterator[FlinkCluster]:
    """Start a Flink cluster: one TaskManager with four slots, EXTERNAL Python workers."""
    cluster = _or_skip(lambda: start_flink(parts_directory / "flink", say=_say))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def prism() -> Path:
    """Return the path of Prism for `--prism_location`."""
    return _or_skip(lambda: build_prism(_say))
