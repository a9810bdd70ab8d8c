"""Values of a mapping: what counts as a number."""

import math
import re
from decimal import Decimal
from typing import Any

from padit.codecs.contract import shorten
from padit.codecs.decimals import DECIMAL

__all__ = ["BEGINS", "is_number_text", "number_from"]

_NUMBER = re.compile(rf"\s*{DECIMAL}\s*")
_LONGEST = 64
BEGINS = frozenset(" +-.0123456789")
"""What the text of a number begins with."""


def is_number_text(text: str) -> bool:
    """Whether a text is a decimal number, and nothing else.

    >>> is_number_text("12.5"), is_number_text("1_000"), is_number_text("nan")
    (True, False, False)
    """
    return text[:1] in BEGINS and len(text) <= _LONGEST and _NUMBER.fullmatch(text) is not None


def number_from(value: Any) -> float | str:
    """A number from a value: numbers, booleans as 1 and 0, text that is a number.

    Returns:
        The number; or why there is none, as text.

    >>> number_from("12.5"), number_from(True)
    (12.5, 1.0)
    """
    if type(value) is str:
        if not is_number_text(value):
            return f"value {shorten(value)} is no number"
        value = float(value)
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
