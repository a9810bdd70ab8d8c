"""MQTT 3.1.1 and 5: subscribes at a broker and turns messages into samples.

A payload is a plain number, a JSON object (every numeric or boolean leaf is one sample) or
metrics in PADIT's own JSON. Source and name come from templates over the topic's levels:
`{0}`, `{1}` ... from the left, `{-1}` from the right, `{topic}` the whole, `{parent}` all but
the last level, `{field}` the path of a JSON leaf.

With a `client_id` and `clean_session: false` the broker keeps QoS 1 messages while this process
is away. A message is acknowledged when it is handed on, so a crash may lose what was in memory.
"""

import asyncio
import contextlib
import ssl
import string
from typing import Any, ClassVar, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import Field, field_validator

from padit.adapters.base import AdapterOptions, Emitter, Options, now
from padit.adapters.errors import AdapterError
from padit.adapters.series import shorten
from padit.adapters.threads import Worker
from padit.codecs.payloads import json_of, leaves_of, metrics_of, number_of
from padit.domain.metric import Metric, MetricType

__all__ = ["MqttAdapter", "MqttOptions", "Subscription", "samples_of"]


class Subscription(Options):
    """A topic filter and what its messages mean."""

    topic: str = Field(description="Topic filter; + and # match.", examples=["plant/+/press/#"])
    qos: Literal[0, 1] = Field(default=1, description="Quality of service.")
    payload: Literal["auto", "number", "json", "metric"] = Field(
        default="auto", description="What a message holds; auto looks at its first byte."
    )
    source_id: str = Field(default="{parent}", description="Template of the source.")
    metric_name: str = Field(
        default="",
        description="Template of the name; by default `{-1}` for a number, `{-1}_{field}` for "
        "JSON.",
    )
    unit: str = Field(default="", description="Unit of the samples.")
    metric_type: MetricType = Field(default="custom", description="Family of the metrics.")
    timestamp_field: str = Field(
        default="", description="JSON field with the time; by default the time of arrival."
    )

    @field_validator("source_id", "metric_name")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
        except ValueError as error:
            message = f"{value!r} is no template: {error}"
            raise ValueError(message) from error
        for name in names:
            if name not in ("topic", "parent", "field") and not name.lstrip("-").isdigit():
                message = (
                    f"{value!r}: {{{name}}} is none of {{topic}}, {{parent}}, {{field}}, {{0}}"
                )
                raise ValueError(message)
        return value


class MqttOptions(AdapterOptions):
    """Options of the `mqtt` adapter."""

    host: str = Field(default="localhost", description="Broker.")
    port: int = Field(default=1883, ge=1, le=65_535, description="Port; 8883 is usual for TLS.")
    subscriptions: tuple[Subscription, ...] = Field(min_length=1, description="What to listen to.")
    version: Literal["3.1.1", "5"] = Field(default="3.1.1", description="MQTT version.")
    client_id: str = Field(default="", description="Identity at the broker; random by default.")
    clean_session: bool = Field(
        default=True, description="False: the broker keeps messages while we are away."
    )
    keepalive_sec: int = Field(default=30, ge=5, le=3600, description="Keep-alive.")
    username: str = Field(default="", description="User.")
    password: str = Field(default="", description="Password.")
    tls: bool = Field(default=False, description="Use TLS.")
    ca_file: str = Field(default="", description="PEM file of authorities; the system's if empty.")


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        message = f"ca_file {ca_file} cannot be used: {error}"
        raise AdapterError(message, cause="certificate") from error


def samples_of(
    subscription: Subscription, topic: str, payload: bytes, refused: list[str] | None = None
) -> list[Metric]:
    """The samples in one message.

    Args:
        subscription: what its messages mean.
        topic: of the message.
        payload: of the message.
        refused: gets the reasons of items of an array that are refused.

    Raises:
        ValueError: the payload or the templates do not fit; the message has the reason.
    """
    kind = subscription.payload
    if kind == "auto":
        kind = "json" if payload.lstrip()[:1] in (b"{", b"[") else "number"
    if kind == "metric":
        found, reasons = metrics_of(payload)
        if refused is not None:
            refused += reasons
        return found
    if kind == "number":
        return [_sample(subscription, topic, "", number_of(payload), now())]
    content = json_of(payload)
    when = _when(subscription, content)
    return [
        _sample(subscription, topic, field, value, when)
        for field, value in leaves_of(content)
        if field != subscription.timestamp_field
    ]


