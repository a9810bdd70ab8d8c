"""Modbus TCP against pymodbus' own server."""

import asyncio
import struct
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pymodbus.server as pymodbus_server
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.simulator import DataType, SimData, SimDevice

from padit.adapters.base import ListEmitter
from padit.adapters.errors import AdapterError
from padit.adapters.modbus import _EXCEPTIONS, blocks_of
from padit.adapters.modbus_values import Register, value_of
from padit.adapters.registry import create_adapter
from padit.devcluster.ports import free_port
from padit.domain.errors import ConfigurationError
from tests.adapters.live import Live, poll_once
from tests.adapters.modbus_server import Plain


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
    assert emitter.faults == {"illegal_address": 1}


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


def polled(values: dict[int, int], errors: dict[int, int], **options: Any) -> tuple[Any, Plain]:
    """What one poll of a plain server gives."""
    server = Plain(values, errors)
    try:
        emitter = poll_once({"type": "modbus", "host": "127.0.0.1", "port": server.port, **options})
    finally:
        server.stop()
    return emitter, server


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (1, "illegal_function"),
        (2, "illegal_address"),
        (3, "illegal_value"),
        (4, "device_failure"),
        (6, "device_busy"),
        (10, "gateway_path"),
        (11, "gateway_target"),
        (99, "exception"),
    ],
)
def test_exception_of_the_device_is_a_fault_of_that_name(code: int, cause: str) -> None:
    registers = [{"name": f"r{i}", "address": i} for i in range(4)]
    emitter, server = polled({0: 7, 1: 8, 3: 9}, {2: code}, registers=registers)
    named = [emitter.values(f"r{i}") for i in range(4)]
    if code <= 4:
        assert emitter.faults == {cause: 1}
        assert named == [[7.0], [8.0], [], [9.0]]
        assert emitter.values("modbus_up") == [0.75]
    else:  # the whole device, or the way to it: four requests more would not help
        assert emitter.faults == {cause: 4}
        assert server.requests == [(0, 4)]
    assert "r2" in emitter.messages[cause]


def test_address_as_manuals_write_it_gets_a_hint(device: Device) -> None:
    emitter = poll_once(config(device, [{"name": "x", "address": 40_101}]))
    assert "address 100 of the table holding" in emitter.messages["illegal_address"]


ORDERS = {"ABCD": "01234567", "CDAB": "67452301", "BADC": "10325476", "DCBA": "76543210"}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("kind", "form", "value"),
    [
        ("float32", ">f", 41.5),
        ("int32", ">i", -70_000),
        ("uint32", ">I", 4_000_000_000),
        ("float64", ">d", -1e-3),
        ("int64", ">q", -(2**40)),
        ("uint64", ">Q", 2**50 + 1),
    ],
)
def test_all_four_orders_of_bytes_are_read(order: str, kind: str, form: str, value: float) -> None:
    data = struct.pack(form, value)
    if len(data) == 4:
        sent = bytes("ABCD".index(letter) for letter in order)
        data = bytes(data[place] for place in sent)
    else:
        data = bytes(data[int(place)] for place in ORDERS[order])
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    register = {"name": "x", "address": 10, "type": kind, "order": order}
    emitter, _ = polled({10 + i: word for i, word in enumerate(words)}, {}, registers=[register])
    assert emitter.values("x") == [pytest.approx(value)]


