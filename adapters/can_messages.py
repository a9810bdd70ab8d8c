"""Which message of a DBC a CAN frame is, and which of its signals hold a number; no I/O.

A frame and a message are the same if their identifier and its kind (11 or 29 bits) are. A message
of SAE J1939 is one parameter group (PGN), whatever the priority, the source address and the
destination of the frame. A message of 29 bits counts as J1939 if the DBC says so (`VFrameFormat`,
`ProtocolType`, a signal with an `SPN`), or if it has the source address 0xFE, which stands for
"any" in DBC files.

J1939 keeps the highest values of a signal for what is no number: 0xFF in the highest byte is "not
available", 0xFE an error, 0xFB to 0xFD are reserved; of two bits 3 is "not available" and 2 an
error; of any other width all ones are "not available".
"""

import math
import re
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from cantools import j1939
from cantools.errors import Error as CantoolsError

__all__ = [
    "Address",
    "Frames",
    "Lack",
    "Signal",
    "address_of",
    "lack_of",
    "plain_label",
    "read_signals",
]

_ANY = 0xFE
_LONG = 0x1FFFFFFF
_LABEL = re.compile(r"[^a-z0-9]+")

Lack = Literal["", "not_available", "error_indicator", "reserved"]


class Address(NamedTuple):
    """The parts of a J1939 identifier."""

    pgn: int
    source: int
    priority: int
    destination: int | None


@lru_cache(maxsize=4_096)
def address_of(identity: int) -> Address:
    """The parts of a 29-bit identifier.

    >>> address_of(0x0CF004FE)
    Address(pgn=61444, source=254, priority=3, destination=None)
    >>> address_of(0x18EA2110)
    Address(pgn=59904, source=16, priority=6, destination=33)
    """
    parts = j1939.frame_id_unpack(identity & _LONG)
    to = parts.pdu_specific if j1939.is_pdu_format_1(parts.pdu_format) else None
    pgn = j1939.pgn_from_frame_id(identity & _LONG)
    return Address(pgn, parts.source_address, parts.priority, to)


class Frames:
    """Finds the message of a frame.

    Args:
        database: of cantools.
        mode: "auto" as in the module's docstring, "yes" for all messages with 29 bits, "no" for
            none.
    """

    def __init__(self, database: Any, mode: str) -> None:
        self._exact: dict[tuple[bool, int], Any] = {}
        self._groups: dict[int, Any] = {}
        self._others: dict[int, str] = {}
        self._is_j1939: set[int] = set()
        whole = _says_j1939(database)
        for message in database.messages:
            extended = bool(message.is_extended_frame)
            self._exact[extended, message.frame_id] = message
            if not extended:
                continue
            any_source = message.frame_id & 0xFF == _ANY
            group = address_of(message.frame_id).pgn
            numbered = any(signal.spn for signal in message.signals)
            said = message.protocol == "j1939" or whole or any_source or numbered
            if mode == "yes" or (mode == "auto" and said):
                self._is_j1939.add(id(message))
                if any_source or group not in self._groups:
                    self._groups[group] = message
            else:
                self._others.setdefault(group, message.name)
        self.speaks_j1939 = bool(self._is_j1939) or mode == "yes"

    def find(self, identity: int, extended: bool) -> tuple[Any, Address | None]:
        """(message, J1939 address or None) of a frame; the message is None for an unknown one."""
        message = self._exact.get((extended, identity))
        if message is not None and id(message) not in self._is_j1939:
            return message, None
        if not extended or not self.speaks_j1939:
            return None, None
        address = address_of(identity)
        return self._groups.get(address.pgn) if message is None else message, address

    def of_group(self, pgn: int) -> Any:
        """The message of a parameter group; None for an unknown one."""
        return self._groups.get(pgn)

    def why_unknown(self, identity: int, extended: bool) -> tuple[str, str]:
        """(kind, message) to count an unknown frame by."""
        name = f"frame 0x{identity:x} ({29 if extended else 11} bits)"
        other = self._exact.get((not extended, identity))
        if other is not None:
            kind = 11 if extended else 29
            return (
                "unknown_frame",
                f"{name}: in the DBC 0x{identity:x} is {other.name} of {kind} bits",
            )
        pgn = address_of(identity).pgn if extended else -1
        if pgn in self._others:
            text = f"{name} has the PGN of {self._others[pgn]}: `j1939: yes` reads it"
            return "unknown_frame", text
        return "unknown_frame", f"{name} is not in the DBC"


def lack_of(raw: Any, width: int) -> Lack:
    """Why a raw, unsigned value of a J1939 signal is no number, or "".

    >>> lack_of(0xFAFF, 16), lack_of(0xFE00, 16), lack_of(15, 4), lack_of(14, 4), lack_of(2, 2)
    ('', 'error_indicator', 'not_available', '', 'error_indicator')
    """
    if width % 8 == 0:
        top = int(raw) >> (width - 8)
        if top == 0xFF:
            return "not_available"
        if top == 0xFE:
            return "error_indicator"
        return "reserved" if top >= 0xFB else ""
    if width > 1 and raw == (1 << width) - 1:
        return "not_available"
    return "error_indicator" if width == 2 and raw == 2 else ""


def _says_j1939(database: Any) -> bool:
    """Whether the attribute `ProtocolType` of a DBC is J1939."""
    attributes = getattr(database.dbc, "attributes", None) or {}
    found = attributes.get("ProtocolType")
    return found is not None and str(found.value).upper() == "J1939"


class Signal(NamedTuple):
    """One signal of a frame.

    Attributes:
        value: in its unit; NaN where there is none.
        lack: why there is no number, or "".
        outside: the value is outside of the range in the DBC.
    """

    name: str
    value: float
    unit: str
    lack: str
    outside: bool


def read_signals(message: Any, data: bytes, is_j1939: bool, absent: frozenset[str]) -> list[Signal]:
    """All signals of a frame.

    Args:
        message: of the database.
        data: of the frame.
        is_j1939: whether the highest values are no numbers.
        absent: labels of values that are no numbers, as `plain_label` gives them.

    Raises:
        ValueError: the frame does not fit the message.
    """
    try:
        found = message.decode(data, decode_choices=False, scaling=False)
    except (CantoolsError, KeyError) as error:
        text = f"{message.name}: {error}"
        raise ValueError(text) from error
    return [
        _signal(message.get_signal_by_name(name), raw, is_j1939, absent)
        for name, raw in found.items()
    ]


def _signal(signal: Any, raw: Any, is_j1939: bool, absent: frozenset[str]) -> Signal:
    unit, conversion = signal.unit or "", signal.conversion
    if not isinstance(raw, int | float):
        return Signal(signal.name, math.nan, unit, "no_number", False)
    lack: str = ""
    if is_j1939 and not signal.is_signed and not conversion.is_float:
        lack = lack_of(raw, signal.length)
    label = (conversion.choices or {}).get(raw)
    if not lack and label is not None and plain_label(str(label)) in absent:
        lack = "not_available"
    value = float(conversion.raw_to_scaled(raw, False))
    if not lack and not math.isfinite(value):
        lack = "not_finite"
    low, high = signal.minimum, signal.maximum
    slack = abs(conversion.scale) * 1e-6
    below = low is not None and value < float(low) - slack
    above = high is not None and value > float(high) + slack
    return Signal(signal.name, value, unit, lack, below or above)


def plain_label(text: str) -> str:
    """A label as it is compared: lower case, words joined by one space.

    >>> plain_label("Not_Available (SNA)")
    'not available sna'
    """
    return _LABEL.sub(" ", text.lower()).strip()
