"""The state of the fleet: how far key groups have come, what waits, and what is remembered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from padit.domain.audit import Witness
from padit.domain.errors import StateError
from padit.domain.saved import read_saved
from padit.transforms.peer_report import Extreme, Kin, Opening, Question, Report, Step

__all__ = [
    "FleetStore", "Header", "Held", "MOST_WAITING", "Memory", "MemoryFleetStore", "Totals", "Wait",
    "known_until", "observe", "read_header", "read_memory", "read_wait", "written",
]  # fmt: skip

_VERSION = 1
_WHAT = "what the fleet has saved"
MOST_WAITING = 4096


class FleetStore(Protocol):
    """State of the fleet: cells of bytes."""

    def read(self, cell: str) -> bytes | None:
        """A small cell: `header`, `memory`."""

    def write(self, cell: str, data: bytes) -> None:
        """Replace it."""

    def add(self, data: bytes) -> None:
        """Append to what waits."""

    def waiting(self) -> Sequence[bytes]:
        """What waits, in any order."""

    def clear(self) -> None:
        """Nothing waits any more."""


@dataclass(slots=True)
class MemoryFleetStore:
    """State in memory, to run the machine without Beam."""

    cells: dict[str, bytes] = field(default_factory=dict)
    bag: list[bytes] = field(default_factory=list)

    def read(self, cell: str) -> bytes | None:
        """See `FleetStore`."""
        return self.cells.get(cell)

    def write(self, cell: str, data: bytes) -> None:
        """See `FleetStore`."""
        self.cells[cell] = data

    def add(self, data: bytes) -> None:
        """See `FleetStore`."""
        self.bag.append(data)

    def waiting(self) -> Sequence[bytes]:
        """See `FleetStore`."""
        return list(self.bag)

    def clear(self) -> None:
        """See `FleetStore`."""
        self.bag = []


class Totals(NamedTuple):
    """Counts since the job began: alerts asked about, silenced, and told after all."""

    asked: int = 0
    silenced: int = 0
    released: int = 0


class Header(msgspec.Struct, array_like=True):
    """Small state: how far each key group has come, and what waits.

    `ahead` holds reports that overtook an earlier one of their group, by where they go on. `due` is
    the earliest event time at which something that waits is to be judged, or a silenced alert told.
    With `most` things that wait, those whose time has come are taken in any case.
    """

    version: int = _VERSION
    groups: int = 0
    come: dict[int, int] = {}
    ahead: dict[int, dict[int, int]] = {}
    waits: int = 0
    due: int | None = None
    most: int = MOST_WAITING
    ended: bool = False
    totals: Totals = Totals()


class Held(msgspec.Struct, array_like=True):
    """A silenced alert that is open: what was asked, by whom silenced, and until when."""

    question: Question
    witnesses: list[Witness]
    until: int


class Memory(msgspec.Struct, array_like=True):
    """What the fleet knows: extremes and latest openings by metric, and silenced alerts by id."""

    version: int = _VERSION
    extremes: dict[str, list[Extreme]] = {}
    openings: dict[str, list[Opening]] = {}
    held: dict[str, Held] = {}


class Wait(msgspec.Struct, array_like=True):
    """What waits for its time: one report without its direct alerts."""

    extremes: list[tuple[int, Kin, Extreme]]
    openings: list[tuple[Kin, Opening]]
    questions: list[Question]
    steps: list[Step]

    @property
    def count(self) -> int:
        """How many things."""
        return len(self.extremes) + len(self.openings) + len(self.questions) + len(self.steps)

    @property
    def due(self) -> list[int]:
        """When something is to be judged, microseconds."""
        return [one.time for one in self.questions] + [one.time for one in self.steps]


_encoder = msgspec.msgpack.Encoder()
_headers = msgspec.msgpack.Decoder(Header)
_memories = msgspec.msgpack.Decoder(Memory)
_waits = msgspec.msgpack.Decoder(Wait)


def written(cell: Header | Memory | Wait) -> bytes:
    """A cell as bytes."""
    return _encoder.encode(cell)


def read_header(data: bytes | None) -> Header:
    """Small state from bytes; None: the first. Raises StateError."""
    return Header() if data is None else read_saved(_headers, data, _VERSION, _WHAT)


def read_memory(data: bytes | None) -> Memory:
    """What is remembered from bytes; None: nothing. Raises StateError."""
    return Memory() if data is None else read_saved(_memories, data, _VERSION, _WHAT)


def read_wait(data: bytes) -> Wait:
    """What waits, from bytes.

    Raises:
        StateError: damaged.
    """
    try:
        return _waits.decode(data)
    except ValueError as error:
        message = f"what waits for the fleet ({len(data)} bytes) is damaged: {error}"
        raise StateError(message) from error


def observe(header: Header, report: Report) -> bool:
    """Note how far a group has come; False if its report came before."""
    header.groups = report.groups
    group, since = report.group, report.since
    come = header.come.get(group)
    ahead = header.ahead.setdefault(group, {})
    if come is not None and report.until <= come:
        return False
    if since is not None and since != come:
        if since in ahead:
            return False
        ahead[since] = report.until
        return True
    if since is None and come is not None:
        return False
    come = report.until
    while come in ahead:
        come = ahead.pop(come)
    header.come[group] = come
    return True


def known_until(header: Header) -> int | None:
    """Up to when all groups have told all; None: some have not told anything."""
    if not header.groups or len(header.come) < header.groups:
        return None
    return min(header.come.values())
