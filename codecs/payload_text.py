"""Numbers that are written as text: in a payload of its own, or in a JSON string.

Pure: text in, a number and its unit out, or None with what the text is. What is no plain number
in English notation is read only where the caller says so (`Notation`), never guessed.
"""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from padit.codecs.decimals import DECIMAL

__all__ = ["LONGEST", "Notation", "Written", "looks_numeric", "read_text"]

LONGEST = 64
"""Characters of the longest text that is looked at as a number."""

_NUMBER = re.compile(DECIMAL)
_UNIT = re.compile(r"(.*[0-9.,])[ \t\u00a0\u202f]*([A-Za-z%‰°µμΩ][A-Za-z%‰°µμΩ/·*^²³-]*[23]?)")
_LIKE = re.compile(
    r"[-+]?[.,]?[0-9][0-9.,'_ \u00a0\u202f]*(?:[eE][-+]?[0-9]+)?\s*[^\s0-9]{0,8}[23]?"
)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_WORDS = {"true": 1.0, "on": 1.0, "online": 1.0, "false": 0.0, "off": 0.0, "offline": 0.0}


class Notation(NamedTuple):
    """How numbers are written.

    Attributes:
        comma: the decimal sign is a comma, as in "22,5".
        units: a unit may follow, as in "22.5 °C".
        states: numbers for words, in lower case.
    """

    comma: bool = False
    units: bool = False
    states: Mapping[str, float] = MappingProxyType({})


class Written(NamedTuple):
    """A number that was written as text."""

    value: float
    unit: str = ""


_ENGLISH = Notation()


def read_text(text: str, notation: Notation = _ENGLISH) -> Written | None:
    """The number in a text, or None.

    >>> read_text(" +1.5e3 "), read_text("OFF")
    (Written(value=1500.0, unit=''), Written(value=0.0, unit=''))
    >>> read_text("22,5 °C"), read_text("22,5 °C", Notation(comma=True, units=True))
    (None, Written(value=22.5, unit='°C'))
    >>> read_text("running", Notation(states={"running": 1.0}))
    Written(value=1.0, unit='')
    """
    if len(text) > LONGEST:
        return None
    text = text.strip()
    word = text.lower()
    if word in notation.states:
        return Written(notation.states[word])
    if word in _WORDS:
        return Written(_WORDS[word])
    unit = ""
    if notation.units and (found := _UNIT.fullmatch(text)) is not None and word[:2] != "0x":
        text, unit = found[1].rstrip(), found[2]
    if notation.comma:
        text = "" if "." in text else text.replace(",", ".", 1)
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return Written(value, unit) if math.isfinite(value) else None


def looks_numeric(text: str) -> bool:
    """Whether a person would call the text a number, such as "22,5" or "1 234 kWh".

    >>> [looks_numeric(text) for text in ("22,5", "22.5 °C", "running", "2026-01-05", "007")]
    [True, True, False, False, False]
    """
    return (
        len(text) <= LONGEST
        and _LEADING_ZERO.match(text.strip()) is None
        and _LIKE.fullmatch(text.strip()) is not None
    )
