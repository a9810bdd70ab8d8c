"""The socket of `padit portal`."""

from __future__ import annotations

import argparse
import asyncio
import socket

from padit.cli.commands.portal import listening


class _Taken(asyncio.Protocol):
    """Says of the first connection whether its answers wait for acknowledgements."""

    def __init__(self, found: asyncio.Future[int]) -> None:
        self._found = found

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        taken = transport.get_extra_info("socket")
        self._found.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


async def _no_delay(host: str) -> int:
    loop = asyncio.get_running_loop()
    found: asyncio.Future[int] = loop.create_future()
    with listening(argparse.Namespace(host=host, port=0)) as one:
        server = await loop.create_server(lambda: _Taken(found), sock=one)
        _, writer = await asyncio.open_connection(host, one.getsockname()[1])
        answer = await found
        writer.close()
        await writer.wait_closed()
        server.close()
    return answer


def test_an_answer_on_a_kept_connection_waits_for_no_acknowledgement_of_the_last() -> None:
    assert asyncio.run(_no_delay("127.0.0.1")) == 1
