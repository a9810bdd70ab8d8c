"""Sockets that know when a packet arrived: UDP, and raw Ethernet over AF_PACKET (Linux).

Arrival times come from the kernel (SO_TIMESTAMPNS), so that time spent waiting for this process
does not count. Durations are taken on the monotonic clock: the kernel's wall-clock stamp is only
used for how long a packet has waited to be read, a matter of microseconds, so that a step of the
wall clock disturbs no round trip.
"""

import asyncio
import contextlib
import ctypes
import errno
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from padit.adapters.errors import AdapterError

__all__ = [
    "Arrival",
    "EthernetLink",
    "Link",
    "UdpLink",
    "format_mac",
    "parse_mac",
]

_SO_TIMESTAMPNS = 35
_SO_TIMESTAMPING = 37
_TX_SOFTWARE = 1 << 1 | 1 << 4 | 1 << 11  # TX_SOFTWARE, SOFTWARE, OPT_TSONLY
_MSG_ERRQUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_AUXDATA = 8
_MR_MULTICAST = 0
_VLAN_VALID = 1 << 4
_TIMESPEC = struct.Struct("@qq")
_AUXDATA = struct.Struct("@IIIHHHH")
_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 3
_OUTGOING = 4
_SHORTEST_FRAME = 60
_BURST = 256


class Arrival(NamedTuple):
    """A packet that came in.

    Attributes:
        data: payload, without Ethernet header and tag.
        source: (address, port), or the sender's MAC.
        target: our address, or the MAC the frame was sent to.
        at_ns: when, monotonic clock.
        clock_ns: when, nanoseconds since 1970, by the kernel.
        vlan: VLAN id, None without a tag.
    """

    data: bytes
    source: Any
    target: Any
    at_ns: int
    clock_ns: int
    vlan: int | None = None


_programs: list[Any] = []
Receiver = Callable[[Arrival], None]


class Link:
    """A non-blocking socket in the running loop; see `UdpLink` and `EthernetLink`."""

    def __init__(self, receive: Receiver, *, stamp_sent: bool) -> None:
        self._receive = receive
        self._stamp_sent = stamp_sent
        self._socket: socket.socket | None = None

    def _listen(self, made: socket.socket) -> None:
        made.setblocking(False)
        with contextlib.suppress(OSError):  # without it the arrival is when we read
            made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if self._stamp_sent:
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _TX_SOFTWARE)
        self._socket = made
        asyncio.get_running_loop().add_reader(made.fileno(), self._readable)

    def close(self) -> None:
        """Close the socket; may be called twice."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            message = "the link is closed"
            raise AdapterError(message, cause="closed")
        return self._socket

    def _readable(self) -> None:
        for _ in range(_BURST):
            if self._socket is None:
                return
            try:
                data, ancillary, _flags, address = self._socket.recvmsg(65_535, 512)
            except BlockingIOError:
                break
            except OSError:  # a connected UDP socket reports that the last request was refused
                continue
            read_ns, read_clock = time.monotonic_ns(), time.time_ns()
            clock_ns = _stamp(ancillary, _SO_TIMESTAMPNS) or read_clock
            waited = min(max(read_clock - clock_ns, 0), 1_000_000_000)
            self._arrived(data, ancillary, address, read_ns - waited, clock_ns)
        self._sent_stamp()

    def _arrived(
        self, data: bytes, ancillary: list[Any], address: Any, at_ns: int, clock_ns: int
    ) -> None:
        raise NotImplementedError

    def _sent_stamp(self) -> int:
        """When the last packet left, ns since 1970 by the kernel; 0 if it is unknown."""
        if not self._stamp_sent or self._socket is None:
            return 0
        found = 0
        while True:
            try:
                _, ancillary, _, _ = self._socket.recvmsg(1, 512, _MSG_ERRQUEUE)
            except OSError:
                return found
            found = _stamp(ancillary, _SO_TIMESTAMPING) or found


def _stamp(ancillary: list[Any], kind: int) -> int:
    for level, found, data in ancillary:
        if level == socket.SOL_SOCKET and found == kind and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return 0


class UdpLink(Link):
    """A UDP socket.

    Args:
        receive: called with every datagram.
        stamp_sent: whether `send` returns the kernel's time of sending.
    """

    def __init__(self, receive: Receiver, *, stamp_sent: bool = False) -> None:
        super().__init__(receive, stamp_sent=stamp_sent)
        self._ours: Any = None

    async def connect(self, host: str, port: int) -> None:
        """Talk to one peer only; what others send is dropped by the kernel.

        Raises:
            AdapterError: the name cannot be resolved, or there is no way to it.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError as error:
            message = f"{host} cannot be resolved: {error}"
            raise AdapterError(message, cause="dns") from error
        family, _, _, _, address = found[0]
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            message = f"no way to {host}:{port}: {error}"
            raise AdapterError(message, cause="unreachable") from error
        self._listen(made)
        self._ours = made.getsockname()

    def bind(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address. Raises AdapterError if it is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.bind((host, port))
        except OSError as error:
            made.close()
            message = f"cannot listen on {host}:{port}: {error}"
            raise AdapterError(message, cause="port_taken") from error
        self._listen(made)
        self._ours = made.getsockname()
        return str(self._ours[0]), int(self._ours[1])

    def send(self, data: bytes, to: Any = None) -> int:
        """Send one datagram; when it left, ns since 1970 (0 unless `stamp_sent`)."""
        made = self._open_socket()
        _quietly(lambda: made.send(data) if to is None else made.sendto(data, to))
        return self._sent_stamp()

    def _arrived(
        self, data: bytes, ancillary: list[Any], address: Any, at_ns: int, clock_ns: int
    ) -> None:
        self._receive(Arrival(data, address, self._ours, at_ns, clock_ns))


class EthernetLink(Link):
    """Frames of one EtherType on one interface; needs CAP_NET_RAW.

    Args:
        receive: called with every frame.
        stamp_sent: whether `send` returns the kernel's time of sending.
    """

    def __init__(self, receive: Receiver, *, stamp_sent: bool = False) -> None:
        super().__init__(receive, stamp_sent=stamp_sent)
        self.mac = b""
        self._ether_type = 0

    def open(self, interface: str, ether_type: int, groups: tuple[bytes, ...] = ()) -> None:
        """Open the interface and join group addresses.

        Raises:
            AdapterError: no such interface, no permission, or not Linux.
        """
        if not hasattr(socket, "AF_PACKET"):
            message = "raw Ethernet needs Linux (AF_PACKET)"
            raise AdapterError(message, cause="platform")
        try:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            message = "raw Ethernet needs the capability CAP_NET_RAW (setcap, or run as root)"
            raise AdapterError(message, cause="permission") from error
        try:
            # All EtherTypes and a filter: a socket of one EtherType does not get VLAN tags.
            made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _filter(ether_type))
            made.bind((interface, _ETH_P_ALL))
            made.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            for group in groups:
                request = struct.pack("@iHH8s", socket.if_nametoindex(interface), 0, 6, group)
                made.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        except OSError as error:
            made.close()
            message = f"interface {interface} cannot be used: {error}"
            raise AdapterError(message, cause="interface") from error
        self.mac = made.getsockname()[4]
        self._ether_type = ether_type
        self._listen(made)

    def send(self, data: bytes, to: bytes, vlan: int | None = None, priority: int = 0) -> int:
        """Send one frame; when it left, ns since 1970 (0 unless `stamp_sent`)."""
        tag = b"" if vlan is None else struct.pack(">HH", 0x8100, priority << 13 | vlan)
        frame = to + self.mac + tag + struct.pack(">H", self._ether_type) + data
        made = self._open_socket()
        _quietly(lambda: made.send(frame.ljust(_SHORTEST_FRAME + len(tag), b"\0")))
        return self._sent_stamp()

    def _arrived(
        self, data: bytes, ancillary: list[Any], address: Any, at_ns: int, clock_ns: int
    ) -> None:
        if len(data) < 14 or address[2] == _OUTGOING:
            return
        vlan = _vlan(ancillary)
        start = 14
        if data[12:14] == b"\x81\x00" and len(data) >= 18:  # the tag was left in the frame
            vlan, start = struct.unpack_from(">H", data, 14)[0] & 0xFFF, 18
        self._receive(Arrival(data[start:], data[6:12], data[:6], at_ns, clock_ns, vlan))


