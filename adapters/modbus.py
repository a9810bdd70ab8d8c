"""Modbus TCP: registers and coils of controllers, mapped in YAML.

Values that lie close together are read with one request (at most 125 registers or 2,000 bits,
the protocol's limits). Every poll adds `modbus_up`: the share of values that could be read, 0
to 1, and `modbus_response_ms`, the mean time of a request. A register the device does not know
is counted as a fault; the others are still read, then one by one.
"""

import contextlib
import math
import struct
import time
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from padit.adapters.base import AdapterOptions, Emitter, Options, Seconds, now
from padit.adapters.errors import AdapterError
from padit.domain.metric import Metric, MetricType

__all__ = ["ModbusAdapter", "ModbusOptions", "Register", "blocks_of", "value_of"]

_FORMATS = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}
_MOST = {"holding": 125, "input": 125, "coil": 2000, "discrete": 2000}


class Register(Options):
    """One value of the device."""

    name: str = Field(min_length=1, description="Name of the metric.", examples=["torque_nm"])
    address: int = Field(ge=0, le=65_535, description="Address as on the wire, from 0.")
    table: Literal["holding", "input", "coil", "discrete"] = Field(
        default="holding", description="Which of the four tables."
    )
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"] = (
        Field(default="uint16", description="How registers are read; bits need none.")
    )
    word_order: Literal["big", "little"] = Field(
        default="big", description="Which register of a longer value comes first."
    )
    scale: float = Field(default=1.0, description="Factor.")
    offset: float = Field(default=0.0, description="Added after the factor.")
    unit: str = Field(default="", description="Unit.")
    metric_type: MetricType = Field(default="custom", description="Family of the metric.")

    @property
    def length(self) -> int:
        """Registers or bits it takes."""
        if self.table in ("coil", "discrete"):
            return 1
        return struct.calcsize(_FORMATS[self.type]) // 2

    @model_validator(mode="after")
    def _inside(self) -> "Register":
        if self.address + self.length > 65_536:
            message = f"{self.name} at {self.address} runs over the last address"
            raise ValueError(message)
        return self


class ModbusOptions(AdapterOptions):
    """Options of the `modbus` adapter."""

    host: str = Field(description="Device.", examples=["10.0.0.9"])
    port: int = Field(default=502, ge=1, le=65_535, description="Port.")
    unit_id: int = Field(default=1, ge=0, le=255, description="Unit behind a gateway.")
    source_id: str = Field(default="", description="Source of the samples; the adapter's name.")
    request_timeout_sec: Seconds = Field(default=3.0, description="Wait for one answer.")
    gap: int = Field(
        default=8, ge=0, le=64, description="Unwanted registers read to save a request."
    )
    registers: tuple[Register, ...] = Field(min_length=1, description="What to read.")

    @model_validator(mode="after")
    def _distinct(self) -> "ModbusOptions":
        names = [register.name for register in self.registers]
        double = {name for name in names if names.count(name) > 1}
        if double:
            message = f"registers: the name {min(double)} is there twice"
            raise ValueError(message)
        return self


def blocks_of(registers: Sequence[Register], gap: int) -> list[list[Register]]:
    """Registers in groups that one request can read, each in order of address."""
    blocks: list[list[Register]] = []
    for register in sorted(registers, key=lambda r: (r.table, r.address)):
        block = blocks[-1] if blocks else []
        if (
            block
            and block[0].table == register.table
            and register.address <= max(r.address + r.length for r in block) + gap
            and register.address + register.length - block[0].address <= _MOST[register.table]
        ):
            block.append(register)
        else:
            blocks.append([register])
    return blocks


def value_of(register: Register, words: Sequence[int]) -> float:
    """The value in `words`, the register's own (or one bit).

    Raises:
        ValueError: not finite, as devices answer for a broken sensor.
    """
    if register.table in ("coil", "discrete"):
        raw = float(words[0])
    else:
        ordered = words if register.word_order == "big" else list(reversed(words))
        data = struct.pack(f">{len(ordered)}H", *ordered)
        raw = float(struct.unpack(_FORMATS[register.type], data)[0])
    value = raw * register.scale + register.offset
    if not math.isfinite(value):
        message = f"{register.name} reads {value}"
        raise ValueError(message)
    return value


