"""A Modbus TCP server whose answers a test can shape."""

import contextlib
import socketserver
import struct

from tests.serving import Serving

__all__ = ["Plain", "packed"]


def packed(transaction: int, unit: int, body: bytes) -> bytes:
    """An answer with its head."""
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body


class Plain(Serving):
    """A Modbus TCP server of forty lines, for what pymodbus' own cannot be made to answer.

    Args:
        values: registers by address.
        errors: exception codes by the address that provokes them.
    """

    def __init__(self, values: dict[int, int], errors: dict[int, int]) -> None:
        self.requests: list[tuple[int, int]] = []
        self._values, self._errors = values, errors
        answer = self._answer

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    while len(head := self.rfile.read(12)) == 12:
                        self.wfile.write(answer(head))

        super().__init__(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))
        self.start()

    def _answer(self, head: bytes) -> bytes:
        transaction, _, _, unit, function, first, count = struct.unpack(">HHHBBHH", head)
        self.requests.append((first, count))
        return packed(transaction, unit, self.body(function, first, count))

    def body(self, function: int, first: int, count: int) -> bytes:
        """What is answered, without the head."""
        asked = range(first, first + count)
        codes = [code for address, code in self._errors.items() if address in asked]
        if codes:
            return struct.pack(">BB", function | 0x80, codes[0])
        words = [self._values.get(address, 0) for address in asked]
        return struct.pack(f">BB{count}H", function, 2 * count, *words)
