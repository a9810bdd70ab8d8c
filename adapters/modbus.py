"""Modbus TCP: registers and coils of controllers, mapped in YAML.

Values that lie close together are read with one request (at most 125 registers or 2,000 bits,
the protocol's limits). Every poll adds `modbus_up`: the share of values that could be read, 0
to 1, and `modbus_response_ms`, the mean time of a request.

The unit of the books is the configured value: at every poll each is a sample, unwatched (its
register holds what stands for "not available") or a fault. If a device refuses a joint request its
values are read one by one, so that one bad register costs only itself. A fault is named after the
device's own answer, such as `illegal_address` or `device_busy`; `malformed` is an answer that
cannot be read or does not belong to its request. A poll that takes longer than `timeout_sec` emits
what it has read; the rest are faults, `not_read`, and the adapter connects again.
"""

import contextlib
import struct
import time
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, model_validator
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from padit.adapters.base import AdapterOptions, Emitter, Seconds, now
from padit.adapters.edges import depending_on
from padit.adapters.errors import AdapterError, TimedOutError
from padit.adapters.modbus_answers import StrayError, read, readable
from padit.adapters.modbus_values import NotAvailableError, Register, value_of
from padit.adapters.poll_time import PollTime
from padit.codecs.names import some_of
from padit.domain.metric import Metric, MetricType

__all__ = ["ModbusAdapter", "ModbusOptions", "blocks_of"]

_MOST = {"holding": 125, "input": 125, "coil": 2000, "discrete": 2000}
_EXCEPTIONS = {
    1: "illegal_function",
    2: "illegal_address",
    3: "illegal_value",
    4: "device_failure",
    5: "acknowledge",
    6: "device_busy",
    7: "negative_acknowledge",
    8: "memory_parity",
    10: "gateway_path",
    11: "gateway_target",
}
_HINT = "; 40101 in a manual is often address 100 of the table holding, 30101 of input"
# Answers that one register of a joint request may be to blame for.
_BEHIND = range(2, 248)  # units that only a gateway leads to; 1 is often the device itself
_OF_ONE_REGISTER = {"illegal_function", "illegal_address", "illegal_value", "device_failure",
                    "malformed"}  # fmt: skip


