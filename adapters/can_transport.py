"""Messages of J1939 that are longer than a frame: put together from their parts; no I/O.

A message of 9 to 1,785 bytes is announced (TP.CM: to all, BAM, or to one node, RTS) and comes as
packets of 7 bytes (TP.DT). In: transport frames in the order of a bus. Out: whole messages, and
why a frame or an announced message is none. Time is that of the frames: a message whose next packet
is late by more than `TIMEOUT` is given up, as by SAE J1939-21 (T1 750 ms, T2 1,250 ms). At most
`MOST_OPEN` messages are open, so memory is bounded. Longer ones (ETP, to 117 MB) carry files for
one node, such as pictures of a terminal, and are counted: no group with signals is that long.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from padit.adapters.can_messages import Address

__all__ = ["MOST_OPEN", "TIMEOUT", "Note", "Transport", "Whole"]

TIMEOUT = 1.25
"""Seconds from packet to packet."""
MOST_OPEN = 512
_CONTROL, _DATA, _LONG_CONTROL, _LONG_DATA = 0xEC00, 0xEB00, 0xC800, 0xC700
_RTS, _BAM, _ABORT = 16, 32, 255
_LONG_RTS = 20
_LONGEST = 1785
_PACKET = 7

_Key = tuple[int | None, int | None]
"""Source and destination."""


class Whole(NamedTuple):
    """A message that is complete.

    Attributes:
        address: its parameter group, and who sent it to whom.
        data: all of its bytes.
    """

    address: Address
    data: bytes


class Note(NamedTuple):
    """Why there is no message.

    Attributes:
        kind: "transport_control" for frames without data of their own, "multi_packet" for data
            that is not put together, "incomplete" for a message of which packets are missing.
        text: for people, with the parameter group.
    """

    kind: Literal["transport_control", "multi_packet", "incomplete"]
    text: str


@dataclass(slots=True)
class _Open:
    """An announced message."""

    address: Address
    size: int
    packets: int
    last: float
    parts: dict[int, bytes] = field(default_factory=dict)


class Transport:
    """Puts messages together."""

    def __init__(self) -> None:
        self._open: OrderedDict[_Key, _Open] = OrderedDict()

    @staticmethod
    def carries(pgn: int) -> bool:
        """Whether frames of a parameter group carry parts of messages."""
        return pgn in (_CONTROL, _DATA, _LONG_CONTROL, _LONG_DATA)

    def take(self, address: Address, data: bytes, when: float) -> tuple[Whole | None, list[Note]]:
        """Take in a transport frame.

        Args:
            address: of the frame.
            data: of the frame.
            when: time of the frame, epoch seconds.

        Returns:
            The message that it completes, and what there is to count.
        """
        notes = self.expire(when)
        if address.pgn == _CONTROL:
            return None, [*notes, *self._control(address, data, when)]
        if address.pgn == _DATA:
            whole, more = self._packet(address, data, when)
            return whole, [*notes, *more]
        return None, [*notes, _long(address, data)]

    def expire(self, when: float) -> list[Note]:
        """Give up messages whose next packet is late."""
        notes = []
        while self._open:
            key, first = next(iter(self._open.items()))
            if when - first.last <= TIMEOUT:
                break
            notes.append(self._given_up(key, f"no packet for {TIMEOUT:g} s"))
        return notes

    def _control(self, address: Address, data: bytes, when: float) -> list[Note]:
        if len(data) < 8:
            return [Note("incomplete", f"TP.CM of {_who(address)} has {len(data)} bytes, not 8")]
        if data[0] == _ABORT:
            keys = ((address.source, address.destination), (address.destination, address.source))
            ended = [key for key in keys if key in self._open]
            notes = [self._given_up(key, "it was aborted") for key in ended]
            return notes or [Note("transport_control", f"{_who(address)} aborts a message")]
        if data[0] not in (_RTS, _BAM):
            text = f"TP.CM of {_who(address)} only steers the transport of another message"
            return [Note("transport_control", text)]
        size, packets = int.from_bytes(data[1:3], "little"), data[3]
        group = int.from_bytes(data[5:8], "little")
        of_it = Address(group, address.source, address.priority, address.destination)
        if not 8 < size <= _LONGEST or packets != -(-size // _PACKET):
            text = f"{_what(of_it)}: {size} bytes in {packets} packets cannot be announced"
            return [Note("incomplete", text)]
        key, notes = (address.source, address.destination), []
        if key in self._open:
            notes.append(self._given_up(key, "another one was announced"))
        if len(self._open) >= MOST_OPEN:
            notes.append(self._given_up(next(iter(self._open)), f"{MOST_OPEN} others are open"))
        self._open[key] = _Open(of_it, size, packets, when)
        text = f"TP.CM of {_who(address)} announces a message of several frames"
        return [*notes, Note("transport_control", text)]

    def _packet(
        self, address: Address, data: bytes, when: float
    ) -> tuple[Whole | None, list[Note]]:
        key = address.source, address.destination
        one = self._open.get(key)
        if one is None:
            text = f"TP.DT of {_who(address)}: a part of a message whose beginning was not seen"
            return None, [Note("multi_packet", text)]
        number = data[0] if data else 0
        if not 1 <= number <= one.packets or len(data) < 1 + min(
            _PACKET, one.size - _PACKET * (number - 1)
        ):
            return None, [self._given_up(key, f"packet {number} does not fit")]
        one.parts[number] = data[1 : 1 + _PACKET]
        one.last = when
        self._open.move_to_end(key)
        if len(one.parts) < one.packets:
            return None, []
        del self._open[key]
        whole = b"".join(one.parts[i] for i in range(1, one.packets + 1))[: one.size]
        return Whole(one.address, whole), []

    def _given_up(self, key: _Key, why: str) -> Note:
        one = self._open.pop(key)
        had = f"{len(one.parts)} of {one.packets} packets came"
        return Note("incomplete", f"{_what(one.address)}: {why}; {had}")


def _what(address: Address) -> str:
    return f"PGN {address.pgn} (0x{address.pgn:04x}) of {_who(address)}"


def _who(address: Address) -> str:
    return f"0x{address.source:02x}"


def _long(address: Address, data: bytes) -> Note:
    """A frame of a message of more than 1,785 bytes."""
    if address.pgn == _LONG_CONTROL and len(data) == 8 and data[0] == _LONG_RTS:
        group = int.from_bytes(data[5:8], "little")
        of_it = Address(group, address.source, address.priority, address.destination)
        size = int.from_bytes(data[1:5], "little")
        text = f"{_what(of_it)}: {size} bytes; messages of more than {_LONGEST} are not read"
        return Note("multi_packet", text)
    if address.pgn == _LONG_CONTROL:
        return Note("transport_control", f"ETP.CM of {_who(address)} only steers a transport")
    text = f"ETP.DT of {_who(address)}: messages of more than {_LONGEST} bytes are not read"
    return Note("multi_packet", text)
