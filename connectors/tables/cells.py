"""Cells of a line, and what stands between them."""

import csv
import re
from collections.abc import Sequence

from padit.connectors.tables.stream import BLANKS
from padit.domain.findings import Guess

__all__ = ["DATA", "cells_of", "delimiter_of"]

_LINES = 200  # of the head, by which the delimiter is judged
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space"}
DATA = re.compile(r"[-+]?[0-9]+(?:[.,][0-9]+)?(?:[eE][-+]?[0-9]+)?%?|")
"""A cell of a number, or an empty one."""


def cells_of(line: bytes, delimiter: str) -> list[str]:
    """Cells of one record; none if it cannot be cut."""
    try:
        return next(csv.reader([line.decode("utf-8", "replace")], delimiter=delimiter), [])
    except csv.Error:
        return []


def delimiter_of(path: str, lines: list[bytes], usual: str, guesses: list[Guess]) -> str:
    """The usual delimiter where it fits header and rows, else one that does."""
    few = [line for line in lines[:_LINES] if line.strip()]

    def fit(sign: str) -> tuple[float, int]:
        widths = [len(cells_of(line, sign)) for line in few]
        width = widths[0]
        if width < 2:
            return 0.0, width
        return sum(one in (width, width + 1) for one in widths) / len(widths), width

    if fit(usual)[0] >= 0.5:
        return usual
    others = [sign for sign in (";", "\t", ",", "|") if sign != usual]
    best = max(others, key=lambda sign: fit(sign))
    none = fit(best)[0] < 0.5 or fit(best)[0] <= fit(usual)[0]
    if none or (best == "\t" and 2 * sum(b"  " in line for line in few) > len(few)):
        aligned = _blanks(path, few, guesses)
        if none or aligned:
            return aligned or _below_titles(few, (usual, *others))
    what = f"the delimiter is {best!r}, since {usual!r} does not fit"
    guesses.append(Guess(path, what, f"delimiter={_NAMES[best]}"))
    return best


def _below_titles(lines: list[bytes], signs: Sequence[str]) -> str:
    """The sign that cuts most lines alike, as early as any does; the first where none does.

    A title is one cell, whatever the sign; the header below it has no decimal commas, which cut
    rows alike as well.
    """

    def fit(sign: str) -> tuple[int, int]:
        widths = [len(cells_of(line, sign)) for line in lines]
        width = max(set(widths), key=lambda one: (one > 1, widths.count(one), one))
        many = width > 1 and 2 * widths.count(width) > len(widths)
        return (-widths.index(width), width) if many else (-len(widths), 0)

    return max(signs, key=fit)


def _blanks(path: str, lines: list[bytes], guesses: list[Guess]) -> str:
    """`BLANKS` where columns are aligned with them: rows of one width that begin with numbers."""
    rows = [line.split() for line in lines]
    width = len(rows[0])
    fits = [len(row) == width and _is_of_numbers(row) for row in rows]
    if width < 2 or len(rows) < 3 or sum(fits) < 0.9 * (len(rows) - 1):
        return ""
    guesses.append(Guess(path, "columns are aligned with blanks", "delimiter=blanks"))
    return BLANKS


def _is_of_numbers(row: list[bytes]) -> bool:
    """Whether the last cell is a number, or most are: others may stand for no value."""
    found = [bool(DATA.fullmatch(cell.decode("latin-1"))) for cell in row]
    return found[-1] or 2 * sum(found) > len(found)
