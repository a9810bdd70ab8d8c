"""librdkafka's settings for the part of reading that is done with kafka-python: the fetches.

A `client_config` file is the same for reading, writing and looking up. Each of its names stands in
one of the tables here: it is carried over, or it has no meaning for a fetch (groups, producers,
statistics). A name in neither is refused, so that no setting is left out in silence.
"""

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from padit.connectors.kafka_oauth import OAUTH_NAMES, token_provider
from padit.domain.errors import ConfigurationError

__all__ = ["FetchSettings", "fetch_settings"]

_TEXTS = {
    "client.id": "client_id",
    "client.dns.lookup": "client_dns_lookup",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
}
_NUMBERS = {
    "socket.timeout.ms": "request_timeout_ms",
    "socket.connection.setup.timeout.ms": "socket_connection_setup_timeout_ms",
    "reconnect.backoff.ms": "reconnect_backoff_ms",
    "reconnect.backoff.max.ms": "reconnect_backoff_max_ms",
    "receive.message.max.bytes": "receive_message_max_bytes",
}
_FETCH = {
    "fetch.wait.max.ms": "wait_ms",
    "fetch.min.bytes": "min_bytes",
    "fetch.max.bytes": "max_bytes",
    "fetch.message.max.bytes": "partition_bytes",
    "max.partition.fetch.bytes": "partition_bytes",
    "fetch.error.backoff.ms": "backoff_ms",
}
_SOCKET = {
    "socket.keepalive.enable": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "socket.nagle.disable": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "socket.send.buffer.bytes": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "socket.receive.buffer.bytes": (socket.SOL_SOCKET, socket.SO_RCVBUF),
}
_TLS = frozenset(
    {
        "ssl.ca.location", "ssl.ca.pem", "ssl.certificate.location", "ssl.key.location",
        "ssl.key.password", "ssl.crl.location", "ssl.cipher.suites",
        "enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm",
    }
)  # fmt: skip
_OTHER = frozenset(
    {"bootstrap.servers", "metadata.broker.list", "security.protocol", "check.crcs"}
)  # fmt: skip
# They mean nothing to a fetch: groups and commits, buffers of librdkafka, producers, statistics.
_NO_MEANING = frozenset(
    {
        "group.id", "group.instance.id", "group.protocol", "group.protocol.type",
        "group.remote.assignor", "partition.assignment.strategy", "session.timeout.ms",
        "heartbeat.interval.ms", "coordinator.query.interval.ms", "max.poll.interval.ms",
        "enable.auto.commit", "auto.commit.interval.ms", "enable.auto.offset.store",
        "enable.partition.eof", "offset.store.method", "consume.callback.max.messages",
        "queued.min.messages", "queued.max.messages.kbytes", "fetch.queue.backoff.ms",
        "acks", "request.required.acks", "request.timeout.ms", "message.timeout.ms",
        "delivery.timeout.ms", "enable.idempotence", "transactional.id", "transaction.timeout.ms",
        "enable.gapless.guarantee", "queue.buffering.max.messages", "queue.buffering.max.kbytes",
        "queue.buffering.max.ms", "linger.ms", "message.send.max.retries", "retries",
        "queue.buffering.backpressure.threshold", "compression.codec", "compression.type",
        "compression.level", "batch.num.messages", "batch.size", "delivery.report.only.error",
        "sticky.partitioning.linger.ms", "partitioner", "message.max.bytes",
        "message.copy.max.bytes", "max.in.flight", "max.in.flight.requests.per.connection",
        "retry.backoff.ms", "retry.backoff.max.ms", "statistics.interval.ms", "debug",
        "log_level", "log.queue", "log.thread.name", "log.connection.close", "enabled_events",
        "enable.random.seed", "enable.metrics.push", "allow.auto.create.topics",
        "topic.metadata.refresh.interval.ms", "topic.metadata.refresh.fast.interval.ms",
        "topic.metadata.refresh.fast.cnt", "topic.metadata.refresh.sparse",
        "topic.metadata.propagation.max.ms", "metadata.max.age.ms", "metadata.recovery.strategy",
        "metadata.recovery.rebootstrap.trigger.ms", "broker.address.ttl", "socket.max.fails",
        "socket.blocking.max.ms", "reconnect.backoff.jitter.ms", "connections.max.idle.ms",
        "api.version.request", "api.version.request.timeout.ms", "api.version.fallback.ms",
        "broker.version.fallback",
    }
)  # fmt: skip
_ONLY = {
    "auto.offset.reset": (("error",), "use --start_offset or --allow_missing"),
    "client.rack": (("",), "records are read from the leaders"),
    "broker.address.family": (("any",), "name the brokers by address"),
    "isolation.level": (("read_committed", "read_uncommitted"), "there is no other"),
}
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")


@dataclass(frozen=True)
class FetchSettings:
    """How to connect and to fetch.

    Attributes:
        connection: of kafka-python's connections.
        wait_ms: how long a broker may wait for records, milliseconds.
        min_bytes: records for which it does not wait on.
        max_bytes: at most so much in an answer.
        partition_bytes: at most so much of a partition, or one batch; small enough that
            partitions stay in step.
        backoff_ms: pause after an answer that is an error.
        committed: whether records of open and of aborted transactions are left out.
        checked: whether checksums are compared.
    """

    connection: Mapping[str, Any] = field(repr=False)
    wait_ms: int = 50
    min_bytes: int = 1
    max_bytes: int = 64 << 20
    partition_bytes: int = 2 << 20
    backoff_ms: int = 100
    committed: bool = True
    checked: bool = True


