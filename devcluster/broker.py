"""A real Kafka broker as one local process (KRaft), for development and tests.

State lives in `directory`: the configuration, the data and the log. Starting again on the same
directory finds the same topics. A crash (`kill`) loses nothing that was acknowledged.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from padit.devcluster import jars
from padit.devcluster.errors import PartFailedError
from padit.devcluster.ports import LOOPBACK, free_port, port_answers
from padit.devcluster.processes import Part, Service

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

__all__ = ["Broker", "broker_answers", "create_topic", "prepare_broker", "start_broker"]

# One fixed id: every data directory belongs to "the local cluster".
_CLUSTER_ID = "cGFkaXQtbG9jYWwtMDAwMQ"
_HEAP = ["-Xms256m", "-Xmx768m"]
# Tools live for a second: the quick compiler is enough.
_BRIEF = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]


@dataclass(frozen=True)
class Broker(Service):
    """A broker.

    Attributes:
        bootstrap: `host:port` for clients.
        directory: its configuration, data and log.
        part: the process; `part.pid`, `part.kill()` and `part.restart()` serve fault injection.
    """

    bootstrap: str
    directory: Path
    part: Part

    def create_topic(self, name: str, partitions: int = 1) -> str:
        """Create a topic and return its name; it is ready when this returns."""
        create_topic(self.bootstrap, name, partitions)
        return name


def prepare_broker(
    directory: Path, *, port: int = 0, say: Callable[[str], None] | None = None
) -> Broker:
    """Write the configuration and format the storage; the process is not started.

    Args:
        directory: for all files; existing data is used.
        port: for clients; 0 takes a free one.
        say: called with a text before slow steps.

    Raises MissingToolError without Java or Maven, LocalError otherwise.
    """
    java, kafka = jars.tool("java"), jars.kafka(say)
    directory.mkdir(parents=True, exist_ok=True)
    port, controller_port = free_port(port), free_port()
    config = directory / "server.properties"
    template = Template((jars.conf_dir() / "server.properties").read_text())
    data = directory / "data"
    values = {"host": LOOPBACK, "port": port, "controller_port": controller_port, "data_dir": data}
    config.write_text(template.substitute(values))
    base = ["-Djava.net.preferIPv4Stack=true", "-cp", kafka.class_path]
    log4j = f"-Dlog4j2.configurationFile={_log_config(directory)}"
    _format(data, [java, *_BRIEF, log4j, *base], config)
    part = Part(
        "Kafka broker",
        [java, *_HEAP, log4j, *base, "kafka.Kafka", str(config)],
        log=directory / "kafka.log",
        answers=lambda: broker_answers(f"{LOOPBACK}:{port}"),
    )
    return Broker(f"{LOOPBACK}:{port}", directory, part)


def start_broker(
    directory: Path, *, port: int = 0, say: Callable[[str], None] | None = None
) -> Broker:
    """Prepare a broker, start it and wait until it answers; see `prepare_broker`."""
    broker = prepare_broker(directory, port=port, say=say)
    broker.part.start()
    return broker


def _log_config(directory: Path) -> Path:
    target = directory / "log4j2.properties"
    shutil.copyfile(jars.conf_dir() / "log4j.properties", target)
    return target


def _format(data: Path, java: list[str], config: Path) -> None:
    if (data / "meta.properties").exists():
        return
    command = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        message = f"the broker's storage cannot be formatted: {done.stdout}{done.stderr}"
        raise PartFailedError(message)


def broker_answers(bootstrap: str) -> bool:
    """Whether the broker lists the brokers of its cluster; takes at most about 2 s."""
    host, _, port = bootstrap.rpartition(":")
    if not port_answers(int(port), host):
        return False
    from confluent_kafka import KafkaException

    try:
        return bool(_admin(bootstrap).list_topics(timeout=2.0).brokers)
    except KafkaException:
        return False


def _admin(bootstrap: str) -> AdminClient:
    from confluent_kafka.admin import AdminClient

    # Level 2: failures are reported by exceptions, not by lines on standard error.
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def create_topic(bootstrap: str, name: str, partitions: int = 1) -> None:
    """Create a topic with one copy. Raises confluent_kafka.KafkaException if that fails."""
    from confluent_kafka.admin import NewTopic

    wanted = NewTopic(name, num_partitions=partitions, replication_factor=1)
    admin = _admin(bootstrap)  # kept until the answer arrives
    admin.create_topics([wanted])[name].result(timeout=30)
