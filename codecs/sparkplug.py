"""Sparkplug B: the payload of an MQTT message, with its topic, to samples.

    births = Births()
    found = read_message(topic, payload, births, received=now())
    # found.metrics, found.unwatched, found.rejects, found.rebirth

Source is `group/edge node[/device]`, name the metric's, unit its property `engUnit`. A birth
(NBIRTH, DBIRTH) names metrics, types and aliases; data may then come with the alias alone. The
caller keeps that in a `Births`, bounded. Numbers and booleans are samples; elements of an array
are `name[i]`, members of a template `name/member`. What is null, of bad quality, text, a time, a
file or a data set becomes no sample and is counted as unwatched; what cannot be read is a reject.
A compressed payload is unpacked. No bytes raise.

Data with an alias of a birth that was not seen (after a restart) cannot be understood. Then
`found.rebirth` is true, and publishing `rebirth_request(topic)`, the command
`Node Control/Rebirth` that every edge node knows, brings the birth.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from padit.codecs.contract import shorten
from padit.codecs.names import name_fault
from padit.codecs.sparkplug_births import Births, Known, Note, Notes
from padit.codecs.sparkplug_proto import Payload
from padit.codecs.sparkplug_values import (
    ARRAYS,
    TYPES,
    elements_of,
    number_of,
    quality_of,
    unpacked,
)
from padit.domain.metric import Metric, Series
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["Births", "Message", "Note", "read_message", "rebirth_request"]

NAMESPACE = "spBv1.0"
MOST_BYTES = 4 << 20
"""Bytes of a payload that is read."""
_DEEPEST = 8
_UNITS = ("engunit", "engineeringunits", "engineering units", "unit", "units")
_KINDS = ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD", "DCMD")
_SEQUENCE = 256


class Message(NamedTuple):
    """What is in a message.

    Attributes:
        metrics: the samples; time in milliseconds, metadata `{"historical": true}` where the
            edge node had stored them.
        unwatched: what is there and becomes no sample by decision.
        rejects: what cannot be used.
        rebirth: whether a birth is missing; see `rebirth_request`.
        missed: messages missing between the last one of the edge node and this, by its sequence
            number; only meaningful if all topics of the node are subscribed.
    """

    metrics: list[Metric]
    unwatched: list[Note]
    rejects: list[Note]
    rebirth: bool = False
    missed: int = 0


class _Place(NamedTuple):
    """Where a message comes from."""

    kind: str
    node: str
    device: str

    @property
    def source(self) -> str:
        return f"{self.node}/{self.device}" if self.device else self.node

    @property
    def birth(self) -> bool:
        return self.kind in ("NBIRTH", "DBIRTH")


def read_message(topic: str, payload: bytes, births: Births, received: float) -> Message:
    """The samples in a message.

    Args:
        topic: of the message, `spBv1.0/group/TYPE/edge node[/device]`.
        payload: of the message.
        births: what earlier messages of these edge nodes have named; is changed.
        received: epoch seconds, the time of a sample without one.
    """
    unwatched, rejects = Notes(), Notes()
    place = _place(topic)
    if isinstance(place, str):
        kind = unwatched if topic.startswith(f"{NAMESPACE}/STATE/") else rejects
        kind.add("topic", place)
        return Message([], unwatched.all(), rejects.all())
    if place.kind in ("NCMD", "DCMD"):
        unwatched.add("command", f"{topic}: a command holds no measurement")
        return Message([], unwatched.all(), [])
    if fault := name_fault(Series(place.source, "m")):
        rejects.add("topic", fault)
        return Message([], [], rejects.all())
    if len(payload) > MOST_BYTES:
        rejects.add("size", f"{topic}: {len(payload)} bytes, more than {MOST_BYTES}")
        return Message([], [], rejects.all())
    message = Payload()
    try:
        message.ParseFromString(payload)
    except (DecodeError, ValueError, RecursionError) as error:
        rejects.add("malformed", f"{topic}: no Sparkplug B payload: {error}")
        return Message([], [], rejects.all())
    reading = _Reading(place, births, received, unwatched, rejects)
    return reading.read(message)


def rebirth_request(topic: str) -> tuple[str, bytes]:
    """Topic and payload of the command that makes the edge node of a topic send its births.

    >>> rebirth_request("spBv1.0/plant/DDATA/edge-1/press")[0]
    'spBv1.0/plant/NCMD/edge-1'
    """
    parts = topic.split("/")
    message = Payload()
    message.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    return f"{NAMESPACE}/{parts[1]}/NCMD/{parts[3]}", message.SerializeToString()


def _place(topic: str) -> _Place | str:
    """Parts of a topic; as text the reason why it is none."""
    parts = topic.split("/")
    if parts[0] == NAMESPACE and parts[1:2] == ["STATE"]:
        return f"{topic}: the state of a host application holds no measurement"
    device = parts[2:3] and parts[2].startswith("D")
    if parts[0] != NAMESPACE or len(parts) != (5 if device else 4) or parts[2] not in _KINDS:
        return (
            f"the topic {shorten(topic)} does not read "
            f"{NAMESPACE}/group/TYPE/edge node[/device]; TYPE is one of {', '.join(_KINDS)}"
        )
    return _Place(parts[2], f"{parts[1]}/{parts[3]}", parts[4] if device else "")


class _Reading:
    """One message while it is read."""

    def __init__(
        self, place: _Place, births: Births, received: float, unwatched: Notes, rejects: Notes
    ) -> None:
        self._place, self._births, self._received = place, births, received
        self._unwatched, self._rejects = unwatched, rejects
        self._rebirth = False

    def read(self, message: Any) -> Message:
        """All of it."""
        place, births = self._place, self._births
        sequence = int(message.seq) if message.HasField("seq") else None
        message = self._unpacked(message)
        first = place.kind == "NBIRTH"
        if first and self._is_old(message):
            return Message([], self._unwatched.all(), self._rejects.all())
        counts = sequence is not None and place.kind != "NDEATH"
        missed = births.missed(place.node, (sequence or 0) % _SEQUENCE, first) if counts else 0
        if place.kind in ("NDEATH", "DDEATH"):
            self._end(message)
            return Message([], self._unwatched.all(), self._rejects.all(), missed=missed)
        if place.birth:
            births.begin(place.node, place.device)
        default = message.timestamp if message.HasField("timestamp") else None
        metrics = [sample for one in message.metrics for sample in self._samples(one, default)]
        return Message(metrics, self._unwatched.all(), self._rejects.all(), self._rebirth, missed)

    def _unpacked(self, message: Any) -> Any:
        """The payload that a compressed one holds; any other as it is."""
        if not message.HasField("body"):
            return message
        if message.uuid != "SPBV1.0_COMPRESSED":
            self._unwatched.add("body", f"{self._place.source}: a body that is no payload")
            return message
        named = (one.string_value for one in message.metrics if one.name == "algorithm")
        try:
            return unpacked(message.body, next(named, ""), MOST_BYTES)
        except (DecodeError, ValueError, RecursionError) as error:
            self._rejects.add("malformed", f"{self._place.source}: a compressed payload: {error}")
            return Payload()

    def _is_old(self, message: Any) -> bool:
        """Whether a node's birth came after a later one; its aliases may mean other metrics."""
        session = next((_session(one) for one in message.metrics if one.name == "bdSeq"), None)
        if session is None or not message.HasField("timestamp"):
            return False
        old = self._births.older(self._place.node, session, int(message.timestamp))
        if old:
            count = len(message.metrics)
            self._unwatched.add("old birth", f"{self._place.source}: a birth of before", count)
        return old

    def _end(self, message: Any) -> None:
        """A death: its metrics are unknown from now on, unless it is that of an older session."""
        place = self._place
        session = next((_session(one) for one in message.metrics if one.name == "bdSeq"), None)
        current = self._births.session(place.node, None)
        if place.kind == "NDEATH" and session is not None and current not in (None, session):
            self._unwatched.add("death", f"{place.source}: the death of an earlier session")
            return
        self._births.begin(place.node, place.device)
        self._unwatched.add("death", f"{place.source} is gone ({place.kind})")

    def _samples(self, one: Any, default: int | None) -> Iterator[Metric]:
        """The samples of one metric of the payload."""
        known = self._known(one)
        if known is None:
            return
        name = known.name
        if name == "bdSeq" or name.startswith(("Node Control/", "Device Control/")):
            if name == "bdSeq" and self._place.kind == "NBIRTH":
                self._births.session(self._place.node, _session(one))
            self._unwatched.add("control", f"{name} controls the edge node, it measures nothing")
            return
        stamp = one.timestamp if one.HasField("timestamp") else default
        yield from self._values(one, known, stamp, 0)

    def _known(self, one: Any) -> Known | None:
        """Name, type and unit; None where they cannot be known."""
        place, births = self._place, self._births
        alias = int(one.alias) if one.HasField("alias") else None
        key: int | str | None = one.name or alias
        if key is None:
            self._rejects.add("nameless", f"{place.source}: a metric without name and alias")
            return None
        before = None if place.birth else births.find(place.node, place.device, key)
        if before is not None and not before.name:
            text = f"{place.source}: alias {alias}, which its birth gave to several metrics"
            self._rejects.add("alias", text)
            return None
        if before is not None:
            return before._replace(datatype=one.datatype or before.datatype)
        if not one.name:
            self._rebirth = True
            self._rejects.add(
                "no birth",
                f"{place.source}: alias {alias} is unknown, its birth has not been seen; "
                "the edge node sends it again on Node Control/Rebirth",
            )
            return None
        known = Known(one.name, one.datatype, _unit(one))
        if fault := name_fault(Series(place.source, known.name, known.unit)):
            self._rejects.add("name", f"{shorten(place.source)}: {shorten(known.name)}: {fault}")
            return None
        self._keep(alias, known)
        if not place.birth and not births.knows(place.node, place.device):
            self._rebirth = True
        return known

    def _keep(self, alias: int | None, known: Known) -> None:
        """What a birth names."""
        place = self._place
        why = place.birth and self._births.keep(place.node, place.device, alias, known)
        if why:
            # Of an alias given twice only what follows is lost, which is counted then.
            count = 0 if why.startswith("alias ") else 1
            self._rejects.add("births", f"{place.source}: {why}", count)

    def _values(self, one: Any, known: Known, stamp: int | None, depth: int) -> Iterator[Metric]:
        name, datatype, _ = known
        if one.is_null:
            self._unwatched.add("null", f"{name} is null: absent is not a number")
        elif (quality := quality_of(one)) is not None:
            self._unwatched.add("quality", f"{name} has the quality {quality}, which is bad")
        elif one.HasField("template_value"):
            yield from self._members(one.template_value, name, stamp, depth)
        elif datatype in ARRAYS and one.HasField("bytes_value"):
            yield from self._elements(one, known, stamp)
        else:
            value = number_of(one, datatype)
            if value is None:
                kind = TYPES.get(datatype, f"type {datatype}")
                self._unwatched.add(kind, f"{name} is of the type {kind}, which is no number")
            elif isinstance(value, str):
                self._rebirth |= datatype == 0
                self._rejects.add("value", f"{self._place.source}: {name}: {value}")
            else:
                yield from self._sample(one, known, stamp, value)

    def _members(self, template: Any, name: str, stamp: int | None, depth: int) -> Iterator[Metric]:
        if template.is_definition:
            self._unwatched.add("definition", f"{name} defines a template, it measures nothing")
            return
        if depth == _DEEPEST:
            self._rejects.add("depth", f"{name}: templates deeper than {_DEEPEST}")
            return
        for member in template.metrics:
            own = member.timestamp if member.HasField("timestamp") else stamp
            if not member.name:
                self._rejects.add("nameless", f"{name}: a member of a template without a name")
                continue
            yield from self._values(member, self._member(member, name), own, depth + 1)

    def _member(self, member: Any, name: str) -> Known:
        """A member; data may leave out what the birth said of it."""
        place = self._place
        full = Known(f"{name}/{member.name}", member.datatype, _unit(member))
        before = None if place.birth else self._births.find(place.node, place.device, full.name)
        if before is not None:
            return full._replace(
                datatype=full.datatype or before.datatype, unit=full.unit or before.unit
            )
        self._keep(None, full)
        return full

    def _elements(self, one: Any, known: Known, stamp: int | None) -> Iterator[Metric]:
        values, left = elements_of(one.bytes_value, known.datatype)
        if isinstance(left, str):
            self._rejects.add("value", f"{self._place.source}: {known.name}: {left}")
            return
        if not values:
            self._unwatched.add("empty", f"{known.name} is an array without an element")
        for i, value in enumerate(values):
            yield from self._sample(one, known._replace(name=f"{known.name}[{i}]"), stamp, value)
        if left:
            self._unwatched.add(
                "elements", f"{known.name} has more than {len(values)} elements", left
            )

    def _sample(self, one: Any, known: Known, stamp: int | None, value: float) -> Iterator[Metric]:
        source = self._place.source
        fault = name_fault(Series(source, known.name, known.unit))
        micros = self._received * 1e6 if stamp is None else stamp * 1e3
        if not math.isfinite(value):
            fault = f"{value} is not a finite number"
        elif not EARLIEST_US <= micros < LATEST_US:
            fault = f"the timestamp {stamp} lies outside the years 2000 to 2199"
        if fault:
            self._rejects.add("value", f"{source}: {shorten(known.name)}: {fault}")
            return
        metadata = {"historical": True} if one.is_historical else {}
        yield Metric(
            micros / 1e3, source, known.name, value, known.unit,
            protocol="sparkplug", metadata=metadata,
        )  # fmt: skip


def _session(one: Any) -> int:
    return int(one.long_value if one.HasField("long_value") else one.int_value)


def _unit(one: Any) -> str:
    """The unit among a metric's properties."""
    if not one.HasField("properties"):
        return ""
    for key, value in zip(one.properties.keys, one.properties.values, strict=False):
        if key.lower() in _UNITS and not value.is_null:
            return str(value.string_value)
    return ""
