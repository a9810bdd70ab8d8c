"""Whether other machines can reach the ports that run code without asking for a login."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence

from padit.cli.checks.findings import Finding, broken, fine, warning
from padit.devcluster.ports import port_answers

__all__ = ["check_exposure", "outside_addresses"]


def outside_addresses() -> list[str]:
    """IPv4 addresses of this machine's interfaces that other machines can use."""
    import psutil

    found = set()
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not ipaddress.ip_address(one.address).is_loopback:
                found.add(one.address)
    return sorted(found)


def check_exposure(
    endpoints: Sequence[tuple[str, str]], outside: Sequence[str] | None = None
) -> Iterator[Finding]:
    """Try every endpoint of this machine from its addresses that others can use.

    Flink's REST, Beam's job server and the worker pool ask for no login: anybody who connects can
    run code.

    Args:
        endpoints: what it is, and `host:port` or `http://host:port`.
        outside: addresses to try; None: those of this machine.
    """
    others = outside_addresses() if outside is None else outside
    for name, endpoint in endpoints:
        host, _, port = endpoint.rpartition("/")[2].rpartition(":")
        if not port.isdecimal():
            continue  # `check_port` has its finding
        check = f"exposure of {name}"
        if not _is_here(host, others):
            yield warning(
                check,
                f"{endpoint} is another machine, so others reach it, too",
                "let only the JobManager, the TaskManagers and who submits reach it "
                "(a NetworkPolicy or firewall; docs/security.md)",
            )
            continue
        open_at = [address for address in others if port_answers(int(port), address)]
        if open_at:
            yield broken(
                check,
                f"port {port} answers at {', '.join(open_at)}: anybody who connects can run code",
                "bind it to 127.0.0.1 (rest.bind-address; --job-host; --host of the worker pool)",
            )
        else:
            yield fine(check, f"port {port} answers on loopback only")


def _is_here(host: str, others: Sequence[str]) -> bool:
    """Whether a name or address is this machine."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None)
    except (OSError, UnicodeError):
        return False
    addresses = {str(one[4][0]).partition("%")[0] for one in found}
    return any(ipaddress.ip_address(one).is_loopback or one in others for one in addresses)
