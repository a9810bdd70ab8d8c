"""LabVIEW's measurement files (.lvm): text with a head that says when the rows begin.

    LabVIEW Measurement
    Separator	Tab
    ***End_of_Header***
    Date	2026/01/05
    Time	09:30:01.25
    X0	0.0
    ***End_of_Header***
    X_Value	Voltage_0	Comment
    0.000000	1.000000

The first column counts seconds from the time of the second head, or from 1904. Rows may lack the
comment. Further heads begin segments with times of their own, and with `X_Columns Multi` each
channel has a column of its own before it; both become a table with absolute times (`of_segments`).
"""

from datetime import UTC, datetime
from typing import Any

from padit.connectors.file_options import FileOptions
from padit.connectors.tables.stream import TextStream, read_pieces
from padit.domain.errors import SourceError
from padit.domain.findings import Guess
from padit.domain.timestamps import MICROS

__all__ = ["BEGIN", "END", "FIRST_DAY", "moment", "of_labview", "sign_of"]

BEGIN = "LabVIEW Measurement"
END = "***End_of_Header***"
_HEAD = 1 << 18
FIRST_DAY = datetime(1904, 1, 1, tzinfo=UTC)


def of_labview(path: str, options: FileOptions) -> tuple[FileOptions, list[Guess]] | None:
    """The options that read a measurement file; None: it is none, or options say where it begins.

    Raises:
        SourceError: it cannot be read, or its head has no end.
    """
    head = read_pieces(path, _HEAD, 0, 0)[0]
    if not head.startswith(BEGIN.encode()) or options.skip_lines:
        return None
    lines = head.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    ends = [at for at, line in enumerate(lines) if line.startswith(END)]
    fields = _fields(lines[: ends[-1]]) if ends else {}
    if _heads(path) > 2 or fields.get("X_Columns", "One") != "One":
        return None  # `of_segments` reads it
    if not fields:
        message = f"{path} is a measurement of LabVIEW that cannot be read: its head has no end"
        raise SourceError(message)
    sign = {"comma": ",", "tab": "\t"}.get(fields.get("Separator", "Tab").lower(), "\t")
    names, *rows = [line.split(sign) for line in lines[ends[-1] + 1 :] if line.strip()] or [[""]]
    short = [len(row) < len(names) for row in rows[:-1] or rows]  # the last may be cut
    decimal = fields.get("Decimal_Separator", ".")
    start = _start(path, fields)
    found: dict[str, Any] = {"skip_lines": ends[-1] + 1, "delimiter": options.delimiter or sign}
    if names[-1] == "Comment" and 2 * sum(short) > len(short):  # most rows have none
        found |= {"skip_lines": ends[-1] + 2, "columns": options.columns or tuple(names[:-1])}
    if decimal in (".", ","):
        found["decimal"] = options.decimal or decimal
    if options.timestamp == "timestamp" and options.step is None:
        found |= {"start": start, "timestamp": "X_Value", "time_format": "epoch_s"}
    first = datetime.fromtimestamp(start / 1e6, UTC).replace(tzinfo=None)
    what = f"it is a measurement of LabVIEW, whose X_Value counts seconds from {first}"
    return options.model_copy(update=found), [Guess(path, what, "")]


def _heads(path: str) -> int:
    """How many heads end in the whole file: a later one gives the rows below it other times."""
    stream = TextStream(path, "utf-8", lone_cr=False)
    try:
        found, rest = 0, b""
        while chunk := stream.read(_HEAD):
            text = rest + chunk
            found += text.count(END.encode())
            rest = text[1 - len(END) :]
        return found
    finally:
        stream.close()


def _fields(lines: list[str]) -> dict[str, str]:
    """The fields of the heads; of a name that both have, the later one of the first channel."""
    found = {}
    for line in lines:
        name, *values = line.split(sign_of(line))
        value = next((one for one in values if one.strip()), "")
        if name.strip():
            found[name.strip()] = value.strip()
    return found


def sign_of(line: str) -> str:
    """What stands behind the name of a line of a head; its value may hold a comma, too."""
    return next((one for one in line if one in "\t,;"), "\t")


def moment(date: str, clock: str) -> int | None:
    """Microseconds since 1970; local times are taken as UTC. None where they cannot be read."""
    text = f"{date} {clock[:15].replace(',', '.')}"
    for form in ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S"):
        try:
            when = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return int(when.timestamp()) * MICROS + when.microsecond
    return None


def _start(path: str, fields: dict[str, str]) -> int:
    """Microseconds since 1970 of X_Value 0; local times are taken as UTC."""
    if fields.get("Time_Pref", "").lower() == "absolute":
        return round(FIRST_DAY.timestamp()) * MICROS
    found = moment(fields.get("Date", ""), fields.get("Time", ""))
    if found is None:
        message = f"{path}: its head has no date and time; add start=TIME&timestamp=X_Value"
        raise SourceError(message)
    return found
