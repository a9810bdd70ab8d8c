"""A broker that wants TLS and a password: run, replay and sinks by `client_config`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from padit.connectors.kafka_source import KafkaSource
from padit.connectors.source import PartitionRange
from padit.devcluster import jars
from padit.devcluster.broker import prepare_broker
from padit.domain.errors import SourceError
from tests.connectors.reading import decoder
from tests.guarded_broker import guarded_broker
from tests.integration.helpers import alerts_of, live, padit, seed_case, wait_for
from tests.limits import allowed
from tests.parts import KafkaPart

START = 1_767_600_000
PASSWORD = "right-4711"  # noqa: S105 - of the test's own broker
_LISTENER = """
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
username="padit" password="{password}" user_padit="{password}";
ssl.keystore.location={store}
ssl.keystore.password=storepass
ssl.key.password=storepass
ssl.truststore.location={store}
ssl.truststore.password=storepass
"""


class Secured(NamedTuple):
    """A broker, the settings that fit it, and a topic with a seed case."""

    bootstrap: str
    directory: Path
    settings: dict[str, str]

    def config(self, name: str, **changed: str) -> Path:
        """A properties file, some settings changed."""
        path = self.directory / f"{name}.properties"
        names = {key.replace("_", "."): value for key, value in changed.items()}
        lines = [f"{key}={value}" for key, value in {**self.settings, **names}.items()]
        path.write_text("\n".join(lines))
        path.chmod(0o600)
        return path

    def uri(self, topic: str, config: Path) -> str:
        return f"kafka://{self.bootstrap}/{topic}?client_config={config}"


def _certificate(directory: Path, name: str) -> Path:
    """A key and self-signed certificate for loopback; as a Java store too. The PEM's path."""
    store, pem = directory / f"{name}.p12", directory / f"{name}.pem"
    keytool = Path(jars.tool("java")).with_name("keytool")
    tool = str(keytool) if keytool.exists() else "keytool"
    common = ["-keystore", str(store), "-storepass", "storepass", "-alias", name]
    made = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=127.0.0.1", "-storetype", "PKCS12"]
    for more in ([*made, "-ext", "san=ip:127.0.0.1"], ["-exportcert", "-rfc", "-file", str(pem)]):
        command = [tool, more[0], *common, *more[1:]]
        subprocess.run(command, check=True, capture_output=True, timeout=allowed(60))
    return pem


@pytest.fixture(scope="module")
def secured(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("secured")
    pem = _certificate(directory, "broker")
    broker = prepare_broker(directory / "kafka")
    store = directory / "broker.p12"
    settings = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "padit",
        "sasl.password": PASSWORD,
        "ssl.ca.location": str(pem),
    }
    with guarded_broker(broker, "SASL_SSL", _LISTENER.format(password=PASSWORD, store=store)):
        _fill({"bootstrap.servers": broker.bootstrap, **settings})
        yield Secured(broker.bootstrap, directory, settings)


def _fill(settings: dict[str, str]) -> None:
    admin = AdminClient(settings)
    admin.create_topics([NewTopic("metrics", 1, 1)])["metrics"].result(60)
    producer = Producer(settings)
    for record in seed_case(START):
        producer.produce("metrics", record.value, timestamp=round(record.time * 1000))
    assert producer.flush(60) == 0


def test_replay_reads_and_writes_through_tls_and_a_password(
    secured: Secured, tmp_path: Path
) -> None:
    config = secured.config("right")
    place = ["--input", secured.uri("metrics", config), "--output", secured.uri("alerts", config)]
    run = padit("replay", *place)
    assert (run.summary["read"], run.summary["alerts"]) == (15, 1)
    assert PASSWORD not in run.err + run.out
    connection = {"bootstrap.servers": secured.bootstrap, **secured.settings, "group.id": "t"}
    consumer = Consumer(connection)
    ends = [
        consumer.get_watermark_offsets(TopicPartition("alerts", number), 20)[1]
        for number in consumer.list_topics("alerts", 20).topics["alerts"].partitions
    ]
    consumer.close()
    assert sum(ends) > 0


def test_a_live_run_reads_through_tls_and_a_password(secured: Secured, tmp_path: Path) -> None:
    alerts, source = tmp_path / "a.jsonl", secured.uri("metrics", secured.config("right"))
    with live(tmp_path, "run", "--input", source, "--output", alerts, "--start_offset=earliest",
              "--idle_timeout_sec=2") as job:  # fmt: skip
        job.until(lambda: alerts_of(alerts))
        assert job.stop().summary["read"] == 15


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize(
    ("name", "words"),
    [("password", r"[Aa]uthentication failed"), ("certificate", r"certificate verify failed")],
)
def test_wrong_security_settings_are_an_error_at_once_without_the_password(
    secured: Secured, tmp_path: Path, side: str, name: str, words: str
) -> None:
    wrong = {"sasl_password": "wrong-0815"}
    if name == "certificate":
        wrong = {"ssl_ca_location": str(_certificate(tmp_path, "other"))}
    bad, good = secured.config(f"{name}-{side}", **wrong), secured.config("right")
    place = [
        "--input", secured.uri("metrics", bad if side == "input" else good),
        "--output", secured.uri("alerts", bad if side == "output" else good),
        "--audit=null",
    ]  # fmt: skip
    run = padit("replay", *place, code=1, timeout=45)
    assert re.search(words, run.err)
    assert "client_config" in run.err
    assert "wrong-0815" not in run.err
    assert PASSWORD not in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize("name", ["password", "certificate"])
def test_a_reader_whose_login_is_refused_says_so_when_it_lasts(
    secured: Secured, tmp_path: Path, name: str
) -> None:
    """A worker that is restored looks nothing up beforehand, so the fetches have to say it."""
    wrong = {"sasl_password": "wrong-0815"}
    if name == "certificate":
        wrong = {"ssl_ca_location": str(_certificate(tmp_path, "other"))}
    config = secured.config(f"refused-{name}", **wrong)
    source = KafkaSource(
        secured.bootstrap, "metrics", live=True, client_config=str(config), patience=3.0
    )
    reader = source.open([PartitionRange(0, 0, None)], decoder)
    try:
        with pytest.raises(SourceError, match="check the settings in client_config") as caught:
            wait_for(lambda: reader.read(0.2), 60)
        assert "wrong-0815" not in str(caught.value)
        assert reader.lag() == {}
    finally:
        reader.close()
