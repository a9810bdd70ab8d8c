"""OPC UA: values of controllers and machines, by subscription.

An item is one data change of a node; its time is the source's time stamp, else the server's, else
ours. It is the unit of the books: each is a sample, a fault (its status is bad, or it is not
finite, or its time is impossible) or unwatched (its status is uncertain, unless
`accept_uncertain`; it has no value, or text or an array). A change that the server's queue had no
room for is a fault, `overflow`.

Every poll reads the server's state, looks whether the subscription lives (`opcua_subscription`),
emits `opcua_up`, 1 or 0, and `opcua_good_ratio`, the share of the nodes whose latest value is good.
When the connection or the subscription is lost the adapter opens and subscribes again, and the
server sends every latest value first. After a crash of this process it is the same; between,
changes are lost.
"""

import contextlib
import math
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from asyncua import ua
from asyncua.crypto import security_policies
from pydantic import Field, model_validator

from padit.adapters.base import AdapterOptions, Emitter, Options, Seconds, now
from padit.adapters.errors import AdapterError
from padit.adapters.opcua_subscription import Session, Watch
from padit.adapters.secrets import secret
from padit.adapters.times import possible_time
from padit.domain.metric import Metric, MetricType

__all__ = ["OpcUaAdapter", "OpcUaNode", "OpcUaOptions", "value_of"]

_FAILED = (ua.UaError, OSError, TimeoutError, ValueError)
_OVERFLOW = 0x480  # of the status: information about the value, queue overflow
_NO_TIME = datetime(1601, 1, 1, tzinfo=UTC)  # how the protocol encodes that there is none
_URI = "urn:padit:adapters"


class OpcUaNode(Options):
    """One variable of the server."""

    node: str = Field(
        min_length=3, description="Identifier of the node.", examples=["ns=2;s=Press.Torque"]
    )
    name: str = Field(min_length=1, description="Name of the metric.", examples=["torque_nm"])
    scale: float = Field(default=1.0, description="Factor.")
    offset: float = Field(default=0.0, description="Added after the factor.")
    unit: str = Field(default="", description="Unit.")
    metric_type: MetricType = Field(default="custom", description="Family of the metric.")

    @model_validator(mode="after")
    def _is_node(self) -> "OpcUaNode":
        try:
            ua.NodeId.from_string(self.node)
        except (ua.UaError, ValueError) as error:
            message = f"{self.node!r} is no node, such as ns=2;s=Press.Torque: {error}"
            raise ValueError(message) from error
        return self


class OpcUaOptions(AdapterOptions):
    """Options of the `opcua` adapter."""

    url: str = Field(
        pattern=r"^opc\.tcp://[^/@]+(/.*)?$",
        description="Endpoint of the server.",
        examples=["opc.tcp://10.0.0.9:4840"],
    )
    source_id: str = Field(default="", description="Source of the samples; the adapter's name.")
    nodes: tuple[OpcUaNode, ...] = Field(min_length=1, description="What to subscribe to.")
    publish_ms: float = Field(
        default=1000.0, ge=10, le=3_600_000, description="How often the server sends changes."
    )
    sampling_ms: float = Field(
        default=0.0, ge=0, le=3_600_000, description="How often it looks; 0 as fast as it can."
    )
    queue_size: int = Field(
        default=100, ge=1, le=100_000, description="Changes of a node kept between two sendings."
    )
    accept_uncertain: bool = Field(
        default=False, description="Take values whose status is uncertain."
    )
    request_timeout_sec: Seconds = Field(default=4.0, description="Wait for one answer.")
    security: Literal["None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = (
        Field(default="None", description="Policy of the secure channel.")
    )
    mode: Literal["Sign", "SignAndEncrypt"] = Field(
        default="SignAndEncrypt", description="Whether messages are encrypted as well."
    )
    cert_file: str = Field(default="", description="Our certificate, PEM or DER.")
    key_file: str = Field(default="", description="Its key, PEM or DER.")
    server_cert_file: str = Field(
        default="",
        description="The server's certificate; without it the one that the server shows is taken.",
    )
    application_uri: str = Field(
        default=_URI, description="Our name; servers want it in our certificate."
    )
    username: str = Field(default="", description="User name; anonymous without it.")
    password_file: str = Field(default="", description="File with the password.")

    @model_validator(mode="after")
    def _makes_sense(self) -> "OpcUaOptions":
        names = [node.name for node in self.nodes]
        message = ""
        if len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            message = f"nodes: the name {double} stands there twice"
        elif self.security != "None" and not (self.cert_file and self.key_file):
            message = "`security` needs `cert_file` and `key_file`"
        elif self.password_file and not self.username:
            message = "`password_file` needs `username`"
        if message:
            raise ValueError(message)
        return self


