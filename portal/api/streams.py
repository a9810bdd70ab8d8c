"""Changes as they happen: server-sent events, and a WebSocket."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response, WebSocket
from fastapi.sse import EventSourceResponse
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from padit.portal.answers import portal_of
from padit.portal.api.health import summary
from padit.portal.context import Portal
from padit.portal.hub import MOST_CLIENTS, Message
from padit.portal.routing import Gate, GuardedRoute, needs, principal_of, same_origin

__all__ = ["router"]

router = APIRouter(tags=["streams"], route_class=GuardedRoute)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {
        "schema": {"type": "string"},
        "example": 'id: 42\nevent: change\ndata: {"n": 42, "alerts": [], "incidents": []}\n\n',
    }}}
}  # fmt: skip
_LARGEST = 1 << 60
_ASK_SECONDS = 2.0


@router.get("/api/events", openapi_extra=needs("viewer"), responses=_STREAM,
            response_class=Response)  # fmt: skip
async def events(
    request: Request,
    after: Annotated[int | None, Query(ge=0, le=_LARGEST)] = None,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=30)] = None,
) -> Response:
    """Changes behind `after` or `Last-Event-ID`, then those to come.

    Events: `change` (with an id, the number in the store's log), `hello` (up to date), `beat`
    (nothing new), `reset` (the number is too old: load everything).
    """
    portal = portal_of(request)
    if last is not None and last.isascii() and last.isdigit() and int(last) <= _LARGEST:
        after = int(last)
    if portal.hub.clients >= MOST_CLIENTS:
        raise HTTPException(503, "too many streams")
    return EventSourceResponse(
        _written(portal, request, after), headers={"X-Accel-Buffering": "no"}
    )


async def _written(portal: Portal, request: Request, after: int | None) -> AsyncIterator[bytes]:
    gate: Gate = request.app.state.gate
    yield b"retry: 1000\n\n"
    door = _Door(request, gate)
    async for message in portal.hub.follow(after):
        if not door.open():
            return
        n, name, data = _with_summary(portal, message)
        yield b"id: %d\nevent: %s\ndata: %s\n\n" % (n, name.encode(), data)


class _Door:
    """Whether who reads a stream may still: a session ends, a key is revoked, a token gets old.

    Args:
        connection: of the stream.
        gate: that knows.
    """

    def __init__(self, connection: HTTPConnection, gate: Gate) -> None:
        self._connection = connection
        self._gate = gate
        self._asked = time.monotonic()

    def open(self) -> bool:
        """Asked before every message, and looked up every few seconds, however many there are."""
        now = time.monotonic()
        if now - self._asked < _ASK_SECONDS:
            return True
        self._asked = now
        who = principal_of(self._connection, self._gate.accounts)
        return who is not None and who.may("viewer")


def _with_summary(portal: Portal, message: Message) -> Message:
    n, name, data = message
    if name in ("beat", "hello"):
        data = summary(portal)
    return n, name, data


@router.websocket("/api/ws")
async def socket(websocket: WebSocket, after: int | None = None) -> None:
    """The same changes as JSON messages {id, event, data}."""
    gate: Gate = websocket.app.state.gate
    portal: Portal = websocket.app.state.portal
    who = principal_of(websocket, gate.accounts)
    address = websocket.client.host if websocket.client else "?"
    if not gate.limiter.allows(f"address {address}" if who is None else who.name):
        await websocket.close(4429)
        return
    if who is None or not who.may("viewer") or not same_origin(websocket):
        await websocket.close(4401 if who is None else 4403)
        return
    door = _Door(websocket, gate)
    if portal.hub.clients >= MOST_CLIENTS:
        await websocket.close(4429)
        return
    await websocket.accept()
    reading = asyncio.create_task(_drain(websocket))
    try:
        async for message in portal.hub.follow(after):
            if reading.done():
                return
            if not door.open():
                await websocket.close(4401)
                return
            n, name, data = _with_summary(portal, message)
            await websocket.send_text(f'{{"id":{n},"event":"{name}","data":{data.decode()}}}')
        await websocket.close(1001)  # the portal stops
    except (WebSocketDisconnect, RuntimeError):
        return
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


async def _drain(websocket: WebSocket) -> None:
    """What a client sends is read and dropped, so that its end is seen."""
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
    except (WebSocketDisconnect, RuntimeError):
        return
