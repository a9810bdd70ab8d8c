"""The other ends: responders for UDP echo, eCPRI delay measurement and CFM loopback.

They answer only what is addressed to them and well-formed, and count the rest. They hold no
state but the remote requests in progress, of which there are at most 256.
"""

import time
from typing import Any, Protocol

from padit.adapters.fronthaul import cfm, echo, ecpri
from padit.adapters.fronthaul.ecpri import Action, DelayMessage
from padit.adapters.fronthaul.links import Arrival, EthernetLink, UdpLink, format_mac
from padit.domain.errors import ConfigurationError

__all__ = [
    "CfmResponder",
    "EchoResponder",
    "EcpriResponder",
    "Responder",
    "make_responder",
]


class Responder(Protocol):
    """Answers until it is closed.

    Attributes:
        counts: answered and refused packets, by what they were.
    """

    counts: dict[str, int]

    async def open(self) -> str:
        """Begin to answer; where. Raises AdapterError."""

    async def close(self) -> None:
        """Stop."""


def make_responder(
    protocol: str,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    interface: str | None = None,
    level: int | None = 0,
) -> Responder:
    """A responder by its protocol: udp-echo, ecpri-udp, ecpri or cfm.

    Raises:
        ConfigurationError: an interface is missing, or a level does not exist.
    """
    if protocol == "udp-echo":
        return EchoResponder(host, echo.PORT if port is None else port)
    if protocol == "ecpri-udp":
        return EcpriResponder((host, ecpri.PORT if port is None else port))
    if not interface:
        message = f"{protocol} works on Ethernet frames: give --interface"
        raise ConfigurationError(message)
    if protocol == "ecpri":
        return EcpriResponder(interface)
    if level is not None and not 0 <= level <= 7:
        message = f"--level {level}: MD levels are 0 to 7"
        raise ConfigurationError(message)
    return CfmResponder(interface, level)


class _Counting:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class EchoResponder(_Counting):
    """Sends every datagram back (RFC 862), except to ports that would answer it for ever."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._place = (host, port)
        self._link = UdpLink(self._receive)

    async def open(self) -> str:
        """Begin to answer; where."""
        self._place = self._link.bind(*self._place)
        return f"{self._place[0]}:{self._place[1]}"

    async def close(self) -> None:
        """Stop."""
        self._link.close()

    def _receive(self, arrival: Arrival) -> None:
        # Two echo servers that a forged source sets on each other never stop.
        if arrival.source[1] in (7, 13, 17, 19, self._place[1]):
            self._count("refused")
            return
        self._link.send(arrival.data, arrival.source)
        self._count("answered")


class EcpriResponder(_Counting):
    """Answers one-way delay measurements over UDP, or over Ethernet.

    Args:
        place: (host, port) or the name of an interface.
    """

    def __init__(self, place: tuple[str, int] | str) -> None:
        super().__init__()
        self._place = place
        self._link: UdpLink | EthernetLink
        if isinstance(place, str):
            self._link = EthernetLink(self._receive, stamp_sent=True)
        else:
            self._link = UdpLink(self._receive, stamp_sent=True)
        self._arrived: dict[tuple[Any, int], int] = {}

    async def open(self) -> str:
        """Begin to answer; where."""
        if isinstance(self._link, EthernetLink):
            self._link.open(str(self._place), ecpri.ETHER_TYPE)
            return f"{self._place} {format_mac(self._link.mac)}"
        host, port = self._link.bind(*self._place)
        return f"{host}:{port}"

    async def close(self) -> None:
        """Stop."""
        self._link.close()

    def _receive(self, arrival: Arrival) -> None:
        if isinstance(self._link, EthernetLink) and arrival.target != self._link.mac:
            return
        try:
            messages = ecpri.decode(arrival.data)
        except ecpri.EcpriError:
            self._count("malformed")
            return
        for message in messages:
            self._answer(message, arrival)

    def _answer(self, message: DelayMessage, arrival: Arrival) -> None:
        identity, action = message.measurement_id, message.action
        if action is Action.REQUEST:
            self._send(DelayMessage(identity, Action.RESPONSE, arrival.clock_ns), arrival)
        elif action is Action.REQUEST_WITH_FOLLOW_UP:
            # The response may go at once: t2 is known, and only the requester needs t1.
            self._send(DelayMessage(identity, Action.RESPONSE, arrival.clock_ns), arrival)
        elif action is Action.REMOTE_REQUEST:
            self._send(
                DelayMessage(identity, Action.REQUEST, time.time_ns(), dummy=message.dummy), arrival
            )
        elif action is Action.REMOTE_REQUEST_WITH_FOLLOW_UP:
            request = DelayMessage(identity, Action.REQUEST_WITH_FOLLOW_UP, dummy=message.dummy)
            sent = self._send(request, arrival)
            self._send(DelayMessage(identity, Action.FOLLOW_UP, sent), arrival)
        self._count(action.name.lower())

    def _send(self, message: DelayMessage, to: Arrival) -> int:
        """Send; when it left, by the kernel or else by our clock just before."""
        before = time.time_ns()
        data = ecpri.encode(message)
        if isinstance(self._link, EthernetLink):
            return self._link.send(data, to.source, to.vlan) or before
        return self._link.send(data, to.source) or before


class CfmResponder(_Counting):
    """Answers loopback messages as a MEP or MIP does.

    Args:
        interface: name of the interface.
        level: MD level it belongs to; None answers all.
    """

    def __init__(self, interface: str, level: int | None) -> None:
        super().__init__()
        self._interface = interface
        self._level = level
        self._link = EthernetLink(self._receive)

    async def open(self) -> str:
        """Begin to answer; where."""
        levels = range(8) if self._level is None else (self._level,)
        groups = tuple(cfm.group_address(level) for level in levels)
        self._link.open(self._interface, cfm.ETHER_TYPE, groups)
        return f"{self._interface} {format_mac(self._link.mac)}"

    async def close(self) -> None:
        """Stop."""
        self._link.close()

    def _receive(self, arrival: Arrival) -> None:
        try:
            message = cfm.decode(arrival.data)
        except cfm.CfmError:
            self._count("malformed")
            return
        if message.opcode != cfm.LBM:
            return
        for_us = arrival.target in (self._link.mac, cfm.group_address(message.level))
        if not for_us or self._level not in (None, message.level) or arrival.source[0] & 1:
            self._count("refused")
            return
        self._link.send(cfm.reply_to(arrival.data), arrival.source, arrival.vlan)
        self._count("answered")