class _Unwatched(ValueError):
    """A value that is not taken; `cause` counts it, as a fault if it is a bad one."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.bad = cause in ("bad_status", "not_finite", "time")


def value_of(node: OpcUaNode, data: Any, *, uncertain: bool) -> tuple[float, float | None]:
    """(value, epoch seconds of its source or server) of a data value.

    Args:
        node: scale and offset.
        data: of asyncua, with status and time stamps.
        uncertain: whether a value of uncertain status is taken.

    Raises:
        ValueError: bad or uncertain, no number, not finite, or of an impossible time; its `cause`
            counts it.
    """
    status = data.StatusCode.value if data.StatusCode is not None else 0
    severity = status >> 30  # 0 good, 1 uncertain, 2 and 3 bad
    if severity >= 2 or (severity == 1 and not uncertain):
        kind = "bad_status" if severity >= 2 else "uncertain_status"
        remedy = "" if severity >= 2 else "; `accept_uncertain: true` takes it"
        message = f"{node.name}: its status is {data.StatusCode.name}{remedy}"
        raise _Unwatched(message, kind)
    raw = data.Value.Value if data.Value is not None else None
    if raw is None:
        message = f"{node.name} has no value"
        raise _Unwatched(message, "no_value")
    if isinstance(raw, str) or not isinstance(raw, int | float):
        message = f"{node.name}: {str(raw)[:60]!r} is no number"
        raise _Unwatched(message, "no_number")
    value = float(raw) * node.scale + node.offset
    if not math.isfinite(value):
        message = f"{node.name} is {value}"
        raise _Unwatched(message, "not_finite")
    return value, _time_of(node, value, data)


def _time_of(node: OpcUaNode, value: float, data: Any) -> float | None:
    """Epoch seconds of the source, else of the server; None if both state none."""
    for stamp in (data.SourceTimestamp, data.ServerTimestamp):
        if stamp is None:
            continue
        aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
        if aware == _NO_TIME:
            continue
        seconds = float(aware.timestamp())
        if not possible_time(seconds):
            when = f"{aware:%Y-%m-%d}"
            message = f"{node.name}: the value {value:g} has the impossible time {when}"
            raise _Unwatched(message, "time")
        return seconds
    return None


class OpcUaAdapter:
    """Data changes of OPC UA servers."""

    Options: ClassVar[type[AdapterOptions]] = OpcUaOptions

    def __init__(self, options: OpcUaOptions) -> None:
        self.options = options
        self._source = options.source_id or options.name
        self._nodes = {ua.NodeId.from_string(node.node): node for node in options.nodes}
        self._good: dict[str, bool] = {}
        self._client: Any = None
        self._watch: Watch | None = None
        self._emitter: Emitter | None = None
        self._lost = ""

    async def open(self, emitter: Emitter) -> None:
        """Connect and subscribe; a node that the server refuses costs only itself."""
        options = self.options
        self._emitter, self._lost, self._good = emitter, "", {}
        client = Session(options.url, timeout=options.request_timeout_sec)
        client.application_uri = options.application_uri
        try:
            await self._identify(client)
            await client.connect()
            self._client = client
            period = await client.create_subscription(options.publish_ms, self)
            self._watch = Watch(client, period, options.request_timeout_sec)
            handles = await period.subscribe_data_change(
                [client.get_node(node.node) for node in options.nodes],
                queuesize=options.queue_size,
                sampling_interval=options.sampling_ms,
            )
        except _FAILED as error:
            self._emit_up(emitter, 0.0)
            message = f"{options.url}: {type(error).__name__}: {error}"
            raise AdapterError(message, cause="connect") from error
        for node, handle in zip(options.nodes, handles, strict=True):
            if isinstance(handle, ua.StatusCode):
                emitter.fault("refused", f"{node.name} ({node.node}): {handle.name}")

    async def _identify(self, client: Any) -> None:
        options = self.options
        if options.security != "None":
            policy = getattr(security_policies, f"SecurityPolicy{options.security}")
            await client.set_security(
                policy,
                options.cert_file,
                options.key_file,
                server_certificate=options.server_cert_file or None,
                mode=getattr(ua.MessageSecurityMode, options.mode),
            )
        if options.username:
            client.set_user(options.username)
            if options.password_file:
                client.set_password(secret(options.password_file))

    async def poll(self, emitter: Emitter) -> None:
        """Read the server's state; raises AdapterError when the connection is gone."""
        lost = self._lost or await self._trouble()
        if lost or self._client is None:
            self._emit_up(emitter, 0.0)
            message = f"{self.options.url}: the connection is lost: {lost or 'closed'}"
            raise AdapterError(message, cause="disconnected")
        self._emit_up(emitter, 1.0)

    async def _trouble(self) -> str:
        """Why the server or its subscription cannot be used any more, "" if all is well."""
        if self._client is None or self._watch is None:
            return "closed"
        try:
            state = await self._client.nodes.server_state.read_value()
        except _FAILED as error:
            return f"{type(error).__name__}: {error}"
        if state != ua.ServerState.Running:
            known = isinstance(state, int) and state in list(ua.ServerState)
            return f"the server's state is {ua.ServerState(state).name if known else repr(state)}"
        return self._watch.trouble()

    async def close(self) -> None:
        """End the subscription and the session."""
        client, self._client = self._client, None
        self._emitter = self._watch = None
        if client is not None:
            with contextlib.suppress(*_FAILED):
                await client.disconnect()

    def datachange_notification(self, node: Any, _: Any, data: Any) -> None:
        """Called by asyncua in our loop for every change."""
        emitter, known = self._emitter, self._nodes.get(node.nodeid)
        if emitter is None:
            return
        if known is None:
            emitter.unwatched("unknown_node", f"{node.nodeid} is not among `nodes`")
            return
        item = data.monitored_item.Value
        if item.StatusCode is not None and item.StatusCode.value & _OVERFLOW == _OVERFLOW:
            message = f"{known.name}: the server's queue was full; raise `queue_size`"
            emitter.fault("overflow", message)
        try:
            value, time = value_of(known, item, uncertain=self.options.accept_uncertain)
        except _Unwatched as error:
            self._good[known.name] = False
            count = emitter.fault if error.bad else emitter.unwatched
            count(error.cause, str(error))
            return
        self._good[known.name] = True
        when = now() if time is None else time
        emitter.emit([self._metric(when, known.name, value, known.unit, known.metric_type)])

    def status_change_notification(self, status: Any) -> None:
        """Called by asyncua when the subscription ends."""
        self._lost = f"the subscription ended: {status.Status.name}"

    def _emit_up(self, emitter: Emitter, up: float) -> None:
        good = sum(self._good.values()) / len(self.options.nodes) if up else 0.0
        found = [self._metric(now(), "opcua_up", up, "1", "availability")]
        found.append(self._metric(now(), "opcua_good_ratio", good, "1", "availability"))
        emitter.emit(found)

    def _metric(self, time: float, name: str, value: float, unit: str, kind: MetricType) -> Metric:
        return Metric(time, self._source, name, value, unit, kind, "opcua")
