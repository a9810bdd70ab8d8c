"""MQTT 3.1.1 and 5: subscribes at a broker and turns messages into samples.

A payload is a plain number, JSON (every number, boolean and number in a string is one sample),
metrics in PADIT's own JSON, Sparkplug B, or JSON as a mapping of `format` reads it. Source and name
come from templates over the topic's levels: `{0}`, `{1}` ... from the left, `{-1}` from the right,
`{topic}` the whole, `{parent}` all but the last level, `{field}` the path of a JSON value,
`{$.path}` another field of the payload. Every value of every message is a sample, or is counted as
unwatched or as a fault (`mqtt_messages.py`, `mqtt_mapping.py`, `mqtt_sparkplug.py`). A message
belongs to the first subscription whose filter it matches.

With a `client_id` and `clean_session: false` the broker keeps QoS 1 messages while this process
is away. A message is acknowledged when it is handed on, or when it begins to wait for the thread
that reads large ones (`mqtt_intake.py`), so a crash may lose what was in memory.
"""

import asyncio
import contextlib
import ssl
from functools import partial
from itertools import zip_longest
from typing import Any, ClassVar, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.matcher import MQTTMatcher
from pydantic import Field, model_validator

from padit.adapters.base import AdapterOptions, Emitter, now
from padit.adapters.errors import AdapterError
from padit.adapters.mqtt_intake import Arrived, Intake
from padit.adapters.mqtt_mapping import MappedReader
from padit.adapters.mqtt_messages import MessageReader
from padit.adapters.mqtt_reading import SKIPPED
from padit.adapters.mqtt_sparkplug import Command, Nodes
from padit.adapters.mqtt_subscription import Subscription, delivered_filter
from padit.adapters.mqtt_wire import Wire, without_release
from padit.adapters.secrets import secret
from padit.adapters.threads import Worker

__all__ = ["MqttAdapter", "MqttOptions"]

