"""What a file holds whose name says nothing of it: by its first bytes, for the message."""

import shlex
from glob import glob

from padit.codecs.text_points import kind_of_lines, told_of

__all__ = ["MAGIC", "MANY_CONTROLS", "controls_in", "known_by_magic", "looks_like", "no_table"]

MAGIC = (
    (b"PK\x03\x04", "a zip archive, as Excel's .xlsx are", "save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", "save it as CSV"),
    (b"PAR1", "Parquet", "name it with the suffix .parquet"),
    (b"ARROW1", "an Arrow file", "write it as Parquet or CSV"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"%PDF", "a PDF", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "write it as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "write it as Parquet or CSV"),
    (b"MATLAB 5.0", "a MAT-file", "write it as CSV (writetable) or Parquet (parquetwrite)"),
    (b"TDSm", "a TDMS file", "export it as CSV"),
    (
        b"RRD\x00",
        "a round-robin database",
        "export it with rrdtool xport --json, which format: rrdtool reads",
    ),
    (b"<!DOCTYPE", "an HTML page", "download the export itself, not the page (or its login)"),
    (b"<!doctype", "an HTML page", "download the export itself, not the page (or its login)"),
    (b"<html", "an HTML page", "download the export itself, not the page (or its login)"),
    (b"<?xml", "XML", "export it as CSV or JSON (of an RRD: rrdtool xport --json)"),
)
"""What a file begins with, what it is, and what helps."""
_BEGIN = 4096
MANY_CONTROLS = 32
"""Control characters: a few stand in text that a device has written."""


def known_by_magic(begin: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, and what helps; None: its first bytes say nothing."""
    return next(((what, remedy) for magic, what, remedy in MAGIC if begin.startswith(magic)), None)


def no_table(begin: bytes) -> tuple[str, str] | None:
    """The same of a file that is to be a table."""
    if begin.startswith((b'{"', b'[{"')):
        return "JSON", "add suffix=json"
    return known_by_magic(begin)


def controls_in(text: bytes) -> int:
    """How many control characters there are that no text has."""
    return sum(text.count(bytes([one])) for one in range(32) if one not in b"\t\n\f\r\x1b")


def looks_like(path: str) -> str:
    """What to do about a file of an unknown suffix; "" where there is no such file.

    Args:
        path: a file, or a pattern, of which the first is looked at.
    """
    try:
        with open(next(iter(sorted(glob(path))), path), "rb") as file:
            begin = file.read(_BEGIN)
    except OSError:
        return ""
    known = known_by_magic(begin)
    if known is not None:
        return f". It is {known[0]}: {known[1]}"
    text = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return ". It is empty"
    if controls_in(begin) >= MANY_CONTROLS and not begin.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ". It is no text: export it as CSV or JSON"
    kind = kind_of_lines(text.decode("utf-8", "replace").split("\n")[:-1])
    if kind:
        return f". It holds {told_of(kind, path)}"
    json = text[:1] in (b"{", b"[")
    quoted = shlex.quote(f"{path}?suffix={'json' if json else 'csv'}")
    if json:
        return f". It holds JSON: name it with suffix=json, as in {quoted}"
    return (
        f". It holds text: if that is a table, add suffix=csv, as in {quoted}; lines of a log are "
        "read by the adapter `logs`"
    )
