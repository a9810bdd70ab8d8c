"""Answers of Modbus devices, compared with their requests, over pymodbus.

pymodbus hands over whatever comes next: an answer to another function, with too many values, or,
where a device counts no transactions, one that is late and belongs to the request before. One that
it cannot read ends the connection. Here each is the fault `malformed` of its own request.
"""

from typing import Any

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import DecodePDU, ModbusPDU

from padit.adapters.errors import AdapterError

__all__ = ["StrayError", "read", "readable"]

_FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


class StrayError(AdapterError):
    """The answer belongs to another request."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "malformed")


class _Unreadable(ModbusPDU):  # type: ignore[misc]  # no types here
    """Stands for an answer that cannot be read."""

    def encode(self) -> bytes:
        return b""

    def decode(self, data: bytes) -> None:
        self.registers = list(data[:8])


class _Decoder(DecodePDU):  # type: ignore[misc]
    """Decodes answers; one that cannot be read is an answer all the same."""

    def decode(self, frame: bytes) -> ModbusPDU:
        found = super().decode(frame)
        if found is None:
            found = _Unreadable()
            found.decode(frame)
        return found


def readable(client: AsyncModbusTcpClient) -> None:
    """Keep the connection when an answer cannot be read; `read` then raises for it."""
    client.ctx.framer.decoder = _Decoder(False)


async def read(
    client: AsyncModbusTcpClient, table: str, address: int, count: int, unit: int, *, late: bool
) -> list[int] | int:
    """The values of one request, or the code of the device's exception.

    Some devices give every answer the number 0. That is taken as long as no answer is `late`, so
    that it can be to no other request.

    Raises:
        AdapterError: `malformed`; a StrayError if the answer belongs to another request.
        ModbusException, OSError, TimeoutError: no answer came.
    """
    ask = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[table]
    place = f"{table} {address} (+{count})"
    try:
        answer = await ask(address, count=count, device_id=unit)
    except (ModbusException, OSError, TimeoutError):
        raise
    except Exception as error:  # an answer that the library cannot read
        message = f"{place}: {error!r}"
        raise AdapterError(message, cause="malformed") from error
    number = client.ctx.request_transaction_id
    if answer.transaction_id != number and (late or answer.transaction_id):
        message = f"{place}: the answer has the number {answer.transaction_id}, not {number}"
        raise StrayError(message)
    return _values(answer, table, count, place)


def _values(answer: Any, table: str, count: int, place: str) -> list[int] | int:
    message = ""
    bits = table in ("coil", "discrete")
    if isinstance(answer, _Unreadable):
        message = f"{place}: an answer that cannot be read: {bytes(answer.registers).hex(' ')}"
    elif answer.function_code & 0x7F != _FUNCTIONS[table]:
        message = f"{place}: the answer is one to function {answer.function_code & 0x7F}"
    elif answer.isError():
        return int(answer.exception_code)
    else:
        words = [int(word) for word in (answer.bits if bits else answer.registers)]
        due = -8 * (-count // 8) if bits else count
        if len(words) == due:
            return words
        message = f"{place}: {len(words)} of {due} values came"
    raise AdapterError(message, cause="malformed")
