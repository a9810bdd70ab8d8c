"""A broker that wants a client certificate and SCRAM: all services get in by one file."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from padit.connectors.uris import parse_address
from padit.devcluster.broker import prepare_broker
from padit.portal.team.topics import CommandTopic, TransitionTopic
from tests.alerting.receiving import receiving
from tests.guarded_broker import guarded_broker
from tests.integration.helpers import live, padit, seed_case
from tests.limits import allowed
from tests.parts import required
from tests.postgres import postgres

START = 1_767_600_000
_WORD = "scram-4711"
TOPICS = ("metrics", "alerts", "alerts-audit", "alert-commands", "features")
_LISTENER = """
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
username="admin" password="admin" user_admin="admin";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={place}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={place}/ca.crt
"""


class Mutual(NamedTuple):
    """The broker, and files of its clients."""

    bootstrap: str
    place: Path

    def config(self, name: str, **changed: str | None) -> Path:
        """The file that every part takes; None leaves a setting out."""
        settings: dict[str, str | None] = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "padit",
            "sasl.password": _WORD,
            "ssl.ca.location": f"{self.place}/ca.crt",
            "ssl.certificate.location": f"{self.place}/client.crt",
            "ssl.key.location": f"{self.place}/client.key",
        }
        settings.update((key.replace("_", "."), value) for key, value in changed.items())
        file = self.place / f"{name}.properties"
        file.write_text("".join(f"{k}={v}\n" for k, v in settings.items() if v is not None))
        file.chmod(0o600)
        return file

    def uri(self, topic: str) -> str:
        return f"kafka://{self.bootstrap}/{topic}?client_config={self.config('client')}"

    def settings(self) -> dict[str, str]:
        lines = self.config("client").read_text().splitlines()
        return {"bootstrap.servers": self.bootstrap} | dict(one.split("=", 1) for one in lines)


def _openssl(place: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)


def _certificates(place: Path) -> None:
    """An authority, and a certificate of the server and of a client."""
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-subj")
    _openssl(place, *new, "/CN=test", "-x509", "-keyout", "ca.key", "-out", "ca.crt")
    (place / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        _openssl(place, *new, f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        _openssl(place, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                 "-CAcreateserial", "-extfile", "san", "-out", f"{name}.crt")  # fmt: skip
    text = (place / "server.key").read_text() + (place / "server.crt").read_text()
    (place / "server.pem").write_text(text + (place / "ca.crt").read_text())


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mutual]:
    place = tmp_path_factory.mktemp("mutual")
    _certificates(place)
    broker = required(lambda: prepare_broker(place / "kafka"))
    with guarded_broker(broker, "SASL_SSL", _LISTENER.format(place=place)):
        found = Mutual(broker.bootstrap, place)
        admin = AdminClient(
            found.settings() | {"sasl.mechanism": "PLAIN", "sasl.username": "admin",
                                "sasl.password": "admin"}
        )  # fmt: skip
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion("padit", scram, _WORD.encode())
        futures = admin.create_topics([NewTopic(one, 1, 1) for one in TOPICS])
        futures = futures | admin.alter_user_scram_credentials([user])
        for future in futures.values():
            future.result(allowed(60))
        _fill(found)
        yield found


def _fill(mutual: Mutual) -> None:
    producer = Producer(mutual.settings())
    for record in seed_case(START):
        producer.produce("metrics", record.value, timestamp=round(record.time * 1000))
    assert producer.flush(allowed(60)) == 0
    places = [f"--{option}={mutual.uri(topic)}" for option, topic in (
        ("input", "metrics"), ("output", "alerts"), ("features", "features"),
        ("audit", "alerts-audit"),
    )]  # fmt: skip
    assert padit("replay", *places).summary["alerts"] == 1


def _count(mutual: Mutual, topic: str) -> int:
    consumer = Consumer({**mutual.settings(), "group.id": "count"})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(topic, 0), allowed(10))[1])
    finally:
        consumer.close()


def test_stores_and_the_archive_read_by_certificate_and_scram(
    mutual: Mutual, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGUSER", "padit")
    padit("archive", str(tmp_path / "archive"), "--from", mutual.uri("metrics"))
    asked = padit("archive", str(tmp_path / "archive"), "--ask", "SELECT count(*) FROM archive")
    assert "15" in asked.out
    with postgres(tmp_path / "postgres") as server:
        server.database("padit")
        at = server.uri("padit")
        topics = [mutual.uri("metrics"), mutual.uri("alerts")]
        padit("store", at, "--stop_at_end", "--from", *topics)
        assert server.query("SELECT count(*) FROM metric") == [(15,)]


def test_alerting_reads_and_delivers_by_certificate_and_scram(
    mutual: Mutual, tmp_path: Path
) -> None:
    with receiving() as receiver:
        (tmp_path / "alerting.yaml").write_text(
            f'receivers: {{ops: {{kind: webhook, url: "{receiver.url}"}}}}\n'
            "routes: [{name: all, receiver: ops}]\n"
        )
        words = [f"--alerts={mutual.uri('alerts')}", f"--audit={mutual.uri('alerts-audit')}",
                 f"--commands={mutual.uri('alert-commands')}"]  # fmt: skip
        data = f"--data={tmp_path / 'data'}"
        with live(tmp_path, "alerting", f"--config={tmp_path}/alerting.yaml", *words, data) as one:
            one.until(lambda: receiver.requests)
            assert _WORD not in one.said
        assert "cell-7" in str(receiver.events[0])


def test_the_portal_follows_and_commands_by_certificate_and_scram(mutual: Mutual) -> None:
    came = threading.Event()
    address = parse_address(mutual.uri("alerts"))
    place = f"{address.host}/{address.path}"
    topic = TransitionTopic(address, lambda: {(place, 0): 0}, came.set, lambda: None)
    topic.start()
    try:
        assert came.wait(allowed(30)), topic.trouble
        assert (topic.trouble, topic.came > 0) == ("", True)
    finally:
        topic.stop()
    before = _count(mutual, "alert-commands")
    commands = CommandTopic(parse_address(mutual.uri("alert-commands")))
    commands.give(b"{}", "", pytest.fail)
    commands.close()
    assert _count(mutual, "alert-commands") == before + 1


@pytest.mark.parametrize(
    "changed",
    [{"ssl_certificate_location": None, "ssl_key_location": None}, {"sasl_password": "wrong-0815"}],
)
def test_without_the_certificate_or_the_password_nobody_gets_in(
    mutual: Mutual, tmp_path: Path, changed: dict[str, str | None]
) -> None:
    config = mutual.config("wrong", **changed)
    uri = f"kafka://{mutual.bootstrap}/metrics?client_config={config}"
    run = padit("replay", f"--input={uri}", f"--output={tmp_path}/a.jsonl", code=1)
    assert re.search("bad certificate|client_config", run.err)
    assert "wrong-0815" not in run.err
    settings = dict(one.split("=", 1) for one in config.read_text().splitlines())
    admin = AdminClient({"bootstrap.servers": mutual.bootstrap, **settings, "log_level": 2})
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=5)