def _when(subscription: Subscription, content: Any) -> float | str:
    if not subscription.timestamp_field:
        return now()
    found = content.get(subscription.timestamp_field) if isinstance(content, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        message = f"the field {subscription.timestamp_field} is missing or no time"
        raise ValueError(message)
    try:
        return float(found) if isinstance(found, int) else found
    except OverflowError as error:
        message = f"the field {subscription.timestamp_field} is no time: {error}"
        raise ValueError(message) from error


def _sample(
    subscription: Subscription, topic: str, field: str, value: float, when: float | str
) -> Metric:
    levels = topic.split("/")
    name = subscription.metric_name or ("{-1}_{field}" if field else "{-1}")
    source = _filled(subscription.source_id, levels, field) or topic
    return Metric(
        when,
        shorten(source),
        shorten(_filled(name, levels, field)),
        value,
        subscription.unit,
        subscription.metric_type,
        "mqtt",
    )


def _filled(template: str, levels: list[str], field: str) -> str:
    parts = []
    for text, name, _, _ in string.Formatter().parse(template):
        parts.append(text)
        if name is None:
            continue
        fixed = {"topic": "/".join(levels), "parent": "/".join(levels[:-1]), "field": field}
        if name in fixed:
            parts.append(fixed[name])
            continue
        position = int(name)
        if not -len(levels) <= position < len(levels):
            message = f"the topic {'/'.join(levels)} has no level {{{name}}}"
            raise ValueError(message)
        parts.append(levels[position])
    return "".join(parts)


class MqttAdapter:
    """Messages of an MQTT broker."""

    Options: ClassVar[type[AdapterOptions]] = MqttOptions

    def __init__(self, options: MqttOptions) -> None:
        self.options = options
        self._client: paho.Client | None = None
        self._worker = Worker(options.name)
        self.workers = (self._worker,)
        self._emitter: Emitter | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._joined: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, emitter: Emitter) -> None:
        """Connect and subscribe; returns when the broker has agreed to all of it."""
        options = self.options
        self._emitter, self._loop = emitter, asyncio.get_running_loop()
        self._joined = self._loop.create_future()
        client = self._client = self._made()
        try:
            await self._worker.run(
                client.connect, options.host, options.port, options.keepalive_sec
            )
        except ssl.SSLError as error:
            message = f"{options.host}:{options.port}: TLS fails: {error}; see ca_file"
            raise AdapterError(message, cause="certificate") from error
        except (OSError, ValueError) as error:
            message = f"{options.host}:{options.port} cannot be reached: {error}"
            raise AdapterError(message, cause="connect") from error
        self._upkeep = asyncio.create_task(self._keep_up(client))
        await self._joined

    def _made(self) -> paho.Client:
        options = self.options
        five = options.version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id or None,
            clean_session=None if five else options.clean_session or not options.client_id,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
        )
        if options.username:
            client.username_pw_set(options.username, options.password)
        if options.tls:
            client.tls_set_context(_trusting(options.ca_file))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_wrote
        return client

    async def poll(self, emitter: Emitter) -> None:
        """Raise AdapterError if the connection is gone; the runner then opens it again."""
        alive = self._upkeep is not None and not self._upkeep.done()
        if self._client is None or not self._client.is_connected() or not alive:
            message = f"{self.options.host}:{self.options.port}: the connection is lost"
            raise AdapterError(message, cause="disconnected")

    async def close(self) -> None:
        """Leave the broker."""
        self._worker.close()
        client, self._client = self._client, None
        if self._upkeep is not None:
            self._upkeep.cancel()
            self._upkeep = None
        if client is not None:
            client.on_message = None
            client.disconnect()
            with contextlib.suppress(OSError, ValueError):
                client.loop_write()
            if (made := client.socket()) is not None:
                self._on_socket_close(client, None, made)
                made.close()

    async def _keep_up(self, client: paho.Client) -> None:
        while client.loop_misc() == paho.MQTT_ERR_SUCCESS:
            await asyncio.sleep(1)

    # paho calls these from the thread that connects, or from our loop.

    def _on_socket_open(self, client: paho.Client, _data: Any, made: Any) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._watch, client, made)

    def _watch(self, client: paho.Client, made: Any) -> None:
        if self._loop is not None and made.fileno() >= 0:
            self._loop.add_reader(made.fileno(), client.loop_read)

    def _on_socket_close(self, _client: paho.Client, _data: Any, made: Any) -> None:
        if self._loop is not None and made.fileno() >= 0:
            self._loop.remove_reader(made)
            self._loop.remove_writer(made)

    def _on_want_write(self, client: paho.Client, _data: Any, made: Any) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._watch_write, client, made)

    def _watch_write(self, client: paho.Client, made: Any) -> None:
        if self._loop is not None and made.fileno() >= 0 and client.want_write():
            self._loop.add_writer(made.fileno(), client.loop_write)

    def _on_wrote(self, _client: paho.Client, _data: Any, made: Any) -> None:
        if self._loop is not None and made.fileno() >= 0:
            self._loop.call_soon_threadsafe(self._unwatch_write, made)

    def _unwatch_write(self, made: Any) -> None:
        if self._loop is not None and made.fileno() >= 0:
            self._loop.remove_writer(made.fileno())

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._refuse(f"the broker refuses the connection: {reason}", "refused")
            return
        wanted: list[tuple[str, int]] = [(s.topic, s.qos) for s in self.options.subscriptions]
        client.subscribe(wanted)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: Any, _properties: Any
    ) -> None:
        for subscription, reason in zip(self.options.subscriptions, reasons, strict=False):
            if reason.is_failure:
                self._refuse(f"{subscription.topic} cannot be subscribed: {reason}", "refused")
                return
        if self._joined is not None and not self._joined.done():
            self._joined.set_result(None)

    def _refuse(self, message: str, cause: str) -> None:
        if self._joined is not None and not self._joined.done():
            self._joined.set_exception(AdapterError(message, cause=cause))

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        emitter = self._emitter
        if emitter is None:
            return
        for subscription in self.options.subscriptions:
            if paho.topic_matches_sub(subscription.topic, message.topic):
                refused: list[str] = []
                try:
                    payload = bytes(message.payload)
                    emitter.emit(samples_of(subscription, message.topic, payload, refused))
                except Exception as error:  # one message never costs the connection
                    refused = [str(error) or type(error).__name__]
                if refused:
                    emitter.fault("malformed", f"{message.topic}: {refused[0]}"[:500], len(refused))
                return
