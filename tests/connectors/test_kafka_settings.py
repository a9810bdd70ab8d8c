"""A file of librdkafka's settings serves fetches too, or is refused by the name that does not."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException

from padit.connectors import kafka_settings
from padit.connectors.kafka_oauth import OAUTH_NAMES
from padit.connectors.kafka_settings import fetch_settings
from padit.connectors.kafka_source import KafkaSource
from padit.domain.errors import ConfigurationError

PLACE = "client_config=/etc/padit/kafka.properties"
SASL = {
    "security.protocol": "sasl_ssl",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "padit",
    "sasl.password": "right-4711",
    "ssl.endpoint.identification.algorithm": "none",
}


def _refused(**given: str) -> str:
    named = {name.replace("_", "."): value for name, value in given.items()}
    with pytest.raises(ConfigurationError) as caught:
        fetch_settings("broker:9092", named, PLACE)
    return str(caught.value)


def test_nothing_given_reads_committed_records_and_checks_them() -> None:
    found = fetch_settings("one:9092,two:9092", {}, PLACE)
    assert found.connection["bootstrap_servers"] == ["one:9092", "two:9092"]
    assert found.connection["security_protocol"] == "PLAINTEXT"
    assert (found.committed, found.checked, found.partition_bytes) == (True, True, 2 << 20)
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in found.connection["socket_options"]


def test_settings_are_carried_over_by_their_meaning() -> None:
    given = {
        **SASL, "client.id": "cell-7", "socket.timeout.ms": "9000", "check.crcs": "f",
        "isolation.level": "read_uncommitted", "fetch.wait.max.ms": "70", "fetch.min.bytes": "5",
        "fetch.max.bytes": "1000", "fetch.message.max.bytes": "400", "linger.ms": "5",
        "socket.receive.buffer.bytes": "4096", "socket.nagle.disable": "false", "group.id": "x",
        "bootstrap.servers": "other:9093",
    }  # fmt: skip
    found = fetch_settings("broker:9092", given, PLACE)
    connection = found.connection
    assert connection["bootstrap_servers"] == ["other:9093"]
    assert connection["security_protocol"] == "SASL_SSL"
    assert connection["sasl_mechanism"] == "SCRAM-SHA-512"
    assert connection["sasl_plain_username"] == "padit"
    assert connection["sasl_plain_password"] == "right-4711"  # noqa: S105
    assert (connection["client_id"], connection["request_timeout_ms"]) == ("cell-7", 9000)
    assert (socket.SOL_SOCKET, socket.SO_RCVBUF, 4096) in connection["socket_options"]
    options = {option[:2] for option in connection["socket_options"] if option[2]}
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY) not in options
    context = connection["ssl_context"]
    assert (context.check_hostname, context.verify_mode) == (False, ssl.CERT_REQUIRED)
    assert (found.committed, found.checked) == (False, False)
    assert (found.wait_ms, found.min_bytes, found.max_bytes) == (70, 5, 1000)
    assert found.partition_bytes == 400


def test_no_secret_is_shown() -> None:
    assert "right-4711" not in repr(fetch_settings("broker:9092", SASL, PLACE))
    text = _refused(**{**SASL, "sasl.kerberos.keytab": "right-4711"})
    assert "right-4711" not in text


@pytest.mark.parametrize(
    "name",
    ["sasl.oauthbearer.assertion.file", "ssl.keystore.location", "ssl.key.pem", "bananas",
     "plugin.library.paths", "sasl.kerberos.keytab", "ssl.curves.list"],
)  # fmt: skip
def test_a_name_that_cannot_be_carried_over_is_refused(name: str) -> None:
    assert _refused(**{name: "x"}).startswith(
        f"{PLACE}: {name} is not known to the part that reads"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("auto.offset.reset", "earliest", "may only be error: use --start_offset"),
        ("client.rack", "a", "may only be empty: records are read from the leaders"),
        ("isolation.level", "x", "may only be read_committed or read_uncommitted"),
        ("fetch.max.bytes", "many", "is not a whole number"),
        ("check.crcs", "perhaps", "is neither true nor false"),
        ("security.protocol", "tls", "is none of those with which records are read"),
    ],
)
def test_a_value_that_cannot_be_carried_over_is_refused(name: str, value: str, words: str) -> None:
    assert f"{PLACE}: {name} {words}" in _refused(**{name: value})


def test_a_login_that_only_librdkafka_knows_is_refused() -> None:
    given = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "GSSAPI"}
    assert "sasl.mechanisms is none of those" in _refused(**given)


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    tls = {"security.protocol": "SSL"}
    assert "ssl.ca.location cannot be used: No such file" in _refused(
        **tls, **{"ssl.ca.location": str(tmp_path / "none.pem")}
    )
    (tmp_path / "bad.pem").write_text("no certificate")
    for name in ("ssl.ca.location", "ssl.certificate.location"):
        text = _refused(**tls, **{name: str(tmp_path / "bad.pem")})
        assert f"{name} cannot be used" in text


def test_a_source_refuses_before_anything_is_asked(tmp_path: Path) -> None:
    config = tmp_path / "kafka.properties"
    config.write_text("sasl.oauthbearer.assertion.file=x\n")
    source = KafkaSource("127.0.0.1:1", "topic", live=False, client_config=str(config))
    with pytest.raises(
        ConfigurationError, match=r"sasl\.oauthbearer\.assertion\.file is not known"
    ):
        source.ranges()


def test_every_name_in_the_tables_is_one_of_librdkafka() -> None:
    tables = (
        kafka_settings._TEXTS, kafka_settings._NUMBERS, kafka_settings._FETCH,
        kafka_settings._SOCKET, kafka_settings._TLS, kafka_settings._OTHER,
        kafka_settings._NO_MEANING, kafka_settings._ONLY, OAUTH_NAMES,
    )  # fmt: skip
    names = [name for table in tables for name in table]
    assert len(names) == len(set(names))
    assert [name for name in [*names, "bananas"] if not _has(name)] == ["bananas"]


def _has(name: str) -> bool:
    """Whether librdkafka has a setting of this name; the value may be none that it takes."""
    try:
        Consumer({"group.id": "x", "log_level": 0, name: "\x01"}).close()
    except KafkaException as error:
        return "No such configuration property" not in str(error)
    return True


def test_the_page_names_everything_that_is_carried_over() -> None:
    page = (Path(__file__).parents[2] / "docs/connectors.md").read_text()
    tables = (
        kafka_settings._TEXTS, kafka_settings._NUMBERS, kafka_settings._FETCH,
        kafka_settings._SOCKET, kafka_settings._TLS, kafka_settings._OTHER, kafka_settings._ONLY,
        OAUTH_NAMES,
    )  # fmt: skip
    assert [name for table in tables for name in table if f"`{name}`" not in page] == []
