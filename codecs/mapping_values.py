"""Values of a mapping: what counts as a number, and text that is one with a decimal comma."""

import math
import re
from decimal import Decimal
from typing import Any

from padit.codecs.contract import shorten
from padit.codecs.decimals import DECIMAL, PERHAPS_COMMA, THOUSANDS

__all__ = [
    "BEGINS", "has_comma", "has_thousands", "is_number_text", "looks_like_number", "number_from",
    "remedy_of",
]  # fmt: skip

_NUMBER = re.compile(rf"\s*{DECIMAL}\s*")
_GROUPS = r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]*)?"
_COMMA = re.compile(rf"\s*[-+]?(?:{_GROUPS}|(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")
_THOUSANDS = re.compile(rf"\s*{THOUSANDS}\s*")
_LONGEST = 64
_TEXT_NUMBERS = (
    "add text_numbers: true to format (a preset becomes format: {preset: NAME, text_numbers: true})"
)
_DECIMAL_POINT = "let all numbers be written with a comma, as decimal: comma says, or with a point"
_DECIMAL_COMMA = "add decimal: comma to format"
BEGINS = frozenset(" +-.,0123456789")
"""What the text of a number begins with."""


def is_number_text(text: str, *, comma: bool = False) -> bool:
    """Whether a text is a decimal number, and nothing else.

    What only a number with a decimal point is, `0.125` or `1.234e5`, is none with a comma.

    Args:
        text: of any length.
        comma: the decimal mark is a comma, and a point stands between thousands.

    >>> is_number_text("12.5"), is_number_text("1_000"), is_number_text("nan")
    (True, False, False)
    >>> is_number_text("1.012,5", comma=True), is_number_text("12.5", comma=True)
    (True, False)
    """
    form = _COMMA if comma else _NUMBER
    return text[:1] in BEGINS and len(text) <= _LONGEST and form.fullmatch(text) is not None


def has_comma(text: str) -> bool:
    """Whether a text is a number with a decimal comma, and none with a point.

    >>> has_comma("3,2"), has_comma("3.2"), has_comma("3"), has_comma("3, 2")
    (True, False, False, False)
    """
    return "," in text[:_LONGEST] and is_number_text(text, comma=True)


def has_thousands(text: str) -> bool:
    """Whether the comma of a text may as well stand between thousands, as in English.

    >>> has_thousands("12,345"), has_thousands("0,125"), has_thousands("12,34")
    (True, False, False)
    """
    return len(text) <= _LONGEST and _THOUSANDS.fullmatch(text) is not None


def looks_like_number(text: str) -> bool:
    """Whether a text is a decimal number with either mark."""
    return is_number_text(text) or has_comma(text)


def remedy_of(text: Any, *, comma: bool, read: bool) -> str:
    """What makes text that looks like a number one.

    Args:
        text: the value.
        comma: whether the decimal mark is a comma.
        read: whether text is read as a number at all.
    """
    missing = [] if read else [_TEXT_NUMBERS]
    if type(text) is str and not comma and has_comma(text):
        doubt = f"{PERHAPS_COMMA}, " if has_thousands(text) else ""
        missing.append(f"{doubt}{_DECIMAL_COMMA}")
    if type(text) is str and comma and is_number_text(text) and "." in text:
        missing.append(_DECIMAL_POINT)
    return " and ".join(missing)


def number_from(value: Any, *, comma: bool = False) -> float | str:
    """A number from a value: numbers, booleans as 1 and 0, text that is a number.

    Returns:
        The number; or why there is none, as text.

    >>> number_from("12.5"), number_from(True), number_from("1.012,5", comma=True)
    (12.5, 1.0, 1012.5)
    """
    if type(value) is str:
        if not is_number_text(value, comma=comma):
            return f"value {shorten(value)} is no number"
        value = float(value.replace(".", "").replace(",", ".") if comma else value)
    elif not isinstance(value, bool | int | float | Decimal):
        return f"value {shorten(value)} is no number, it is {_kind(value)}"
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return f"value {shorten(value)} is out of range"
    return number if math.isfinite(number) else f"value {number} is not a finite number"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", type(None): "null"}
    return names.get(type(value), type(value).__name__)
