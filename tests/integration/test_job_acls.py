"""deploy/kafka/acls.yml at a broker that denies by default: enough for each part, and no more.

Clients log in with SCRAM; each principal of the file has a password of its own. The job's may also
log in with a token, its own or that of an identity provider.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from padit.connectors.kafka_source import KafkaSource
from padit.connectors.source import PartitionRange
from padit.devcluster.broker import prepare_broker
from padit.domain.errors import SourceError
from tests.connectors.identity_provider import IdentityProvider
from tests.connectors.reading import decoder
from tests.guarded_broker import guarded_broker
from tests.integration.helpers import padit, seed_case, wait_for
from tests.limits import allowed
from tests.parts import required

ACLS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy" / "kafka" / "acls.yml").read_text()
)
START = 1_767_600_000
_PASSWORD = "of-{}-4711"  # noqa: S105 - of the test's own broker
_KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP,
          "transactional_id": ResourceType.TRANSACTIONAL_ID}  # fmt: skip
_SETTINGS = """
listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
username="admin" password="admin" user_admin="admin";
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
unsecuredLoginStringClaim_sub="admin";
listener.name.sasl_plaintext.oauthbearer.connections.max.reauth.ms=3000
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
"""


class Guarded(NamedTuple):
    """A broker that denies what the file does not allow."""

    bootstrap: str
    place: Path

    def settings(self, principal: str) -> dict[str, str]:
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": principal,
            "sasl.password": _PASSWORD.format(principal),
        }

    def config(self, name: str, settings: dict[str, str]) -> Path:
        config = self.place / f"{name}.properties"
        config.write_text("\n".join(f"{k}={v}" for k, v in settings.items()))
        config.chmod(0o600)
        return config

    def uri(self, topic: str, principal: str = "padit-job") -> str:
        config = self.config(principal, self.settings(principal))
        return f"kafka://{self.bootstrap}/{topic}?client_config={config}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    place = tmp_path_factory.mktemp("guarded")
    broker = required(lambda: prepare_broker(place / "kafka"))
    with guarded_broker(broker, "SASL_PLAINTEXT", _SETTINGS):
        found = Guarded(broker.bootstrap, place)
        _prepare(found)
        yield found


def _prepare(guarded: Guarded) -> None:
    """Topics, users and what they may do: the work of the administrator."""
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
             "sasl.username": "admin", "sasl.password": "admin"}  # fmt: skip
    admin = AdminClient({"bootstrap.servers": guarded.bootstrap, **login})
    topics = sorted({one["topic"] for acls in ACLS.values() for one in acls if "topic" in one})
    futures = admin.create_topics([NewTopic(topic, 1, 1) for topic in topics])
    futures |= admin.create_acls(
        [
            acl
            for principal, acls in ACLS.items()
            for one in acls
            for acl in _bindings(principal, one)
        ]
    )
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    futures |= admin.alter_user_scram_credentials(
        [
            UserScramCredentialUpsertion(one, scram, _PASSWORD.format(one).encode())
            for one in (*ACLS, "stranger")
        ]
    )
    for future in futures.values():
        future.result(allowed(60))
    # The controller has them now; the broker learns of them a moment later.
    every = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None,
        AclOperation.ANY, AclPermissionType.ANY,
    )  # fmt: skip
    wanted = sum(len(one["allow"]) for acls in ACLS.values() for one in acls)
    wait_for(lambda: len(admin.describe_acls(every).result(allowed(20))) >= wanted, 30)


def _bindings(principal: str, one: dict[str, Any]) -> Iterator[AclBinding]:
    kind, name = next((kind, name) for kind, name in one.items() if kind in _KINDS)
    pattern = ResourcePatternType.PREFIXED if one.get("prefix") else ResourcePatternType.LITERAL
    for operation in one["allow"]:
        yield AclBinding(
            _KINDS[kind], name, pattern, f"User:{principal}", "*",
            AclOperation[operation], AclPermissionType.ALLOW,
        )  # fmt: skip


def _write(guarded: Guarded, principal: str, topic: str, values: list[tuple[bytes, int]]) -> None:
    """Raises KafkaException if it is refused."""
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            refused.append(error)

    settings = {"bootstrap.servers": guarded.bootstrap, **guarded.settings(principal)}
    producer = Producer({**settings, "message.timeout.ms": 20_000})
    for value, stamp in values:
        producer.produce(topic, value, timestamp=stamp, on_delivery=delivered)
    assert producer.flush(allowed(30)) == 0
    if refused:
        raise KafkaException(refused[0])


def _read(guarded: Guarded, principal: str, topic: str) -> list[bytes]:
    """Raises KafkaException if it is refused."""
    settings = {"bootstrap.servers": guarded.bootstrap, **guarded.settings(principal)}
    consumer = Consumer(
        {**settings, "group.id": principal, "isolation.level": "read_committed",
         "enable.auto.commit": False}
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[bytes] = []

    def polled() -> bool:
        message = consumer.poll(0.5)
        if message is None:
            return bool(found)
        if message.error():
            raise KafkaException(message.error())
        found.append(message.value())
        return False

    try:
        described = consumer.list_topics(topic, allowed(20)).topics[topic]
        if described.error:
            raise KafkaException(described.error)
        wait_for(polled, 30)
    finally:
        consumer.close()
    return found


def test_the_page_about_security_lists_what_the_file_allows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `padit-")]
    for principal, acls in ACLS.items():
        mine = " ".join(row for row in rows if row.startswith(f"| `{principal}`"))
        for one in acls:
            name = next(one[kind] for kind in _KINDS if kind in one)
            assert f"`{name}`" in mine, (principal, name)


def test_each_part_can_do_its_work(guarded: Guarded, tmp_path: Path) -> None:
    values = [(one.value or b"", round(one.time * 1000)) for one in seed_case(START)]
    _write(guarded, "padit-adapters", "metrics", [*values, (b"broken", START * 1000)])
    outputs = {"output": "alerts", "anomalies": "anomalies", "features": "features", "late": "late",
               "dlq": "dlq"}  # fmt: skip
    padit(
        "replay",
        f"--input={guarded.uri('metrics')}",
        *(f"--{option}={guarded.uri(topic)}" for option, topic in outputs.items()),
    )
    alerts = _read(guarded, "padit-alerting", "alerts")
    assert alerts
    assert _read(guarded, "padit-portal", "features")
    padit("replay", f"--input={guarded.uri('metrics')}", f"--output={tmp_path}/alerts.jsonl")
    assert sorted(alerts) == sorted((tmp_path / "alerts.jsonl").read_bytes().splitlines())


@pytest.mark.parametrize(
    ("principal", "topic"),
    [("padit-job", "metrics"), ("padit-adapters", "alerts"), ("padit-portal", "alerts"),
     ("padit-alerting", "metrics"), ("stranger", "metrics")],
)  # fmt: skip
def test_no_part_writes_what_is_not_its_own(guarded: Guarded, principal: str, topic: str) -> None:
    with pytest.raises(KafkaException, match=r"(?i)authoriz"):
        _write(guarded, principal, topic, [(b"{}", START * 1000)])


@pytest.mark.parametrize(
    ("principal", "topic"),
    [("padit-adapters", "metrics"), ("padit-alerting", "metrics"), ("padit-job", "dlq"),
     ("stranger", "alerts")],
)  # fmt: skip
def test_no_part_reads_what_is_not_its_own(guarded: Guarded, principal: str, topic: str) -> None:
    with pytest.raises(KafkaException, match=r"(?i)authoriz"):
        _read(guarded, principal, topic)


def test_nobody_creates_or_deletes_topics(guarded: Guarded) -> None:
    settings = {"bootstrap.servers": guarded.bootstrap, **guarded.settings("padit-job")}
    admin = AdminClient(settings)
    for futures in (
        admin.create_topics([NewTopic("other", 1, 1)]),
        admin.delete_topics(["alerts"]),
    ):
        for future in futures.values():
            with pytest.raises(KafkaException, match=r"(?i)authoriz"):
                future.result(allowed(30))


_TOKENS = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "OAUTHBEARER",
}


def _by_oidc(url: str, secret: str) -> dict[str, str]:
    return {
        **_TOKENS,
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": url,
        "sasl.oauthbearer.client.id": "padit-job",
        "sasl.oauthbearer.client.secret": secret,
        "sasl.oauthbearer.scope": "read",
    }


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider("padit-job", "right-4711", "padit-job") as found:
        yield found


@pytest.mark.parametrize("way", ["unsecured", "oidc"])
def test_a_token_logs_in_the_reader_and_is_renewed(
    guarded: Guarded, provider: IdentityProvider, way: str
) -> None:
    _write(guarded, "padit-adapters", "metrics", [(b"{}", START * 1000)])
    settings = {
        **_TOKENS,
        "enable.sasl.oauthbearer.unsecure.jwt": "true",
        "sasl.oauthbearer.config": "principal=padit-job lifeSeconds=4",
    }
    if way == "oidc":
        settings = _by_oidc(provider.url, "right-4711")
    config = str(guarded.config(way, settings))
    source = KafkaSource(guarded.bootstrap, "metrics", live=True, client_config=config)
    reader = source.open(source.ranges(), decoder)
    try:
        for _ in range(4):  # for longer than a token lasts, and than the broker takes one for good
            _write(guarded, "padit-adapters", "metrics", [(b"{}", START * 1000)])
            wait_for(lambda: any(one.dead for one in reader.read(0.2)), 30)
            time.sleep(1.5)
    finally:
        reader.close()
    assert way != "oidc" or provider.given > 2  # librdkafka's, the reader's first, and another


def test_a_token_that_is_not_given_is_an_error_that_says_why(
    guarded: Guarded, provider: IdentityProvider
) -> None:
    config = str(guarded.config("wrong", _by_oidc(provider.url, "wrong-0815")))
    source = KafkaSource(
        guarded.bootstrap, "metrics", live=True, client_config=config, patience=3.0
    )
    reader = source.open([PartitionRange(0, 0, None)], decoder)
    try:
        with pytest.raises(
            SourceError, match=r"no token from 127\.0\.0\.1.*: it answers 401"
        ) as caught:
            wait_for(lambda: reader.read(0.2), 60)
        assert "wrong-0815" not in str(caught.value)
    finally:
        reader.close()
