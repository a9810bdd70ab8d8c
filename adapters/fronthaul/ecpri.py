"""eCPRI one-way delay measurement: message type 5 of the eCPRI specification v2.0, 3.2.4.6.

A message is a 4-byte common header (revision, C bit, type, payload size) and 20 bytes:
measurement id, action, a time stamp as in IEEE 1588 (48 bits of seconds, 32 of nanoseconds) and
a compensation value (signed nanoseconds times 2^16); dummy bytes may follow. All big-endian.

The one-way delay is (t2 - tcv2) - (t1 + tcv1): it needs synchronised clocks at both ends.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "ETHER_TYPE",
    "MESSAGE_TYPE",
    "PORT",
    "Action",
    "DelayMessage",
    "EcpriError",
    "decode",
    "encode",
    "one_way_delay_ns",
]

ETHER_TYPE = 0xAEFE
MESSAGE_TYPE = 5
PORT = 44_798
"""Default UDP port here; eCPRI leaves the port to management (this one is 0xAEFE)."""

_HEADER = struct.Struct(">BBH")
_BODY = struct.Struct(">BBHIIq")
_REVISION = 1
_MOST_DUMMY = 65_535 - _BODY.size


class EcpriError(ValueError):
    """The bytes are no eCPRI message."""


class Action(IntEnum):
    """What a one-way delay message requests or reports."""

    REQUEST = 0
    REQUEST_WITH_FOLLOW_UP = 1
    RESPONSE = 2
    REMOTE_REQUEST = 3
    REMOTE_REQUEST_WITH_FOLLOW_UP = 4
    FOLLOW_UP = 5


@dataclass(frozen=True, slots=True)
class DelayMessage:
    """One message of type 5.

    Attributes:
        measurement_id: 0 to 255; ties the messages of one measurement together.
        action: what it requests or reports.
        time_ns: the time stamp, nanoseconds since 1970; 0 where the action has none.
        compensation_ns: correction in nanoseconds, to 2^-16.
        dummy: bytes behind the fields, to make the message as long as the traffic it stands for.
    """

    measurement_id: int
    action: Action
    time_ns: int = 0
    compensation_ns: float = 0.0
    dummy: int = 0


def encode(message: DelayMessage) -> bytes:
    """One message as bytes.

    Raises:
        ValueError: a field does not fit.
    """
    if not 0 <= message.dummy <= _MOST_DUMMY:
        text = f"{message.dummy} dummy bytes do not fit; at most {_MOST_DUMMY}"
        raise ValueError(text)
    seconds, nanoseconds = divmod(message.time_ns, 1_000_000_000)
    try:
        body = _BODY.pack(
            message.measurement_id,
            message.action,
            seconds >> 32,
            seconds & 0xFFFFFFFF,
            nanoseconds,
            round(message.compensation_ns * 65_536),
        )
    except struct.error as error:
        text = f"{message} does not fit its fields: {error}"
        raise ValueError(text) from error
    size = _BODY.size + message.dummy
    return _HEADER.pack(_REVISION << 4, MESSAGE_TYPE, size) + body + bytes(message.dummy)


def decode(data: bytes) -> list[DelayMessage]:
    """The delay messages in one packet; concatenated messages of other types are passed over.

    Raises:
        EcpriError: truncated, of another revision, or with an unknown action.
    """
    return [
        _delay_message(payload)
        for message_type, payload in _messages(data)
        if message_type == MESSAGE_TYPE
    ]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    position, more = 0, True
    while more:
        if len(data) < position + _HEADER.size:
            text = f"{len(data)} bytes end within the eCPRI header at {position}"
            raise EcpriError(text)
        first, message_type, size = _HEADER.unpack_from(data, position)
        if first >> 4 != _REVISION:
            text = f"eCPRI revision {first >> 4}, this code speaks {_REVISION}"
            raise EcpriError(text)
        more = bool(first & 1)
        payload = data[position + _HEADER.size : position + _HEADER.size + size]
        if len(payload) < size:
            text = f"a payload of {size} bytes is announced, {len(payload)} are there"
            raise EcpriError(text)
        yield message_type, payload
        position += _HEADER.size + size
        position += -position % 4  # concatenated messages begin at multiples of 4


def _delay_message(payload: bytes) -> DelayMessage:
    if len(payload) < _BODY.size:
        text = f"a delay message of {len(payload)} bytes, at least {_BODY.size} are needed"
        raise EcpriError(text)
    identity, action, high, low, nanoseconds, compensation = _BODY.unpack_from(payload)
    if action > Action.FOLLOW_UP:
        text = f"action type {action} is reserved"
        raise EcpriError(text)
    if nanoseconds >= 1_000_000_000:
        text = f"a time stamp with {nanoseconds} nanoseconds"
        raise EcpriError(text)
    time_ns = ((high << 32) | low) * 1_000_000_000 + nanoseconds
    dummy = len(payload) - _BODY.size
    return DelayMessage(identity, Action(action), time_ns, compensation / 65_536, dummy)


def one_way_delay_ns(sent: DelayMessage, received: DelayMessage) -> float:
    """(t2 - tcv2) - (t1 + tcv1) in nanoseconds.

    Args:
        sent: carries t1: the request, or its follow-up.
        received: the response, which carries t2.

    >>> one_way_delay_ns(
    ...     DelayMessage(7, Action.REQUEST, 1_000_000, 200.0),
    ...     DelayMessage(7, Action.RESPONSE, 1_025_700, 500.0),
    ... )
    25000.0
    """
    between = received.time_ns - sent.time_ns  # integers first: a float holds no epoch in ns
    return between - received.compensation_ns - sent.compensation_ns
