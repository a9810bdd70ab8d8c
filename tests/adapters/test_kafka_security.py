"""The publisher over TLS, with a password, to a real Kafka that refuses other clients."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from padit.adapters.config import BufferOptions, KafkaOptions
from padit.adapters.kafka_client import AwayError, KafkaClient
from padit.adapters.publisher import Publisher
from padit.devcluster.broker import Broker, prepare_broker
from padit.devcluster.ports import free_port
from padit.domain.metric import Metric
from padit.ops.stats import Stats
from tests.adapters.live import until
from tests.adapters.test_http_probe import certificate
from tests.parts import required

# Settings of a key that comes twice in the file: the last one counts.
LISTENER = """
listeners=PLAINTEXT://{plain},CONTROLLER://127.0.0.1:{controller},SECURE://localhost:{port}
advertised.listeners=PLAINTEXT://{plain},SECURE://localhost:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={store}
sasl.enabled.mechanisms=PLAIN
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_probe="s3cret";
"""


class Guarded(NamedTuple):
    """A broker, its guarded listener, and the certificate to trust."""

    broker: Broker
    bootstrap: str
    certificate: Path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    cert, key = certificate(directory, 30)
    (directory / "store.pem").write_text(key.read_text() + cert.read_text())
    broker = required(lambda: prepare_broker(directory / "kafka"))
    config, port = directory / "kafka" / "server.properties", free_port()
    voter = next(one for one in config.read_text().splitlines() if "quorum.voters" in one)
    listener = LISTENER.format(
        plain=broker.bootstrap,
        controller=voter.rpartition(":")[2],
        port=port,
        store=directory / "store.pem",
    )
    with config.open("a") as file:
        file.write(listener)
    broker.part.start()
    yield Guarded(broker, f"localhost:{port}", cert)
    broker.stop()


def security(guarded: Guarded, **more: Any) -> dict[str, Any]:
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "probe",
        "sasl.password": "s3cret",
        "ssl.ca.location": str(guarded.certificate),
        **more,
    }


def publish(
    guarded: Guarded, directory: Path, settings: dict[str, Any], **more: Any
) -> tuple[Publisher, Stats]:
    topic = guarded.broker.create_topic(f"metrics-{directory.name}")
    stats = Stats()
    kafka = KafkaOptions(bootstrap=guarded.bootstrap, topic=topic, security=settings, **more)
    publisher = Publisher(kafka, BufferOptions(directory=str(directory)), stats)
    publisher.start()
    publisher.put([Metric(1_767_323_045.0 + i, "a", "m", float(i)) for i in range(100)])
    return publisher, stats


def test_samples_arrive_over_tls_with_the_password(guarded: Guarded, tmp_path: Path) -> None:
    publisher, stats = publish(guarded, tmp_path, security(guarded))
    until(lambda: stats.total("padit_publisher_sent_total") == 100, "the samples", 40)
    assert publisher.stop(10) == 0


@pytest.mark.parametrize("way", ["password_file", "password_env"])
def test_password_comes_from_a_file_or_the_environment(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "word").write_text("s3cret\n")
    monkeypatch.setenv("KAFKA_WORD", "s3cret")
    place = {"password_file": str(tmp_path / "word"), "password_env": "KAFKA_WORD"}[way]
    settings = security(guarded)
    del settings["sasl.password"]
    publisher, stats = publish(guarded, tmp_path, settings, **{way: place})
    until(lambda: stats.total("padit_publisher_sent_total") == 100, "the samples", 40)
    assert publisher.stop(10) == 0


def test_a_password_that_cannot_be_read_or_stands_twice_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        KafkaOptions(security={"sasl.password": "x"}, password_file="/nowhere")  # noqa: S106
    with socket.create_server(("127.0.0.1", 0)) as server:
        bootstrap = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(AwayError, match="/nowhere cannot be read"):
            KafkaClient(KafkaOptions(bootstrap=bootstrap, password_file="/nowhere"))  # noqa: S106


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sasl.password": "wrong"}, "uthentication"),
        ({"ssl.ca.location": "/nowhere.pem"}, "ssl.ca.location"),
        ({"sasl.mechanism": "ROT13"}, "ROT13"),
    ],
)
def test_a_refused_publisher_keeps_the_samples_and_logs_the_reason(
    guarded: Guarded,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    reason: str,
) -> None:
    caplog.set_level(logging.WARNING, "padit.adapters.publisher")
    publisher, stats = publish(guarded, tmp_path, security(guarded, **change))

    def said() -> bool:
        texts = [one.getMessage() for one in caplog.records if one.name.endswith("publisher")]
        return any(reason in text for text in texts)

    until(said, f"{reason} in the log", 40)
    assert publisher.stop(1) == 100
    assert stats.total("padit_publisher_sent_total") == 0