_MOST_UNRELEASED = 100  # messages with QoS 2, of which a broker sends 10 to 32 at a time by default
_UNRELEASED_MESSAGES = 10  # of the largest size, in bytes
_SHORT = 300  # characters of a topic in a message; it may have 65,535


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
    password: str = Field(
        default="", description="Password, in clear text; better in a file or the environment."
    )
    password_file: str = Field(
        default="", description="File with the password; read at every connection."
    )
    password_env: str = Field(
        default="", description="Environment variable with the password.", examples=["MQTT_PASS"]
    )
    tls: bool = Field(default=False, description="Use TLS.")
    ca_file: str = Field(default="", description="PEM file of authorities; the system's if empty.")
    max_message_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        le=268_435_455,
        description="Largest payload; a larger one is the fault `too_large` and is not read.",
    )
    rebirth: bool = Field(
        default=False,
        description="Ask a Sparkplug node for a new birth (command `Node Control/Rebirth`, at most "
        "once a minute) when it sends an alias that is not known.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> "MqttOptions":
        filters = [delivered_filter(one.topic) for one in self.subscriptions]
        double = next((one for one in filters if filters.count(one) > 1), "")
        if double:
            message = f"subscriptions: {double!r} stands there twice; the second would get nothing"
            raise ValueError(message)
        secrets = [self.password, self.password_file, self.password_env]
        if sum(map(bool, secrets)) > 1:
            message = "`password`, `password_file` and `password_env` exclude each other"
            raise ValueError(message)
        if any(secrets) and not self.username:
            message = "a password needs `username`"
            raise ValueError(message)
        return self


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        message = f"ca_file {ca_file} cannot be used: {error}"
        raise AdapterError(message, cause="certificate") from error


class MqttAdapter:
    """Messages of an MQTT broker."""

    Options: ClassVar[type[AdapterOptions]] = MqttOptions

    def __init__(self, options: MqttOptions) -> None:
        self.options = options
        self._client: paho.Client | None = None
        self._wire: Wire | None = None
        self._intake: Intake | None = None
        self._worker = Worker(options.name)
        self.workers = (self._worker,)
        self._emitter: Emitter | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._joined: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers = [(_matcher(one), _reader(one)) for one in options.subscriptions]
        self._nodes = Nodes(options.rebirth)

    async def open(self, emitter: Emitter) -> None:
        """Connect and subscribe; returns when the broker has agreed to all of it."""
        options = self.options
        self._emitter, self._loop = emitter, asyncio.get_running_loop()
        self._joined = self._loop.create_future()
        kept = options.client_id and not options.clean_session and options.version != "5"
        if not kept:
            self._nodes.forget()  # births may have been missed while we were away
        client = self._client = self._made()
        wire = self._wire = Wire(client, self._loop, partial(self._give_up_unreleased, client))
        most = 2 * options.max_message_bytes  # so that a single message never makes others wait
        self._intake = Intake(self._read, self._worker, most, wire.pause, wire.resume)
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
            kept = options.password_file or options.password_env
            password = secret(options.password_file, options.password_env) if kept else ""
            client.username_pw_set(options.username, password or options.password)
        if options.tls:
            client.tls_set_context(_trusting(options.ca_file))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    async def poll(self, emitter: Emitter) -> None:
        """Raise AdapterError if the connection is gone; the runner then opens it again."""
        alive = self._upkeep is not None and not self._upkeep.done()
        if self._client is None or not self._client.is_connected() or not alive:
            message = f"{self.options.host}:{self.options.port}: the connection is lost"
            raise AdapterError(message, cause="disconnected")

    async def close(self) -> None:
        """Leave the broker, and read what has arrived."""
        client, self._client = self._client, None
        if self._upkeep is not None:
            self._upkeep.cancel()
            self._upkeep = None
        if client is not None:
            client.on_message = None
            client.disconnect()
            with contextlib.suppress(OSError, ValueError):
                client.loop_write()
            self._give_up_unreleased(client, 0)
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        intake, self._intake = self._intake, None
        left = 0 if intake is None else await intake.close()
        if left and self._emitter is not None:
            self._emitter.fault(
                "unread", "messages that waited to be read when the adapter closed", left
            )
        self._worker.close()

    async def _keep_up(self, client: paho.Client) -> None:
        while client.loop_misc() == paho.MQTT_ERR_SUCCESS:
            await asyncio.sleep(1)

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
        wanted = self.options.subscriptions
        for subscription, reason in zip_longest(wanted, reasons[: len(wanted)]):
            if reason is None or reason.is_failure:
                why = reason or "the broker's answer leaves it out"
                self._refuse(f"{subscription.topic} cannot be subscribed: {why}", "refused")
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
        try:
            topic = message.topic
        except UnicodeDecodeError as error:
            emitter.fault("malformed", f"a topic is no UTF-8: {error}")
            return
        try:
            self._take(emitter, topic, message)
        except Exception as error:  # one message never costs the connection
            emitter.fault("malformed", _reason(topic, error))

    def _take(self, emitter: Emitter, topic: str, message: paho.MQTTMessage) -> None:
        """Pass one message on to the first subscription that it matches, if it is to be read."""
        matching = (one for match, one in self._readers if any(match.iter_match(topic)))
        reader = next(matching, None)
        if reader is None:
            emitter.fault("unmatched", f"{topic} was delivered and matches no subscription")
            return
        subscription = reader.subscription
        # A retained birth of Sparkplug is read: it names what later messages send by alias.
        if message.retain and subscription.retained == "skip" and not _is_sparkplug(subscription):
            emitter.unwatched("retained", f"{topic[:_SHORT]}: {SKIPPED}")
        elif len(message.payload) > self.options.max_message_bytes:
            self._refuse_size(emitter, topic, len(message.payload))
        elif self._intake is not None:
            payload = bytes(message.payload)
            self._intake.put(Arrived(reader, topic, payload, now(), message.retain))

    def _read(self, message: Arrived) -> None:
        """Read one message, in the loop or in the adapter's thread."""
        emitter = self._emitter
        if emitter is None:
            return
        try:
            self._read_into(emitter, message)
        except Exception as error:  # one message never costs the others
            emitter.fault("malformed", _reason(message.topic, error))

    def _read_into(self, emitter: Emitter, message: Arrived) -> None:
        reader, topic, payload, time, retained = message
        subscription = reader.subscription
        if _is_sparkplug(subscription):
            reading, command = self._nodes.read(subscription, topic, payload, time)
            if command is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._publish, command)
        else:
            reading = reader.read(topic, payload, time)
        if retained and subscription.retained == "skip":
            reading.skip_retained(topic)
        elif retained and subscription.retained == "mark":
            reading.mark_retained()
        reading.hand_to(emitter)

    def _publish(self, command: Command) -> None:
        if self._client is not None:
            self._client.publish(*command)

    def _give_up_unreleased(self, client: paho.Client, most: int = _MOST_UNRELEASED) -> None:
        largest, emitter = self.options.max_message_bytes, self._emitter
        for one in without_release(client, largest, most, _UNRELEASED_MESSAGES * largest):
            if emitter is None:
                continue
            topic = one._topic.decode(errors="replace")
            if len(one.payload) > largest:
                self._refuse_size(emitter, topic, len(one.payload))
            else:
                text = "a message with QoS 2 that the broker did not release (PUBREL) is given up"
                emitter.fault("unreleased", f"{topic[:_SHORT]}: {text}")

    def _refuse_size(self, emitter: Emitter, topic: str, size: int) -> None:
        most = self.options.max_message_bytes
        text = f"a message of {size} bytes, more than {most} (max_message_bytes)"
        emitter.fault("too_large", f"{topic[:_SHORT]}: {text}")


def _reason(topic: str, error: Exception) -> str:
    return f"{topic}: {str(error) or type(error).__name__}"[:500]


def _is_sparkplug(subscription: Subscription) -> bool:
    return subscription.payload == "sparkplug"


def _reader(subscription: Subscription) -> MessageReader | MappedReader:
    return MappedReader(subscription) if subscription.format else MessageReader(subscription)


def _matcher(subscription: Subscription) -> Any:
    made = MQTTMatcher()
    made[delivered_filter(subscription.topic)] = True
    return made
