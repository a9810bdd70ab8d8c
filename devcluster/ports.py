"""Ports on the loopback interface for local parts."""

import random
import socket

from padit.devcluster.errors import PartFailedError

__all__ = ["LOOPBACK", "free_port", "port_answers"]

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes ports for outgoing connections (32768 and up), so that
# a stopped part finds its port free when it is started again.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000


def port_answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if it is free on the loopback interface, or a random free port for 0.

    A random port is nobody else's for a minute: no process that asks here gets it again before
    its part listens there.

    Raises PartFailedError when `wanted` is taken.
    """
    if wanted:
        if _is_free(wanted):
            return wanted
        message = f"port {wanted} is taken on {LOOPBACK}; free it or choose another one"
        raise PartFailedError(message)
    for port in random.sample(range(_FIRST_PORT, _LAST_PORT), 200):
        if _claim(port):
            return port
    message = f"no free port between {_FIRST_PORT} and {_LAST_PORT} on {LOOPBACK}"
    raise PartFailedError(message)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _claim(port: int) -> bool:
    """Take a port by a connection that ends there, which the system remembers for a minute.

    Until then only a listener with SO_REUSEADDR, as every server is, can bind the port; the probe
    here is none, so a second claim fails.
    """
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or no server could bind it
        probe.listen(1)
        with socket.create_connection((LOOPBACK, port), timeout=5.0):
            probe.accept()[0].close()  # the side that closes first is the one remembered
    return True
