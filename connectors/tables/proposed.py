"""A `time_format` that reads a time of a form that is not known, for a person to state.

Only a proposal in the reason of a refusal; nothing is read by it unasked. It follows the runs of
digits and letters of one example, and is proposed only if it reads that example.

Many times are tried together, format by format. A file may have another text in every cell, and so
another format for each: those behind the first few are not proposed.
"""

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from padit.connectors.tables.time_formats import month_of, parse_format

__all__ = ["proposals", "proposed_formats"]

_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+|[\W_]")
_OFFSET = re.compile(r"(?<=[0-9])(?: ?(?:GMT|UTC))? ?[-+][0-9]{2}:?[0-9]{2}(?![0-9])")
_Fields = dict[tuple[int, ...], tuple[str, ...]]
_DATES: _Fields = {  # by the lengths of the numbers; those of one or two digits are 2
    (4, 2, 2): ("%Y", "%m", "%d"),
    (2, 2, 4): ("%d", "%m", "%Y"),
}
_NAMED: _Fields = {  # beside the name of a month
    (2, 4): ("%d", "%Y"),
    (4, 2): ("%Y", "%d"),
    (2, 2): ("%d", "%y"),
}
_CLOCK = ("%H", "%M", "%S", "%f")
_MOST = 64  # characters of a time
_LONGEST = 200  # of one with an offset, behind which its zone may be named
_MOST_FORMATS = 20


def proposed_formats(cell: str) -> list[str]:
    """The format of a time, two where day and month cannot be told apart; none that reads it: [].

    >>> proposed_formats("5. Januar 2026 08:00 Uhr"), proposed_formats("05-JAN-26 08.00.00.5 AM")
    (['%d. %b %Y %H:%M Uhr'], ['%d-%b-%y %I.%M.%S.%f %p'])
    """
    return proposals([cell])[cell]


def proposals(cells: Iterable[str]) -> dict[str, list[str]]:
    """The same for each of many different times."""
    wanted = {cell: _candidates(cell.strip()) for cell in cells}
    trying: dict[str, list[str]] = {}
    for cell, formats in wanted.items():
        for one in formats:
            if one in trying or len(trying) < _MOST_FORMATS:
                trying.setdefault(one, []).append(cell)
    found: dict[str, list[str]] = {cell: [] for cell in wanted}
    for one, tried in trying.items():
        for cell in _read_by(one, tried):
            found[cell].append(one)
    return {cell: [one for one in wanted[cell] if one in found[cell]] for cell in wanted}


def _candidates(text: str) -> list[str]:
    """The formats that may read a time: by the lengths of its numbers."""
    offset = _OFFSET.search(text)
    if len(text) > (_LONGEST if offset else _MOST):
        return []
    begin, rest = (text[: offset.start()], text[offset.end() :]) if offset else (text, "")
    tokens = _TOKEN.findall(begin)
    fields = _fields([one for one in tokens if one.isdecimal()], any(map(month_of, tokens)))
    if not fields:
        return []
    found = _written(tokens, fields)
    if offset:
        found += re.sub(r"[-+][0-9:]+$", "%z", offset[0]) + rest.replace("%", "%%")
    formats = [found]
    if re.match(r"%d[^.]%m", found):
        formats.append(f"%m{found[2]}%d{found[5:]}")
    return formats


def _fields(numbers: Sequence[str], named: bool) -> tuple[str, ...]:
    """The field of each number: a date, and then a time of day; or none."""
    sizes = tuple(len(one) if len(one) > 2 else 2 for one in numbers)
    dates = _NAMED if named else _DATES
    size = 2 if named else 3
    date = dates.get(sizes[:size], ())
    if date and not named and date[0] == "%d" and int(numbers[1]) > 12:
        date = ("%m", "%d", "%Y")
    clock = _CLOCK[: len(numbers) - size]
    fits = len(numbers) - size <= len(_CLOCK) and all(
        length == 2 for length in sizes[size : size + 3]
    )
    return (*date, *clock) if date and fits else ()


def _written(tokens: Sequence[str], fields: Sequence[str]) -> str:
    """The format: fields for numbers and names, other signs as they are."""
    last = max(at for at, one in enumerate(tokens) if one.isdecimal())
    half = any(one.lower() in ("am", "pm") for one in tokens[last:])
    left = list(fields)
    parts: list[str] = []
    for one in tokens:
        if one.isdecimal():
            field = left.pop(0)
            parts.append("%I" if half and field == "%H" else field)
        elif half and one.lower() in ("am", "pm") and not left:
            parts.append("%p")
        elif one.isalpha() and month_of(one):
            parts.append("%b")
        elif one.isalpha() and not parts and len(one) > 2:
            parts.append("%a")  # a weekday
        else:
            parts.append("%%" if one == "%" else one)
    return "".join(parts)


def _read_by(found: str, cells: Sequence[str]) -> list[str]:
    """Which of some times a format reads."""
    try:
        bad = parse_format(pa.array(cells, pa.string()), found).bad
    except ValueError:
        return []
    return [cell for cell, wrong in zip(cells, bad.tolist(), strict=True) if not wrong]
