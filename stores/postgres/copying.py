"""Rows of numbers as PostgreSQL's binary COPY format, without a Python object for any of them.

All columns have a fixed width, so the rows are one numpy array with the format's own layout. A
float that is NaN stands for null; the statement that reads the staged rows turns it into one.
Source: PostgreSQL 15 documentation, "COPY", section "Binary Format".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["binary_rows"]

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH_2000 = 946_684_800 * 10**6  # PostgreSQL's times count from there
_FORMS = {"int4": ">i4", "float8": ">f8", "timestamptz": ">i8"}


def binary_rows(columns: Sequence[tuple[str, NDArray[np.generic]]]) -> bytes:
    """What COPY ... (FORMAT BINARY) reads.

    Args:
        columns: type (`int4`, `float8`, or `timestamptz` from microseconds since 1970) and values.
    """
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for n, (kind, _) in enumerate(columns):
        fields += [(f"size{n}", ">i4"), (f"value{n}", _FORMS[kind])]
    rows = np.empty(len(columns[0][1]), np.dtype(fields))
    rows["count"] = len(columns)
    for n, (kind, values) in enumerate(columns):
        rows[f"size{n}"] = np.dtype(_FORMS[kind]).itemsize
        rows[f"value{n}"] = values - _EPOCH_2000 if kind == "timestamptz" else values
    return _HEADER + rows.tobytes() + _TRAILER
