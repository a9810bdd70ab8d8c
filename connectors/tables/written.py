"""Numbers as people write them: accounting, currencies before the number, durations in parts.

(12.5)   12.5-      -12.5
$ 4,757  USD 12     4,757 $  12 USD
1h5m     2m 30.5s   3900 s   150.5 s
00:01:30            90 s, only where a unit of time is stated: it may be a time of day
"""

import re
from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["CLOCK", "NEGATIVE", "PARTS", "is_clock", "rewrite", "rewritten", "said"]

NEGATIVE, PARTS, CLOCK = "negative", "parts", "clock"
"""What `rewrite` tells of a cell that needs a word to people."""

_CURRENCY = (
    r"(?:[$€£¥₹]|(?:US|A|C|HK|NZ)\$|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|AUD|CAD"
    r"|NZD|ZAR|BRL|MXN|KRW|SGD|HKD|TRY)\b)"
)
_ODD = (
    rf"^[(]|^[-+\x{{2212}}]?\s*{_CURRENCY}|[0-9.,' ]-$"
    r"|[0-9]\s*(?:d|h|m|min)\s*[0-9]|^[-+]?[0-9]+\s*m(?:in)?$"
    r"|^[-+]?[0-9]{1,4}:[0-9]{2}:[0-9]{2}"
)
_BRACKETS = re.compile(rf"\(\s*({_CURRENCY}?\s*[.0-9][^()]*)\)")
_BEHIND = re.compile(r"([0-9][0-9.,' ]*)-")
_BEFORE = re.compile(rf"([-+\u2212]?)\s*({_CURRENCY})\s*([-+\u2212]?)\s*([.0-9].*)")
_PARTS = re.compile(
    r"([-+]?)(?:([0-9]{1,6})\s*d)?\s*(?:([0-9]{1,6})\s*h)?\s*(?:([0-9]{1,6})\s*m(?:in)?)?\s*"
    r"(?:([0-9]{1,6}(?:\.[0-9]{1,9})?)\s*s)?"
)
_CLOCK = re.compile(r"([-+]?)([0-9]{1,4}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,9})?)")
_SECONDS = (86_400, 3600, 60, 1)
_LONGEST = 60


def is_clock(text: str) -> bool:
    """Whether a cell is hours, minutes and seconds with colons."""
    return len(text) <= _LONGEST and _CLOCK.fullmatch(text) is not None


def rewrite(text: str, *, clock: bool = False) -> tuple[str, str]:
    """A cell as a number with its unit behind it, and what that was; a cell as it is, and "".

    `clock`: of a column of durations, in which 00:01:30 and 45m are some.

    >>> rewrite("($ 4,757)"), rewrite("1h5m"), rewrite("5 m3"), rewrite("00:01:30", clock=True)
    (('-4,757 $', 'negative'), ('3900 s', 'parts'), ('5 m3', ''), ('90 s', 'clock'))
    """
    if len(text) > _LONGEST:
        return text, ""
    parts = _PARTS.fullmatch(text)
    if parts is not None:
        several = sum(one is not None for one in parts.groups()[1:]) > 1
        if several or (clock and parts[4] is not None):  # 45m beside 1h5m: minutes, not metres
            return _as_seconds(parts[1], parts.groups()[1:]), PARTS
    hours = _CLOCK.fullmatch(text) if clock else None
    if hours is not None:
        return _as_seconds(hours[1], (None, *hours.groups()[1:])), CLOCK
    brackets = _BRACKETS.fullmatch(text)
    behind = _BEHIND.fullmatch(text)
    kind = NEGATIVE if brackets or behind else ""
    minus = "-" if kind else ""
    inner = (brackets or behind or [text, text])[1].strip()
    before = _BEFORE.fullmatch(inner)
    if before is None:
        return (f"{minus}{inner}", kind) if kind else (text, "")
    signs = minus + before[1] + before[3]
    return (f"{signs}{before[4]} {before[2]}", kind) if len(signs) < 2 else (text, "")


def _as_seconds(sign: str, parts: tuple[str | None, ...]) -> str:
    """A whole number of seconds, or of a smaller unit: there is no mark to be mistaken."""
    pairs = zip(parts, _SECONDS, strict=True)
    total = sum((Decimal(one) * size for one, size in pairs if one), Decimal(0))
    unit = "s"
    for smaller in ("ms", "us", "ns"):
        if total != int(total):
            unit, total = smaller, total * 1000
    return f"{'-' if sign == '-' else ''}{int(total)} {unit}"


def said(name: str, written: Mapping[str, str]) -> list[tuple[str, str]]:
    """What to say of a column, by the first cell of each kind."""
    words = {NEGATIVE: "a negative number", PARTS: "a duration in parts"}
    return [(f"{written[kind]} in column {name!r} is {what}", "")
            for kind, what in words.items() if kind in written]  # fmt: skip


def rewritten(text: pa.Array, *, clock: bool) -> pa.Array:
    """All cells of a column; each distinct odd one is looked at once."""
    odd = pc.match_substring_regex(text, _ODD).fill_null(False)
    if not pc.any(odd).as_py():
        return text
    cells = text.filter(odd).dictionary_encode()
    words = [rewrite(one, clock=clock)[0] for one in cells.dictionary.to_pylist()]
    made = pa.array(words, text.type).take(cells.indices)
    return pc.replace_with_mask(text, pa.array(np.asarray(odd, bool)), made)