class ModbusAdapter:
    """Registers of Modbus TCP devices."""

    Options: ClassVar[type[AdapterOptions]] = ModbusOptions

    def __init__(self, options: ModbusOptions) -> None:
        self.options = options
        self._source = options.source_id or options.name
        self._blocks = blocks_of(options.registers, options.gap)
        self._client: AsyncModbusTcpClient | None = None
        self._times: list[float] = []

    async def open(self, emitter: Emitter) -> None:
        """Connect; a device that is away is polled again later, with `modbus_up` at 0."""
        options = self.options
        self._client = AsyncModbusTcpClient(
            options.host,
            port=options.port,
            timeout=options.request_timeout_sec,
            retries=0,
            reconnect_delay=0,
        )
        connected = False
        with contextlib.suppress(OSError, ModbusException, TimeoutError):
            connected = await self._client.connect()
        if not connected:
            self._emit_up(emitter, 0.0)
            message = f"{options.host}:{options.port} cannot be reached"
            raise AdapterError(message, cause="connect")

    async def poll(self, emitter: Emitter) -> None:
        """Read everything once."""
        self._times = []
        found: list[Metric] = []
        for block in self._blocks:
            found += await self._read(block, emitter)
        if self._times:
            mean = 1e3 * sum(self._times) / len(self._times)
            found.append(self._metric("modbus_response_ms", mean, "ms", "latency"))
        emitter.emit(found)
        read = sum(1 for metric in found if metric.metric_name != "modbus_response_ms")
        self._emit_up(emitter, read / len(self.options.registers))
        if self._client is None or not self._client.connected:
            message = f"{self.options.host}:{self.options.port}: the connection is lost"
            raise AdapterError(message, cause="disconnected")

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _emit_up(self, emitter: Emitter, share: float) -> None:
        emitter.emit([self._metric("modbus_up", share, "1", "availability")])

    def _metric(self, name: str, value: float, unit: str, kind: MetricType) -> Metric:
        return Metric(now(), self._source, name, value, unit, kind, "modbus")

    async def _read(self, block: list[Register], emitter: Emitter) -> list[Metric]:
        first = block[0].address
        count = max(r.address + r.length for r in block) - first
        try:
            words = await self._request(block[0].table, first, count)
        except AdapterError as error:
            if len(block) > 1 and error.cause == "exception":
                # One unknown register spoils a joint request.
                return [m for one in block for m in await self._read([one], emitter)]
            emitter.fault(error.cause, f"{block[0].name}: {error}")
            return []
        found = []
        for register in block:
            start = register.address - first
            try:
                value = value_of(register, words[start : start + register.length])
            except ValueError as error:
                emitter.fault("not_finite", str(error))
                continue
            except (struct.error, OverflowError) as error:
                emitter.fault("malformed", f"{register.name}: {error}")
                continue
            found.append(self._metric(register.name, value, register.unit, register.metric_type))
        return found

    async def _request(self, table: str, address: int, count: int) -> list[int]:
        client = self._client
        if client is None or not client.connected:
            message = "not connected"
            raise AdapterError(message, cause="disconnected")
        read = {
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
        }[table]
        begin = time.perf_counter()
        try:
            answer = await read(address, count=count, device_id=self.options.unit_id)
        except (ModbusException, OSError, TimeoutError) as error:
            message = f"no answer for {table} {address}: {error}"
            raise AdapterError(message, cause="timeout") from error
        except Exception as error:  # an answer that the library cannot read
            message = f"{table} {address}: {error!r}"
            raise AdapterError(message, cause="malformed") from error
        self._times.append(time.perf_counter() - begin)
        if answer.isError():
            message = f"{table} {address} (+{count}) is refused: {answer}"
            raise AdapterError(message, cause="exception")
        bits = table in ("coil", "discrete")
        words = [int(bit) for bit in answer.bits] if bits else list(answer.registers)
        if len(words) < count:
            message = f"{table} {address}: {len(words)} of {count} values came"
            raise AdapterError(message, cause="malformed")
        return words