def fetch_settings(bootstrap: str, given: Mapping[str, str], place: str) -> FetchSettings:
    """Settings for fetches from those of librdkafka.

    Args:
        bootstrap: brokers, "host:port[,host:port]".
        given: names and values of librdkafka.
        place: where they stand, for messages.

    Raises:
        ConfigurationError: a name or a value that cannot be carried over; values are not shown,
            because they may be secrets.
    """
    for name in given:
        if not _known(name):
            message = (
                f"{place}: {name} is not known to the part that reads records; remove it, or "
                "give the reading side a file of its own (docs/connectors.md lists what is known)"
            )
            raise ConfigurationError(message)
    values = _Values(given, place)
    for name, (allowed, remedy) in _ONLY.items():
        values.only(name, allowed, remedy)
    connection: dict[str, Any] = {
        "bootstrap_servers": (
            given.get("bootstrap.servers") or given.get("metadata.broker.list") or bootstrap
        ).split(","),
        "client_id": "padit",
        "reconnect_backoff_max_ms": 2000,
        "request_timeout_ms": 30_000,
        "receive_message_max_bytes": 100_000_000,
    }
    connection |= {to: given[name] for name, to in _TEXTS.items() if name in given}
    connection |= {to: values.number(name) for name, to in _NUMBERS.items() if name in given}
    connection["socket_options"] = values.socket_options()
    protocol = values.one_of("security.protocol", "PLAINTEXT", _PROTOCOLS)
    connection["security_protocol"] = protocol
    if protocol.startswith("SASL"):
        name = "sasl.mechanism" if "sasl.mechanism" in given else "sasl.mechanisms"
        connection["sasl_mechanism"] = values.one_of(name, "GSSAPI", _MECHANISMS)
        if connection["sasl_mechanism"] == "OAUTHBEARER":
            connection["sasl_oauth_token_provider"] = token_provider(given, place)
    if protocol.endswith("SSL"):
        connection["ssl_context"] = values.tls()
    level = given.get("isolation.level", "read_committed")
    fetch = {to: values.number(name) for name, to in _FETCH.items() if name in given}
    checked = values.flag("check.crcs", True)
    return FetchSettings(connection, committed=level == "read_committed", checked=checked, **fetch)


def _known(name: str) -> bool:
    tables = (_TEXTS, _NUMBERS, _FETCH, _SOCKET, _TLS, OAUTH_NAMES, _OTHER, _NO_MEANING, _ONLY)
    return any(name in table for table in tables)


class _Values:
    """Values of librdkafka's settings as Python's."""

    def __init__(self, given: Mapping[str, str], place: str) -> None:
        self._given = given
        self._place = place

    def _refuse(self, name: str, why: str) -> ConfigurationError:
        return ConfigurationError(f"{self._place}: {name} {why}")

    def number(self, name: str) -> int:
        try:
            return int(self._given[name])
        except ValueError as error:
            raise self._refuse(name, "is not a whole number") from error

    def flag(self, name: str, default: bool) -> bool:
        value = self._given.get(name, str(default)).lower()
        if value not in (*_TRUE, *_FALSE):
            raise self._refuse(name, "is neither true nor false")
        return value in _TRUE

    def one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self._given.get(name, default)
        if value.upper() not in allowed:
            raise self._refuse(name, f"is none of those with which records are read: {allowed}")
        return value.upper()

    def only(self, name: str, allowed: tuple[str, ...], remedy: str) -> None:
        if self._given.get(name, allowed[0]) not in allowed:
            raise self._refuse(name, f"may only be {' or '.join(allowed) or 'empty'}: {remedy}")

    def socket_options(self) -> list[tuple[int, int, int]]:
        """Also those that are always set: no delay for small packets."""
        options = {_SOCKET["socket.nagle.disable"]: 1, _SOCKET["socket.keepalive.enable"]: 1}
        for name, option in _SOCKET.items():
            if name in self._given and name.endswith(".bytes"):
                options[option] = self.number(name)
            elif name in self._given:
                options[option] = int(self.flag(name, True))
        # A buffer of 0 bytes means the system's default.
        return [(*option, value) for option, value in options.items()
                if value or not _is_buffer(option)]  # fmt: skip

    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        verified = self.flag("enable.ssl.certificate.verification", True)
        how = self.one_of("ssl.endpoint.identification.algorithm", "https", ("HTTPS", "NONE"))
        context.check_hostname = verified and how == "HTTPS"
        context.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
        for name, load in (
            ("ssl.ca.location", self._load_roots),
            ("ssl.certificate.location", self._load_certificate),
            ("ssl.crl.location", self._load_revoked),
            ("ssl.cipher.suites", lambda one: one.set_ciphers(self._given["ssl.cipher.suites"])),
        ):
            try:
                load(context)
            except (OSError, ssl.SSLError) as error:
                reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
                raise self._refuse(name, f"cannot be used: {reason or error}") from error
            except KeyError:
                continue
        return context

    def _load_roots(self, context: ssl.SSLContext) -> None:
        place, text = self._given.get("ssl.ca.location"), self._given.get("ssl.ca.pem")
        if text:
            context.load_verify_locations(cadata=text.replace("\\n", "\n"))
        elif place and place != "probe":
            # A file, or a folder of files whose names are hashes.
            folder = os.path.isdir(place)
            context.load_verify_locations(
                cafile=None if folder else place, capath=place if folder else None
            )
        else:
            context.load_default_certs()

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(
            self._given["ssl.certificate.location"],
            self._given.get("ssl.key.location"),
            self._given.get("ssl.key.password"),
        )

    def _load_revoked(self, context: ssl.SSLContext) -> None:
        context.load_verify_locations(self._given["ssl.crl.location"])
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _is_buffer(option: tuple[int, int]) -> bool:
    return option[1] in (socket.SO_SNDBUF, socket.SO_RCVBUF)
