"""An SNMP v2c agent whose answers a test writes byte by byte, for what snmpd never sends."""

import contextlib
import socket
import socketserver
from collections.abc import Callable
from typing import Any

from pyasn1.codec.ber import decoder, encoder  # type: ignore[import-untyped]
from pysnmp.proto.api import v2c
from pysnmp.proto.rfc1902 import ObjectName

from tests.serving import Serving

__all__ = ["Agent", "field", "integer", "text"]

Answer = Callable[[bool, list[str]], list[tuple[str, bytes]]]


def field(tag: int, content: bytes) -> bytes:
    """A value in BER."""
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def integer(value: int) -> bytes:
    """An INTEGER."""
    return field(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def text(value: bytes) -> bytes:
    """An OCTET STRING."""
    return field(4, value)


class Agent(Serving):
    """Answers on loopback for the length of a `with` block.

    Args:
        answer: from (whether it is a GETBULK, identifiers) to identifiers and values in BER.
    """

    def __init__(self, answer: Answer) -> None:
        self.requests: list[list[str]] = []
        handle_datagram = self._answer
        self._write = answer

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, own = self.request
                sent: socket.socket = own
                answer = handle_datagram(data)
                with contextlib.suppress(OSError):  # the test has ended meanwhile
                    sent.sendto(answer, self.client_address)

        server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)

    def _answer(self, data: bytes) -> bytes:
        message: Any = decoder.decode(data, asn1Spec=v2c.Message())[0]
        pdu = v2c.apiMessage.get_pdu(message)
        bulk = pdu.tagSet == v2c.GetBulkRequestPDU.tagSet
        names = [str(bind[0]) for bind in v2c.apiPDU.get_varbinds(pdu)]
        self.requests.append(names)
        binds = b"".join(
            field(0x30, encoder.encode(ObjectName(name)) + value)
            for name, value in self._write(bulk, names)
        )
        request = integer(int(v2c.apiPDU.get_request_id(pdu)))
        body = field(0xA2, request + integer(0) + integer(0) + field(0x30, binds))
        return field(0x30, integer(1) + text(b"public") + body)

    def config(self, **options: Any) -> dict[str, Any]:
        """Of an adapter that asks this agent."""
        return {"type": "snmp", "host": "127.0.0.1", "port": self.port, "retries": 0, **options}
