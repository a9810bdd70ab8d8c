"""A two-port Ethernet relay that delays, jitters and loses frames; run inside a namespace.

`python relay.py PORT_A PORT_B`; every line on standard input is JSON and sets `delay_us`,
`jitter_us` (uniform, added) and `loss` (0 to 1) for both directions, or `answered` with "ok".
Frames leave in the order they came. Delays hold to about 100 us on an idle machine.
"""

import heapq
import json
import random
import select
import socket
import struct
import sys
import time
from typing import Any

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_ADD_MEMBERSHIP, MR_PROMISC = 263, 8, 1, 1
OUTGOING = 4


def open_port(name: str) -> socket.socket:
    """A raw socket that sees every frame of an interface."""
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    port.bind((name, ETH_P_ALL))
    port.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    promiscuous = struct.pack("@iHH8s", socket.if_nametoindex(name), MR_PROMISC, 0, b"")
    port.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
    port.setblocking(False)
    return port


def read_frame(port: socket.socket) -> bytes | None:
    """One frame with its VLAN tag back in place; None when there is none or it is our own."""
    try:
        data, ancillary, _, address = port.recvmsg(65_535, 256)
    except BlockingIOError:
        return None
    if address[2] == OUTGOING:
        return b""
    for level, kind, raw in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack_from("@IIIHHHH", raw)
            if status & 1 << 4:
                return data[:12] + struct.pack(">HH", tpid or 0x8100, tci) + data[12:]
    return data


class Relay:
    """Frames that wait, and how long they have to."""

    def __init__(self, ports: list[socket.socket]) -> None:
        self.ports = ports
        self.settings: dict[str, float] = {"delay_us": 0, "jitter_us": 0, "loss": 0}
        self.random = random.Random(1)
        self.waiting: list[tuple[float, int, int, bytes]] = []
        self.last = [0.0, 0.0]
        self.number = 0

    def take(self, side: int) -> None:
        """All frames that have come in on one side."""
        while (frame := read_frame(self.ports[side])) is not None:
            if not frame or self.random.random() < self.settings["loss"]:
                continue
            extra = self.random.uniform(0, self.settings["jitter_us"])
            due = time.monotonic() + (self.settings["delay_us"] + extra) / 1e6
            due = self.last[side] = max(due, self.last[side])
            self.number += 1
            heapq.heappush(self.waiting, (due, self.number, 1 - side, frame))

    def give(self) -> float | None:
        """Send what is due; seconds until the next frame is."""
        while self.waiting:
            wait = self.waiting[0][0] - time.monotonic()
            if wait > 0:
                return wait
            _, _, side, frame = heapq.heappop(self.waiting)
            self.ports[side].send(frame)
        return None


def main() -> None:
    """Relay until standard input ends."""
    relay = Relay([open_port(name) for name in sys.argv[1:3]])
    places: list[Any] = [sys.stdin, *relay.ports]
    print("ready", flush=True)
    while True:
        wait = relay.give()
        # The last 300 us are spent waiting awake: select oversleeps by about 60 us.
        pause = None if wait is None else max(0.0, wait - 0.0003)
        readable, _, _ = select.select(places, [], [], pause)
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            relay.settings.update(json.loads(line))
            print("ok", flush=True)
        for side, port in enumerate(relay.ports):
            if port in readable:
                relay.take(side)


if __name__ == "__main__":
    main()
