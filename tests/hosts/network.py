"""Three hosts on this machine: a middle one and two that hang on it by a cable each.

A host is a network namespace. The middle one has a bridge, so that the other two reach each other
through it; a cable is a veth pair, pulled out and put back at the middle's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.namespaces import ip, namespace

__all__ = ["MIDDLE", "Network", "network"]

MIDDLE = "10.77.0.1"


@dataclass(frozen=True)
class Network:
    """The names of the namespaces.

    Attributes:
        middle: of the host with the address `MIDDLE`.
        outer: of the other hosts, by name.
    """

    middle: str
    outer: dict[str, str]

    def address(self, host: str) -> str:
        """The address of an outer host."""
        return f"10.77.0.{2 + sorted(self.outer).index(host)}"

    def pull(self, host: str) -> None:
        """Pull a host's cable out: nothing reaches it, nothing leaves it, no packet says so."""
        ip("-n", self.middle, "link", "set", f"to-{host}", "down")

    def plug(self, host: str) -> None:
        """Put it back."""
        ip("-n", self.middle, "link", "set", f"to-{host}", "up")


@contextmanager
def network() -> Iterator[Network]:
    """Hosts "a" and "b" around a middle. Raises MissingToolError if there can be none."""
    with namespace("middle") as middle, namespace("a") as a, namespace("b") as b:
        found = Network(middle, {"a": a, "b": b})
        ip("-n", middle, "link", "add", "lan", "type", "bridge")
        ip("-n", middle, "addr", "add", f"{MIDDLE}/24", "dev", "lan")
        ip("-n", middle, "link", "set", "lan", "up")
        for host, space in found.outer.items():
            ends = ("netns", space, "type", "veth", "peer", f"to-{host}", "netns", middle)
            ip("link", "add", "lan", *ends)
            ip("-n", middle, "link", "set", f"to-{host}", "master", "lan")
            ip("-n", space, "addr", "add", f"{found.address(host)}/24", "dev", "lan")
            ip("-n", space, "link", "set", "lan", "up")
            found.plug(host)
        yield found
