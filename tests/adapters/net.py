"""Two hosts in network namespaces of their own, and a link between them that can be made bad.

Where the kernel has netem the link is one veth pair with netem on both ends; else two veth
pairs with `relay.py` between them. Needs Linux, root and iproute2.
"""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.limits import allowed
from tests.parts import missing

__all__ = ["Lab", "needs"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
# ETHTOOL_STXCSUM off: a relay must not see checksums that the sender left to its hardware.
_NO_OFFLOAD = """
import ctypes, fcntl, socket, struct, sys
value = ctypes.create_string_buffer(struct.pack("II", 0x17, 0))
request = struct.pack("16sP16x", sys.argv[1].encode(), ctypes.addressof(value))
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
"""


def needs(met: object, what: str) -> None:
    """Fail in CI, skip elsewhere, when a part is missing."""
    if not met:
        missing(what)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Lab:
    """Hosts "a" (10.77.0.1) and "b" (10.77.0.2), each with an interface `link0`.

    Attributes:
        mac: MAC address of each host's `link0`.
        means: "netem" or "relay".
    """

    def __init__(self) -> None:
        self._tag = uuid.uuid4().hex[:8]
        self._spaces: list[str] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._relay: subprocess.Popen[str] | None = None
        self.mac = {"a": "02:00:00:00:77:01", "b": "02:00:00:00:77:02"}
        self.means = ""

    def __enter__(self) -> Self:
        needs(sys.platform == "linux" and os.geteuid() == 0, "needs Linux and root")
        try:
            self._build()
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            self._tear_down()
            needs(None, f"network namespaces cannot be made: {error}")
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tear_down()

    def space(self, host: str) -> str:
        return f"padit-{host}-{self._tag}"

    def start(self, host: str, *arguments: str) -> subprocess.Popen[str]:
        """Start `python ARGUMENTS` on a host."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.space(host), sys.executable, *arguments],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def respond(self, host: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a responder on a host and wait until it answers."""
        process = self.start(host, "-m", "padit.cli.main", "adapters", "respond", *arguments)
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("answering"), line + process.stderr.read()
        return process

    def run(self, host: str, *arguments: str) -> str:
        """Run `python ARGUMENTS` on a host; its standard output."""
        process = self.start(host, *arguments)
        out, err = process.communicate(timeout=allowed(60))
        assert process.returncode == 0, err
        return out

    def impair(self, *, delay_us: float = 0, jitter_us: float = 0, loss: float = 0) -> None:
        """Each direction: constant delay, uniform extra delay of 0 to `jitter_us`, loss."""
        if self._relay is not None:
            assert self._relay.stdin is not None
            assert self._relay.stdout is not None
            order = {"delay_us": delay_us, "jitter_us": jitter_us, "loss": loss}
            self._relay.stdin.write(json.dumps(order) + "\n")
            self._relay.stdin.flush()
            assert self._relay.stdout.readline() == "ok\n"
            return
        half = jitter_us / 2
        for host in "ab":
            _ip_tc(self.space(host), delay_us + half, half, loss)

    def _build(self) -> None:
        for host in "ab":
            self._add_space(self.space(host))
        if self._try_netem():
            self.means = "netem"
        else:
            self._build_relay()
        for number, host in enumerate("ab", 1):
            inside = ("-n", self.space(host))
            _ip(*inside, "link", "set", "link0", "address", self.mac[host])
            _ip(*inside, "addr", "add", f"10.77.0.{number}/24", "dev", "link0")
            _ip(*inside, "link", "set", "link0", "up")
            _ip(*inside, "link", "set", "lo", "up")
            other = {"a": "b", "b": "a"}[host]
            address = f"10.77.0.{3 - number}"
            # Known neighbours: ARP would be delayed and lost, too.
            _ip(*inside, "neigh", "add", address, "lladdr", self.mac[other], "dev", "link0")

    def _add_space(self, name: str) -> None:
        _ip("netns", "add", name)
        self._spaces.append(name)

    def _try_netem(self) -> bool:
        a, b = self.space("a"), self.space("b")
        _ip("link", "add", "link0", "netns", a, "type", "veth", "peer", "link0", "netns", b)
        probe = ["tc", "-n", a, "qdisc", "add", "dev", "link0", "root", "netem"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            subprocess.run([*probe[:2], b, *probe[3:]], check=True, capture_output=True)
            return True
        _ip("-n", a, "link", "del", "link0")
        return False

    def _build_relay(self) -> None:
        middle = self.space("r")
        self._add_space(middle)
        for host in "ab":
            space = self.space(host)
            ends = ("netns", space, "type", "veth", "peer", f"port-{host}", "netns", middle)
            _ip("link", "add", "link0", *ends)
            _ip("-n", middle, "link", "set", f"port-{host}", "up")
            self.run(host, "-c", _NO_OFFLOAD, "link0")
        self._relay = self.start("r", str(_HERE / "relay.py"), "port-a", "port-b")
        assert self._relay.stdout is not None
        assert self._relay.stdout.readline() == "ready\n"
        self.means = "relay"

    def _tear_down(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=allowed(10))
        for name in self._spaces:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip_tc(space: str, delay_us: float, half_us: float, loss: float) -> None:
    netem = ["delay", f"{delay_us:.0f}us", f"{half_us:.0f}us", "loss", f"{100 * loss:g}%"]
    command = ["tc", "-n", space, "qdisc", "change", "dev", "link0", "root", "netem", *netem]
    subprocess.run(command, check=True, capture_output=True)
