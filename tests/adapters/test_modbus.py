"""Modbus TCP against pymodbus' own server."""

import asyncio
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pymodbus.server as pymodbus_server
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.simulator import DataType, SimData, SimDevice

from padit.adapters.errors import AdapterError
from padit.adapters.modbus import Register, blocks_of, value_of
from tests.adapters.live import Live, poll_once
from tests.adapters.net import free_port


def words_of(form: str, value: float) -> list[int]:
    data = struct.pack(form, value)
    return list(struct.unpack(f">{len(data) // 2}H", data))


HOLDING = [*words_of(">f", 41.5), 65_535 - 9, *reversed(words_of(">i", -70_000)), 7]


class Device:
    """A server with holding registers 100 to 105 and 200, input 100 to 105, coils 0 to 15."""

    def __init__(self) -> None:
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Any = None

    async def _serve(self) -> None:
        registers = [
            SimData(100, values=HOLDING, datatype=DataType.REGISTERS),
            SimData(200, values=[*words_of(">f", float("nan"))], datatype=DataType.REGISTERS),
        ]
        bits = [SimData(0, values=[True, False] * 8, datatype=DataType.BITS)]
        device = SimDevice(1, simdata=(bits, bits, registers, registers))
        self._server = pymodbus_server.ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def device() -> Iterator[Device]:
    made = Device()
    made.start()
    yield made
    made.stop()


def config(device: Device, registers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "modbus", "host": "127.0.0.1", "port": device.port, "registers": registers}


def test_registers_are_read_as_mapped(device: Device) -> None:
    registers = [
        {"name": "torque", "address": 100, "type": "float32", "unit": "Nm"},
        {"name": "temperature", "address": 102, "type": "int16", "scale": 0.1, "offset": 5},
        {"name": "position", "address": 103, "type": "int32", "word_order": "little"},
        {"name": "state", "address": 105, "table": "input"},
        {"name": "door", "address": 2, "table": "coil"},
        {"name": "alarm", "address": 1, "table": "discrete"},
    ]
    emitter = poll_once(config(device, registers))
    found = {m.metric_name: m.value for m in emitter.metrics}
    assert found.pop("modbus_response_ms") > 0
    assert found == pytest.approx(
        {
            "torque": 41.5,
            "temperature": 4.0,
            "position": -70_000,
            "state": 7,
            "door": 1,
            "alarm": 0,
            "modbus_up": 1,
        }
    )
    assert not emitter.faults


def test_unknown_register_spoils_no_other(device: Device) -> None:
    registers = [{"name": "state", "address": 105}, {"name": "none", "address": 108}]
    emitter = poll_once(config(device, registers))
    assert emitter.values("state") == [7.0]
    assert emitter.values("modbus_up") == [0.5]
    assert emitter.faults == {"exception": 1}


def test_value_that_is_not_finite_is_counted(device: Device) -> None:
    emitter = poll_once(config(device, [{"name": "x", "address": 200, "type": "float32"}]))
    assert emitter.faults == {"not_finite": 1}
    assert emitter.values("modbus_up") == [0.0]


def test_device_that_goes_away_is_an_error_and_counts_as_down(device: Device) -> None:
    spare = Device()
    spare.start()
    with Live(config(spare, [{"name": "state", "address": 105}])) as live:
        live.poll()
        spare.stop()
        with pytest.raises(AdapterError):
            live.poll()
        live.call(live.adapter.close())
        with pytest.raises(AdapterError, match="cannot be reached"):
            live.call(live.adapter.open(live.emitter))
    assert live.emitter.values("modbus_up") == [1.0, 0.0, 0.0]


registers_of = st.lists(
    st.builds(
        lambda address, kind, table: Register.model_validate(
            {"name": "x", "address": address, "type": kind, "table": table}
        ),
        st.integers(0, 60_000),
        st.sampled_from(["int16", "float64", "uint32"]),
        st.sampled_from(["holding", "input", "coil", "discrete"]),
    ),
    max_size=60,
)


@given(registers_of, st.integers(0, 64))
def test_blocks_hold_every_register_and_respect_the_limits(
    registers: list[Register], gap: int
) -> None:
    blocks = blocks_of(registers, gap)
    assert sorted(id(r) for block in blocks for r in block) == sorted(map(id, registers))
    for block in blocks:
        length = max(r.address + r.length for r in block) - block[0].address
        assert length <= (2000 if block[0].table in ("coil", "discrete") else 125)
        assert len({r.table for r in block}) == 1


@given(st.lists(st.integers(0, 65_535), min_size=4, max_size=4), st.sampled_from(["big", "little"]))
def test_any_words_give_a_number_or_a_reason(words: list[int], order: str) -> None:
    register = Register.model_validate(
        {"name": "x", "address": 0, "type": "float64", "word_order": order}
    )
    try:
        value = value_of(register, words)
    except ValueError:
        return
    assert value == value
