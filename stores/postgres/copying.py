"""Rows of numbers as PostgreSQL's binary COPY format, without a Python object for any of them.

All numbers have a fixed width, so the rows are one numpy array with the format's own layout. A
float that is NaN stands for null; the statement that reads the staged rows turns it into one.
Source: PostgreSQL 15 documentation, "COPY", section "Binary Format".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from padit.stores.postgres.connect import Connection

__all__ = ["Columns", "binary_rows", "copy_rows", "named_rows"]

Columns = Sequence[tuple[str, NDArray[Any]]]
"""Type (`int4`, `float8`, or `timestamptz` from microseconds since 1970) and values of each."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH_2000 = 946_684_800 * 10**6  # PostgreSQL's times count from there
_FORMS = {"int4": ">i4", "float8": ">f8", "timestamptz": ">i8"}


def binary_rows(columns: Columns) -> bytes:
    """What COPY ... (FORMAT BINARY) reads."""
    return _HEADER + _fixed(columns, len(columns)).tobytes() + _TRAILER


def named_rows(names: Sequence[str], number: NDArray[np.int32], columns: Columns) -> bytes:
    """As `binary_rows`, with a text before the numbers of each row.

    Args:
        names: texts, each once.
        number: (n,), index into `names`; rows of one text stand together.
        columns: of numbers.
    """
    fixed = _fixed(columns, 1 + len(columns))
    plain = fixed.view(np.uint8).reshape(len(fixed), -1)
    begins = np.flatnonzero(np.concatenate(([True], number[1:] != number[:-1]))).tolist()
    parts = [_HEADER]
    for begin, end in zip(begins, [*begins[1:], len(number)], strict=True):
        text = names[number[begin]].encode()
        head = plain[begin, :2].tobytes() + len(text).to_bytes(4, "big") + text
        block = np.empty((end - begin, len(head) + plain.shape[1] - 2), np.uint8)
        block[:, : len(head)] = np.frombuffer(head, np.uint8)
        block[:, len(head) :] = plain[begin:end, 2:]
        parts.append(block.tobytes())
    return b"".join([*parts, _TRAILER])


def copy_rows(connection: Connection, table: str, names: Sequence[str], data: bytes) -> None:
    """COPY binary rows into some columns of a table."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(data)


def _fixed(columns: Columns, count: int) -> NDArray[np.void]:
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for n, (kind, _) in enumerate(columns):
        fields += [(f"size{n}", ">i4"), (f"value{n}", _FORMS[kind])]
    rows = np.empty(len(columns[0][1]), np.dtype(fields))
    rows["count"] = count
    for n, (kind, values) in enumerate(columns):
        rows[f"size{n}"] = np.dtype(_FORMS[kind]).itemsize
        rows[f"value{n}"] = values - _EPOCH_2000 if kind == "timestamptz" else values
    return rows