def _filter(ether_type: int) -> bytes:
    """A classic BPF program (struct sock_fprog) that lets one EtherType pass."""
    program = struct.pack(
        "@HBBIHBBIHBBIHBBI",
        *(0x28, 0, 0, 12),  # load the half-word at 12
        *(0x15, 0, 1, ether_type),  # equal: go on; else skip one
        *(0x06, 0, 0, 0xFFFFFFFF),  # take the whole frame
        *(0x06, 0, 0, 0),  # take nothing
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    _programs.append(buffer)  # the kernel copies it within setsockopt; kept until then
    del _programs[:-8]
    return struct.pack("@HP", 4, ctypes.addressof(buffer))


def _vlan(ancillary: list[Any]) -> int | None:
    for level, kind, data in ancillary:
        if level == _SOL_PACKET and kind == _PACKET_AUXDATA and len(data) >= _AUXDATA.size:
            fields = _AUXDATA.unpack_from(data)
            return fields[5] & 0xFFF if fields[0] & _VLAN_VALID else None
    return None


def _quietly(send: Callable[[], object]) -> None:
    """Send; what the network refuses at this moment is a loss, which is what is measured."""
    try:
        send()
    except (BlockingIOError, ConnectionRefusedError):
        return
    except OSError as error:
        if error.errno not in (errno.ENOBUFS, errno.EHOSTUNREACH, errno.ENETUNREACH):
            message = f"sending failed: {error}"
            raise AdapterError(message, cause="send") from error


def parse_mac(text: str) -> bytes:
    """Six hexadecimal bytes with colons or dashes.

    Raises:
        ValueError: anything else.

    >>> parse_mac("01-80-C2-00-00-34").hex()
    '0180c2000034'
    """
    parts = text.replace("-", ":").split(":")
    if len(parts) != 6 or not all(len(part) == 2 for part in parts):
        message = f"{text!r} is no MAC address like 02:00:00:00:00:01"
        raise ValueError(message)
    return bytes(int(part, 16) for part in parts)


def format_mac(mac: bytes) -> str:
    """`02:00:00:00:00:01` for six bytes."""
    return mac.hex(":")
