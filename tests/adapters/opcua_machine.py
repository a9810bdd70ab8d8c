"""A real OPC UA server on loopback, asyncua's own, that can be made to misbehave."""

import asyncio
import datetime
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole

from padit.devcluster.ports import free_port
from tests.adapters.live import Live
from tests.limits import allowed

__all__ = ["WHEN", "Machine", "Users", "torques"]

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=datetime.UTC)


def torques(live: Live) -> list[float]:
    """What an adapter has of the node torque."""
    return live.emitter.values("torque_nm")


class Users:
    """One user with a password, as asyncua's server asks for them."""

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> Any:
        good = username == "reader" and password in ("secret", b"secret")
        return User(role=UserRole.User) if good else None


class Machine:
    """A server with the nodes ns=2;s=torque and ns=2;s=state, in a loop of its own thread."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        self.secure: tuple[Path, Path] | None = None
        self.users: Users | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: Any = None

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(allowed(30))

    async def _start(self) -> None:
        server = Server(user_manager=self.users) if self.users else Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        if self.secure:
            await server.load_certificate(self.secure[0])
            await server.load_private_key(self.secure[1])
            server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        index = await server.register_namespace("urn:test")
        for name, value in (("torque", 1.0), ("state", "idle")):
            await server.nodes.objects.add_variable(ua.NodeId(name, index), name, value)
        self._server = server
        await server.start()

    def start(self) -> None:
        self.call(self._start())

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            self.call(server.stop())

    def end(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(allowed(10))
        self._loop.close()

    def write(
        self, value: Any, status: int = 0, when: datetime.datetime = WHEN, name: str = "torque"
    ) -> None:
        data = ua.DataValue(
            Value=ua.Variant(value, None if value is not None else ua.VariantType.Null),
            StatusCode=ua.StatusCode(ua.UInt32(status)),
            SourceTimestamp=when,
        )
        self.call(self._server.write_attribute_value(ua.NodeId(name, 2), data))

    async def _lose(self, kind: str) -> None:
        held = self._server.iserver.subscription_service
        if kind == "dropped":
            await held.delete_subscriptions(list(held.subscriptions))
        else:  # it is kept, and its loop has ended
            for one in held.subscriptions.values():
                one._task.cancel()

    def lose_subscription(self, kind: str) -> None:
        self.call(self._lose(kind))

    def claim(self, state: ua.Variant) -> None:
        """Make the server's own state be something."""
        node = ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)
        kept = self._server.iserver.aspace._nodes[node].attributes[ua.AttributeIds.Value]
        kept.value, kept.value_callback = ua.DataValue(state), None

    def config(self, **options: Any) -> dict[str, Any]:
        nodes = [{"node": "ns=2;s=torque", "name": "torque_nm", "unit": "Nm", "scale": 2}]
        return {"type": "opcua", "url": self.url, "source_id": "press", "publish_ms": 20,
                "nodes": nodes, **options}  # fmt: skip