class ModbusOptions(AdapterOptions):
    """Options of the `modbus` adapter."""

    host: str = Field(description="Device.", examples=["10.0.0.9"])
    port: int = Field(default=502, ge=1, le=65_535, description="Port.")
    unit_id: int = Field(
        default=1, ge=0, le=255,
        description="Unit behind a gateway. From 2 to 247 it depends on `host`, which is in the "
        "metadata of its samples.",
    )  # fmt: skip
    source_id: str = Field(default="", description="Source of the samples; the adapter's name.")
    request_timeout_sec: Seconds = Field(default=3.0, description="Wait for one answer.")
    gap: int = Field(
        default=8, ge=0, le=64, description="Unwanted registers read to save a request."
    )
    sunspec: bool = Field(
        default=False,
        description="Values that SunSpec keeps for `not implemented` are not available: 0x8000 of "
        "an int16, 0xFFFF of a uint16, likewise of 32 and 64 bits, and NaN.",
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


class ModbusAdapter:
    """Registers of Modbus TCP devices."""

    Options: ClassVar[type[AdapterOptions]] = ModbusOptions

    def __init__(self, options: ModbusOptions) -> None:
        self.options = options
        self._source = options.source_id or options.name
        behind = options.host if options.unit_id in _BEHIND else ""
        self._edge = depending_on(behind, self._source)
        self._blocks = blocks_of(options.registers, options.gap)
        self._client: AsyncModbusTcpClient | None = None
        self._answer_due = False  # whether an answer may come to a request that was given up
        self._poll_time = PollTime(options.timeout_sec)
        self._times: list[float] = []
        self._found: list[Metric] = []
        self._unread: dict[str, None] = {}  # names, in their order
        self._read_count = 0
        self._strays = 0

    async def open(self, emitter: Emitter) -> None:
        """Connect; a device that is away is polled again later, with `modbus_up` at 0."""
        options = self.options
        self._answer_due = False
        self._client = AsyncModbusTcpClient(
            options.host,
            port=options.port,
            timeout=options.request_timeout_sec,
            retries=0,
            reconnect_delay=0,
        )
        readable(self._client)
        connected = False
        with (
            self._poll_time.opening(),
            contextlib.suppress(OSError, ModbusException, TimeoutError),
        ):
            connected = await self._client.connect()
        if not connected:
            self._emit_up(emitter, 0.0)
            message = f"{options.host}:{options.port} cannot be reached"
            raise AdapterError(message, cause="connect")

    async def poll(self, emitter: Emitter) -> None:
        """Read everything once; what was read is emitted, whatever ends the poll."""
        self._times, self._found, self._read_count, self._strays = [], [], 0, 0
        self._unread = dict.fromkeys(register.name for register in self.options.registers)
        limit = self._poll_time.limit()
        try:
            with contextlib.suppress(TimeoutError):
                async with limit:
                    for block in self._blocks:
                        if not limit.expired():
                            await self._read(block, emitter)
        finally:
            emitter.emit(self._found)
            if limit.expired() or not self._unread:  # else it was cancelled by a stop
                self._emit_state(emitter)
        if self._unread:
            emitter.fault("not_read", self._late(), len(self._unread))
            raise TimedOutError(self._late())
        self._check_connection()

    def _late(self) -> str:
        names = some_of(list(self._unread))
        share = f"{len(self._unread)} of {len(self.options.registers)} values"
        return f"the poll took {self.options.timeout_sec:g} s: {share} were not read: {names}"

    def _check_connection(self) -> None:
        place = f"{self.options.host}:{self.options.port}"
        if self._client is None or not self._client.connected:
            message = f"{place}: the connection is lost"
            raise AdapterError(message, cause="disconnected")
        if self._strays:  # every later answer may be one too late as well
            message = f"{place}: {self._strays} answers belong to other requests"
            raise AdapterError(message, cause="malformed")

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _emit_state(self, emitter: Emitter) -> None:
        if self._times:
            mean = 1e3 * sum(self._times) / len(self._times)
            emitter.emit([self._metric("modbus_response_ms", mean, "ms", "latency")])
        self._emit_up(emitter, self._read_count / len(self.options.registers))

    def _emit_up(self, emitter: Emitter, share: float) -> None:
        emitter.emit([self._metric("modbus_up", share, "1", "availability")])

    def _metric(self, name: str, value: float, unit: str, kind: MetricType) -> Metric:
        return Metric(now(), self._source, name, value, unit, kind, "modbus", self._edge)

    async def _read(self, block: list[Register], emitter: Emitter) -> None:
        first = block[0].address
        count = max(r.address + r.length for r in block) - first
        try:
            words = await self._request(block[0].table, first, count)
        except AdapterError as error:
            if len(block) > 1 and error.cause in _OF_ONE_REGISTER:
                for one in block:
                    await self._read([one], emitter)
                return
            hint = _HINT if error.cause == "illegal_address" and first > 30_000 else ""
            names = some_of([register.name for register in block])
            emitter.fault(error.cause, f"{names}: {error}{hint}", len(block))
            for register in block:
                self._unread.pop(register.name)
            return
        for register in block:
            start = register.address - first
            metric = self._value(register, words[start : start + register.length], emitter)
            self._unread.pop(register.name)
            if metric is not None:
                self._found.append(metric)

    def _value(self, register: Register, words: list[int], emitter: Emitter) -> Metric | None:
        """One value, or None after it was counted."""
        try:
            value = value_of(register, words, sunspec=self.options.sunspec)
        except NotAvailableError as error:
            self._read_count += 1
            emitter.unwatched("not_available", str(error))
        except ValueError as error:
            emitter.fault("not_finite", str(error))
        except (struct.error, OverflowError) as error:
            emitter.fault("malformed", f"{register.name}: {error}")
        else:
            self._read_count += 1
            return self._metric(register.name, value, register.unit, register.metric_type)
        return None

    async def _request(self, table: str, address: int, count: int) -> list[int]:
        client = self._client
        if client is None or not client.connected:
            message = "not connected"
            raise AdapterError(message, cause="disconnected")
        begin = time.perf_counter()
        try:
            unit = self.options.unit_id
            answer = await read(client, table, address, count, unit, late=self._answer_due)
        except StrayError:
            self._strays += 1
            raise
        except (ModbusException, OSError, TimeoutError) as error:
            self._answer_due = True
            message = f"no answer for {table} {address}: {error}"
            raise AdapterError(message, cause="timeout") from error
        self._times.append(time.perf_counter() - begin)
        if isinstance(answer, list):
            return answer
        cause = _EXCEPTIONS.get(answer, "exception")
        message = f"{table} {address} (+{count}): the device answers {cause} (code {answer})"
        raise AdapterError(message, cause=cause)
