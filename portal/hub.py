"""Sends changes to every open stream; a client that does not keep up is told to load anew."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec

from padit.alerting.overview import Change, Overview
from padit.portal.present import Presenter

__all__ = ["BEAT_SECONDS", "Hub", "Message"]

BEAT_SECONDS = 5.0
_MOST_WAITING = 500
_PIECE = 500  # of what a client missed: others are served in between
MOST_CLIENTS = 5_000
Message = tuple[int, str, bytes]
"""Number, name of the event, JSON."""


class Hub:
    """Streams of changes.

    Args:
        overview: whose changes.
        presenter: that encodes them.
    """

    def __init__(self, overview: Overview, presenter: Presenter) -> None:
        self._overview = overview
        self._presenter = presenter
        self._queues: set[asyncio.Queue[Message | None]] = set()
        self._closed = False

    @property
    def clients(self) -> int:
        """Open streams."""
        return len(self._queues)

    def publish(self, changes: Sequence[Change]) -> None:
        """Send what was read of the log together; from the event loop."""
        if not self._queues:
            return
        for message in self._messages(changes):
            for queue in self._queues:
                try:
                    queue.put_nowait(message)
                except asyncio.QueueFull:
                    while not queue.empty():
                        queue.get_nowait()
                    queue.put_nowait((message[0], "reset", b"{}"))

    def _messages(self, changes: Sequence[Change]) -> Iterator[Message]:
        """Encoded piece by piece, as they are asked for."""
        for begin in range(0, len(changes), _PIECE):
            piece = changes[begin : begin + _PIECE]
            for one, data in zip(piece, self._presenter.changes(piece), strict=True):
                yield one.n, "change", data

    def beat(self) -> None:
        """Something changed that no entry of the log says; from the event loop."""
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait((self._overview.version, "beat", b"{}"))

    def note(self, kind: str, incident: str) -> None:
        """Something beside the log has come to an incident; from the event loop."""
        data = msgspec.json.encode({"incident": incident})
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait((self._overview.version, kind, data))

    def close(self) -> None:
        """End all streams, and those that would begin."""
        self._closed = True
        for queue in self._queues:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    async def follow(self, after: int | None) -> AsyncIterator[Message]:
        """Changes behind a number, then those to come, with a beat while there is none.

        Without a number it begins with `hello`; with one that is too old, or from another store,
        with `reset`: then the client has to load everything.
        """
        if self._closed:
            return
        queue: asyncio.Queue[Message | None] = asyncio.Queue(_MOST_WAITING)
        self._queues.add(queue)
        try:
            version = self._overview.version
            missed = None if after is None else self._overview.missed_since(after)
            if after is not None and after > version:
                missed = None
            if missed is None:
                yield version, "hello" if after is None else "reset", b"{}"
            else:
                for one in self._messages(missed):
                    yield one
                yield version, "hello", b"{}"
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), BEAT_SECONDS)
                except TimeoutError:
                    yield self._overview.version, "beat", b"{}"
                    continue
                if message is None:
                    return
                yield message
        finally:
            self._queues.discard(queue)
