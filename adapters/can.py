"""CAN buses: signals decoded with a DBC file.

Buses are those of python-can: `socketcan` in the field, `udp_multicast` between machines,
`virtual` within a process. Every signal of a known frame is a sample, named `message_signal`,
at the frame's own time. A message of J1939 is known by its parameter group; its source address
stands behind the source, as in `can0/0x21`, and in the metadata. Every poll adds
`can_frames_per_s`, `can_error_frames_per_s` and `can_out_of_range_per_s`, the signals outside of
the range that the DBC gives them.

The unit of the books is the signal, or the frame where no signal is read. A frame that the DBC
does not know, a signal that is "not available" and what an option leaves out are unwatched; a
frame that is too short or damaged and an error indicator are faults.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import can
import cantools
from cantools.errors import Error as CantoolsError
from pydantic import Field

from padit.adapters.base import AdapterOptions, Emitter, Options
from padit.adapters.can_messages import Address, Frames, Signal, plain_label, read_signals
from padit.adapters.can_transport import Transport, Whole
from padit.adapters.edges import depending_on
from padit.adapters.errors import AdapterError
from padit.adapters.threads import Worker
from padit.codecs.names import shortened
from padit.domain.metric import Metric, MetricType

__all__ = ["CanAdapter", "CanOptions"]

_MOST_PER_WAKE = 1_000
_ABSENT = ("not available", "n/a", "sna", "signal not available", "unavailable", "invalid")


class Filter(Options):
    """Frames to let pass: those whose id equals `can_id` in the bits of `can_mask`."""

    can_id: int = Field(ge=0, le=0x1FFFFFFF, description="Identifier.")
    can_mask: int = Field(ge=0, le=0x1FFFFFFF, description="Bits that count.")
    extended: bool | None = Field(
        default=None,
        description="Identifiers of 29 bits only, or of 11 bits only; by default both.",
    )


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
    source_id: str = Field(
        default="",
        description="Source of the samples; by default the channel. The source address of a J1939 "
        "frame is put behind it, as in `can0/0x21`, so that two devices are two sources.",
    )
    j1939: Literal["auto", "yes", "no"] = Field(
        default="auto",
        description="Which messages are of J1939, and so known by their parameter group (PGN): "
        "those that the DBC calls so (by `VFrameFormat`, `ProtocolType` or `SPN`) or that have the "
        "source address 0xFE; all of 29 bits; none.",
    )
    absent_labels: tuple[str, ...] = Field(
        default=_ABSENT,
        description="Labels in the DBC of values that stand for no number, without regard to case.",
    )
    out_of_range: Literal["mark", "read", "refuse"] = Field(
        default="mark",
        description="A value outside of the range in the DBC is read, and marked with "
        "`out_of_range` in its metadata; or read without a mark; or refused as a fault.",
    )
    filters: tuple[Filter, ...] = Field(default=(), description="Frames to read; all by default.")
    signals: tuple[str, ...] = Field(
        default=(), description="Signals to keep, as `message_signal`; all by default."
    )
    min_interval_ms: float = Field(
        default=0.0, ge=0, description="Least time between two samples of a signal."
    )


@dataclass(slots=True)
class _Count:
    """What came since the last poll."""

    frames: int = 0
    errors: int = 0
    outside: int = 0


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
        self._known: Any = None
        self._transport = Transport()
        self._absent = frozenset(plain_label(label) for label in options.absent_labels)
        self._descriptor = -1
        self._count = _Count()
        self._since = 0.0
        self._last: dict[tuple[str, str], float] = {}

    async def open(self, emitter: Emitter) -> None:
        """Read the DBC and open the bus."""
        options = self.options
        try:
            database = await self._worker.run(cantools.database.load_file, options.dbc)
        except (OSError, UnicodeDecodeError, CantoolsError) as error:
            message = f"dbc {options.dbc} cannot be read: {error}"
            raise AdapterError(message, cause="dbc") from error
        if not hasattr(database, "messages"):  # a file of diagnostics
            message = f"dbc {options.dbc} describes no CAN messages"
            raise AdapterError(message, cause="dbc")
        self._known = Frames(database, options.j1939)
        filters = [f.model_dump(exclude_none=True) for f in options.filters]
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
        count, self._count = self._count, _Count()
        found = [
            self._rate("can_frames_per_s", count.frames / seconds, "throughput"),
            self._rate("can_error_frames_per_s", count.errors / seconds, "error_rate"),
            self._rate("can_out_of_range_per_s", count.outside / seconds, "custom"),
        ]
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
        self._count.frames += 1
        identity = frame.arbitration_id
        if frame.is_error_frame:
            self._count.errors += 1
            emitter.unwatched("error_frame", "error frames are counted in can_error_frames_per_s")
            return
        if frame.is_remote_frame:
            emitter.unwatched("remote_frame", f"frame 0x{identity:x} asks for data and has none")
            return
        when = frame.timestamp if frame.timestamp > 1e9 else time.time()  # some count from 0
        known = self._message(frame, when, emitter)
        if known is None:
            return
        message, address, data = known
        try:
            signals = read_signals(message, data, address is not None, self._absent)
        except ValueError as error:
            emitter.fault("malformed", str(error))
            return
        if not signals:
            emitter.unwatched("no_signal", f"{message.name} has no signals in the DBC")
        for signal in signals:
            self._add(message.name, signal, address, when, found, emitter)

    def _message(
        self, frame: can.Message, when: float, emitter: Emitter
    ) -> tuple[Any, Address | None, bytes] | None:
        """The message of the DBC that a frame is, or completes; what is none is counted."""
        identity, extended = frame.arbitration_id, frame.is_extended_id
        message, address = self._known.find(identity, extended)
        if message is not None:
            return message, address, bytes(frame.data)
        if address is None or not Transport.carries(address.pgn):
            emitter.unwatched(*self._known.why_unknown(identity, extended))
            return None
        whole = self._put_together(address, bytes(frame.data), when, emitter)
        if whole is None:
            return None
        message = self._known.of_group(whole.address.pgn)
        if message is None:
            group, size = whole.address.pgn, len(whole.data)
            text = f"PGN {group} (0x{group:04x}) of {size} bytes is not in the DBC"
            emitter.unwatched("unknown_message", text)
            return None
        return message, *whole

    def _put_together(
        self, address: Address, data: bytes, when: float, emitter: Emitter
    ) -> Whole | None:
        """A message of several frames, once it is complete; what it is not is counted."""
        whole, notes = self._transport.take(address, data, when)
        for note in notes:
            if note.kind == "incomplete":
                emitter.fault(note.kind, note.text)
            else:
                emitter.unwatched(note.kind, note.text)
        return whole

    def _add(
        self,
        message: str,
        signal: Signal,
        address: Address | None,
        when: float,
        found: list[Metric],
        emitter: Emitter,
    ) -> None:
        """One signal: a sample, or counted as what it is."""
        name = f"{message}_{signal.name}"
        source = self._source if address is None else f"{self._source}/0x{address.source:02x}"
        if self._wanted and name not in self._wanted:
            emitter.unwatched("not_chosen", f"{name} is not in `signals`")
            return
        if signal.lack in ("not_available", "reserved", "no_number"):
            text = f"{name} of {source} holds a value that stands for no number"
            emitter.unwatched(signal.lack, text)
            return
        if signal.lack:
            emitter.fault(signal.lack, f"{name} of {source}: {signal.value}")
            return
        if self._thinned(source, name, when):
            emitter.unwatched("thinned", f"{name} comes faster than `min_interval_ms`")
            return
        if signal.outside:
            self._count.outside += 1
            if self.options.out_of_range == "refuse":
                text = f"{name} of {source}: {signal.value} is outside of the DBC's range"
                emitter.fault("out_of_range", f"{text}; `out_of_range: mark` reads it")
                return
        more = _metadata(address, signal.outside and self.options.out_of_range == "mark")
        if address is not None:  # a device hangs on its bus
            more |= depending_on(shortened(self._source), shortened(source))
        metric = Metric(
            when,
            shortened(source),
            shortened(name),
            signal.value,
            signal.unit,
            "custom",
            "can",
            more,
        )
        found.append(metric)

    def _thinned(self, source: str, name: str, when: float) -> bool:
        least = self.options.min_interval_ms / 1000
        if not least:
            return False
        if when - self._last.get((source, name), 0.0) < least:
            return True
        self._last[source, name] = when
        return False

    def _rate(self, name: str, value: float, kind: MetricType) -> Metric:
        return Metric(time.time(), self._source, name, value, "1/s", kind, "can")


def _metadata(address: Address | None, outside: bool) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if address is not None:
        more = {"pgn": address.pgn, "source_address": address.source}
        if address.destination is not None:
            more["destination_address"] = address.destination
    if outside:
        more["out_of_range"] = True
    return more