def test_bits_and_fields_of_a_register_are_values_of_their_own(device: Device) -> None:
    state = {"address": 105, "scale": 1}  # holds 7
    registers = [
        {"name": "run", "bit": 0, **state},
        {"name": "fault", "bit": 3, **state},
        {"name": "mode", "mask": 0b110, **state},
        {"name": "raw_mode", "mask": 0b110, "shift": 0, **state},
        {"name": "high", "address": 102, "mask": 0xFF00, "scale": 0.5},
    ]
    emitter = poll_once(config(device, registers))
    names = ("run", "fault", "mode", "raw_mode", "high")
    assert [emitter.values(name) for name in names] == [[1.0], [0.0], [3.0], [6.0], [127.5]]
    assert emitter.faults == {}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("int16", [0x8000]),
        ("uint16", [0xFFFF]),
        ("int32", [0x8000, 0]),
        ("uint32", [0xFFFF, 0xFFFF]),
        ("int64", [0x8000, 0, 0, 0]),
        ("uint64", [0xFFFF] * 4),
        ("float32", [0x7FC0, 0]),
        ("float64", [0x7FF8, 0, 0, 0]),
    ],
)
def test_what_sunspec_keeps_for_not_implemented_is_no_number(kind: str, words: list[int]) -> None:
    values = dict(enumerate(words))
    registers = [{"name": "x", "address": 0, "type": kind}]
    emitter, _ = polled(values, {}, registers=registers, sunspec=True)
    assert emitter.values("x") == []
    assert emitter.left == {"not_available": 1}
    assert emitter.values("modbus_up") == [1.0]
    plain, _ = polled(values, {}, registers=registers)
    assert plain.values("x") or plain.faults == {"not_finite": 1}


def test_values_that_are_named_invalid_are_no_numbers() -> None:
    registers = [
        {"name": "bits", "address": 0, "type": "int16", "invalid": [0x7FFF, 0xFFFF]},
        {"name": "signed", "address": 1, "type": "int16", "invalid": [-9999], "scale": 0.1},
        {"name": "float", "address": 2, "type": "float32", "invalid": [-999.0]},
        {"name": "good", "address": 4, "type": "int16", "invalid": [-9999]},
    ]
    float_words = words_of(">f", -999.0)
    values = {0: 0xFFFF, 1: -9999 & 0xFFFF, 2: float_words[0], 3: float_words[1], 4: 5}
    emitter, _ = polled(values, {}, registers=registers)
    assert emitter.left == {"not_available": 3}
    assert "bits reads 0xFFFF" in emitter.messages["not_available"]
    assert emitter.values("good") == [5.0]


@pytest.mark.parametrize(
    ("register", "message"),
    [
        ({"type": "string"}, "type"),
        ({"bit": 16}, "bits 0 to 15"),
        ({"mask": 0x10000}, "bits 0 to 15"),
        ({"type": "float32", "bit": 1}, "integer"),
        ({"table": "coil", "mask": 1}, "integer"),
        ({"bit": 1, "mask": 2}, "exclude each other"),
        ({"word_order": "little", "order": "CDAB"}, "exclude each other"),
        ({"scale": float("inf")}, "scale"),
        ({"address": 65_535, "type": "int32"}, "last address"),
    ],
)
def test_registers_that_make_no_sense_are_refused(register: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter(
            {"type": "modbus", "host": "h", "registers": [{"name": "x", "address": 0, **register}]}
        )


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["int16", "uint32", "float32", "float64"])),
        min_size=1,
        max_size=8,
    ),
    st.dictionaries(st.integers(0, 33), st.sampled_from([0, 1, 0x7FC0, 0x8000, 0xFFFF])),
    st.dictionaries(st.integers(0, 33), st.sampled_from([2, 4, 6, 11]), max_size=2),
)
def test_books_of_values_balance(
    kinds: list[tuple[int, str]], values: dict[int, int], errors: dict[int, int]
) -> None:
    registers = [
        {"name": f"r{i}", "address": address, "type": kind}
        for i, (address, kind) in enumerate(kinds)
    ]
    options = {"host": "h", "registers": registers, "sunspec": True}
    adapter: Any = create_adapter({"type": "modbus", **options})
    emitter = ListEmitter()

    async def request(_: str, first: int, count: int) -> list[int]:
        asked = range(first, first + count)
        for address, code in errors.items():
            if address in asked:
                raise AdapterError("refused", cause=_EXCEPTIONS[code])
        return [values.get(address, 0) for address in asked]

    adapter._request = request
    adapter._client = SimpleNamespace(connected=True)
    asyncio.run(adapter.poll(emitter))
    samples = [m for m in emitter.metrics if m.metric_name.startswith("r")]
    counted = sum(emitter.faults.values()) + sum(emitter.left.values())
    assert len(samples) + counted == len(registers)
