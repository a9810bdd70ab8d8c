"""CAN buses: signals decoded with a DBC file.

Buses are those of python-can: `socketcan` in the field, `udp_multicast` between machines,
`virtual` within a process. Every signal of a known frame is a sample, named `message_signal`,
at the frame's own time. Every poll adds `can_frames_per_s` and `can_error_frames_per_s`.
Frames that the DBC does not know, that are too short or damaged are counted.

`min_interval_ms` thins fast signals: what comes sooner is left out.
"""

import asyncio
import contextlib
import time
from typing import Any, ClassVar

import can
import cantools
from cantools.database.errors import Error as CantoolsError
from pydantic import Field

from padit.adapters.base import AdapterOptions, Emitter, Options
from padit.adapters.errors import AdapterError
from padit.adapters.series import shorten
from padit.adapters.threads import Worker
from padit.domain.metric import Metric, MetricType

__all__ = ["CanAdapter", "CanOptions"]

_MOST_PER_WAKE = 1_000


class Filter(Options):
    """Frames to let pass: those whose id equals `can_id` in the bits of `can_mask`."""

    can_id: int = Field(ge=0, le=0x1FFFFFFF, description="Identifier.")
    can_mask: int = Field(ge=0, le=0x1FFFFFFF, description="Bits that count.")


class CanOptions(AdapterOptions):
    """Options of the `can` adapter."""

    interval_sec: float = Field(default=1.0, gt=0, description="Seconds from poll to poll.")
    interface: str = Field(default="socketcan", description="Kind of bus, as python-can calls it.")
    channel: str = Field(description="Which bus.", examples=["can0"])
    bus: dict[str, Any] = Field(
        default_factory=dict,
        description="More settings of that kind of bus.",
        examples=[{"bitrate": 500000}],
    )
    dbc: str = Field(description="DBC (or KCD, SYM, ARXML) file.", examples=["machine.dbc"])
    source_id: str = Field(default="", description="Source of the samples; the channel.")
    filters: tuple[Filter, ...] = Field(default=(), description="Frames to read; all by default.")
    signals: tuple[str, ...] = Field(
        default=(), description="Signals to keep, as `message_signal`; all by default."
    )
    min_interval_ms: float = Field(
        default=0.0, ge=0, description="Least time between two samples of a signal."
    )


class CanAdapter:
    """Signals of CAN frames."""

    Options: ClassVar[type[AdapterOptions]] = CanOptions

    def __init__(self, options: CanOptions) -> None:
        self.options = options
        self._source = options.source_id or options.channel
        self._wanted = frozenset(options.signals)
        self._worker = Worker(options.name)
        self.workers = (self._worker,)
        self._bus: Any = None
        self._database: Any = None
        self._descriptor = -1
        self._frames = self._errors = 0
        self._since = 0.0
        self._last: dict[str, float] = {}

    async def open(self, emitter: Emitter) -> None:
        """Read the DBC and open the bus."""
        options = self.options
        try:
            self._database = await self._worker.run(cantools.database.load_file, options.dbc)
        except (OSError, UnicodeDecodeError, CantoolsError) as error:
            message = f"dbc {options.dbc} cannot be read: {error}"
            raise AdapterError(message, cause="dbc") from error
        filters = [{"can_id": f.can_id, "can_mask": f.can_mask} for f in options.filters]
        try:
            self._bus = can.Bus(
                channel=options.channel,
                interface=options.interface,
                can_filters=filters or None,
                **options.bus,
            )
        except (can.CanError, OSError, ValueError, TypeError) as error:
            message = f"{options.interface} {options.channel} cannot be opened: {error}"
            raise AdapterError(message, cause="bus") from error
        self._since = time.monotonic()
        self._listen(emitter)

    def _listen(self, emitter: Emitter) -> None:
        """Where the bus has a descriptor the loop wakes us; else frames wait for the poll."""
        with contextlib.suppress(NotImplementedError, AttributeError):
            self._descriptor = self._bus.fileno()
        if self._descriptor >= 0:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._descriptor, self._drain, emitter)

    async def poll(self, emitter: Emitter) -> None:
        """Frames that wait, and how many there were."""
        self._drain(emitter)
        moment = time.monotonic()
        seconds = max(moment - self._since, 1e-3)
        found = [
            self._metric("can_frames_per_s", self._frames / seconds, "1/s", "throughput"),
            self._metric("can_error_frames_per_s", self._errors / seconds, "1/s", "error_rate"),
        ]
        self._frames = self._errors = 0
        self._since = moment
        emitter.emit(found)

    async def close(self) -> None:
        """Leave the bus."""
        self._worker.close()
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._descriptor = -1
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.shutdown()

    def _drain(self, emitter: Emitter) -> None:
        found: list[Metric] = []
        for _ in range(_MOST_PER_WAKE):
            try:
                frame = self._bus.recv(timeout=0) if self._bus is not None else None
            except (can.CanError, OSError) as error:
                emitter.fault("bus", f"{self.options.channel}: {error}")
                break
            if frame is None:
                break
            try:
                self._take(frame, found, emitter)
            except Exception as error:  # one frame never costs the others
                emitter.fault("malformed", f"frame 0x{frame.arbitration_id:x}: {error!r}")
        emitter.emit(found)

    def _take(self, frame: can.Message, found: list[Metric], emitter: Emitter) -> None:
        self._frames += 1
        if frame.is_error_frame:
            self._errors += 1
            return
        if frame.is_remote_frame:
            return
        try:
            message = self._database.get_message_by_frame_id(frame.arbitration_id)
        except KeyError:
            emitter.fault("unknown_frame", f"frame id 0x{frame.arbitration_id:x} is not in the DBC")
            return
        try:
            values = message.decode(bytes(frame.data), decode_choices=False, scaling=True)
        except (CantoolsError, ValueError, KeyError) as error:
            emitter.fault("malformed", f"{message.name}: {error}")
            return
        for signal, value in values.items():
            name = f"{message.name}_{signal}"
            if (not self._wanted or name in self._wanted) and isinstance(value, int | float):
                self._add(name, message, signal, float(value), frame.timestamp, found)

    def _add(
        self, name: str, message: Any, signal: str, value: float, when: float, found: list[Metric]
    ) -> None:
        when = when if when > 1e9 else time.time()  # some buses count from their own start
        least = self.options.min_interval_ms / 1000
        if least and when - self._last.get(name, 0.0) < least:
            return
        self._last[name] = when
        unit = message.get_signal_by_name(signal).unit or ""
        found.append(Metric(when, self._source, shorten(name), value, unit, "custom", "can"))

    def _metric(self, name: str, value: float, unit: str, kind: MetricType) -> Metric:
        return Metric(time.time(), self._source, name, value, unit, kind, "can")
