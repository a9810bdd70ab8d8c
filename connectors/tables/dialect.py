"""How the text of a table is written: encoding, line ends, delimiter, and where its rows begin.

What the options state is taken; the rest is found out from the head of the file, and reported.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from padit.codecs.text_points import kind_of_lines, told_of
from padit.connectors.file_looks import MANY_CONTROLS, controls_in, no_table
from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import check_names, likely_time
from padit.connectors.tables.cells import DATA, cells_of, delimiter_of
from padit.connectors.tables.encodings import likely_encoding
from padit.connectors.tables.records import Cut, Text
from padit.connectors.tables.reports import find_report
from padit.connectors.tables.stream import BLANKS, BOM, read_pieces, squeeze
from padit.connectors.tables.time_formats import possible_formats
from padit.domain.errors import SourceError
from padit.domain.findings import Findings, Guess

__all__ = ["Dialect", "cells_of", "find_dialect", "named", "with_trailing"]

_HEAD = 256 << 10
_PIECE = 16 << 10
_PIECES = 15
_LINES = 200  # of the head, by which the delimiter is judged
_BEGIN = 4096
_TITLES = 40  # lines above the rows
_DIGIT = re.compile(rb"[0-9]")
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
_SEP = re.compile(rb'"?sep=(.|\\t)"?[\s;,]*', re.IGNORECASE)
_MARKS = {  # the longer ones first: that of UTF-32 begins like one of UTF-16
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_ANNOTATIONS = (b"#group", b"#datatype", b"#default")


class Dialect(NamedTuple):
    """The dialect of a file.

    Attributes:
        text: how its text is read.
        cut: how it is cut into records; `width` is that of the header.
        names: columns; those without a name are called `column N`.
        unnamed: those that were given such a name.
        annotated: whether it is the annotated CSV of InfluxDB, which has headers of its own.
        guesses: what was found out.
        commented: whether headers are comments, as numpy writes them.
        report: what of a report becomes no row; None of other files.
    """

    text: Text
    cut: Cut
    names: list[str]
    unnamed: frozenset[str]
    annotated: bool
    guesses: list[Guess]
    commented: bool = False
    report: Findings | None = None


def find_dialect(path: str, options: FileOptions, suffix: str) -> Dialect:
    """Look at the head of a file.

    Raises:
        SourceError: it cannot be read, is empty, or has no header that fits its rows.
    """
    guesses: list[Guess] = []
    text = _text(path, options, guesses)
    _refuse_binary(path, text)
    lines = _head_lines(path, text)
    if not any(line.strip() for line in lines):
        message = f"{path} is empty: it has no header line and no rows"
        raise SourceError(message)
    kind = kind_of_lines([line.decode("utf-8", "replace") for line in lines[:_LINES]])
    if kind and not (options.columns or options.delimiter or options.skip_lines):
        message = f"{path} holds {told_of(kind, path)}"
        raise SourceError(message)
    return _report(path, text, lines, options) or _of_table(
        path, text, lines, options, suffix, guesses
    )


def _of_table(
    path: str,
    text: Text,
    lines: list[bytes],
    options: FileOptions,
    suffix: str,
    guesses: list[Guess],
) -> Dialect:
    """The dialect of a table."""
    at, stated = _stated(lines[0], options)
    if at >= len(lines):
        message = f"{path} has {len(lines)} lines, and skip_lines={options.skip_lines} leaves none"
        raise SourceError(message)
    if any(line.lower().startswith(_ANNOTATIONS) for line in lines[at : at + 1]):
        cut = Cut(at, stated or ",", 0)
        return Dialect(text, cut, [], frozenset(), True, guesses)
    at, comment = _behind_comments(path, options, lines, at, guesses)
    usual = "\t" if suffix.startswith(".tsv") else ","
    delimiter = stated or delimiter_of(path, lines[at:], usual, guesses)
    if delimiter == BLANKS:
        delimiter, text = "\t", text._replace(blanks=True)
        lines = [squeeze(line.strip(b" \t")) for line in lines]
    commented = _commented_header(lines, at, comment, delimiter, options)
    if options.columns:
        names, body = list(options.columns), at
    elif commented is not None:
        names, body = commented, at
    else:
        names, used = _header(path, lines[at:], delimiter)
        body = at + used
        _check_header(path, names)
    names, unnamed = named(with_trailing(names, lines[body:], delimiter))
    _check_twice(path, names, body)
    _check_width(path, names, lines, at, delimiter, options)
    cut = Cut(body, delimiter, len(names), comment)
    return Dialect(text, cut, names, unnamed, False, guesses, commented is not None)


def _report(path: str, text: Text, lines: list[bytes], options: FileOptions) -> Dialect | None:
    """The dialect of a report for people, whose lines become those of one table."""
    if options.delimiter not in (None, BLANKS) or options.columns or options.skip_lines:
        return None
    shown = [line.decode("utf-8", "replace") for line in lines]
    found = find_report(path, shown, _lines_of(path, text), options)
    if found is None:
        return None
    report, findings = found
    names = ["timestamp", "source_id", *report.columns]
    check_names(names, path)
    cut = Cut(report.lines + 1, "\t", len(names))
    text = text._replace(turns=report)
    return Dialect(text, cut, names, frozenset(), False, list(findings.guesses), report=findings)


def _lines_of(path: str, text: Text) -> Iterator[str]:
    stream = text.stream(path)
    try:
        rest = b""
        while chunk := stream.read(_HEAD):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")
    finally:
        stream.close()


def _stated(line: bytes, options: FileOptions) -> tuple[int, str | None]:
    """Where to begin, and the delimiter, as far as the options or a line `sep=;` say so."""
    match = _SEP.fullmatch(line)
    if match is None:
        return options.skip_lines, options.delimiter
    sign = match[1].decode("latin-1").replace("\\t", "\t")
    return max(1, options.skip_lines), options.delimiter or sign


def _text(path: str, options: FileOptions, guesses: list[Guess]) -> Text:
    pieces = read_pieces(path, _HEAD, _PIECES, _PIECE)
    head = pieces[0]
    encoding = options.encoding
    if encoding is None:
        encoding, why = _encoding(pieces)
        if encoding != "utf-8":
            guesses.append(Guess(path, f"its text is {encoding} ({why})", f"encoding={encoding}"))
    if options.line_end is not None:
        return Text(encoding, options.line_end == "cr")
    shown = head.decode(encoding, "replace")
    cr = "\r" in shown and "\n" not in shown
    if cr:
        what = "its lines end with a carriage return alone"
        guesses.append(Guess(path, what, "line_end=cr"))
    # As Windows writes rows that end with CR LF already into a file opened as text.
    twice = 0 < shown.count("\n") == shown.count("\r\r\n")
    if twice:
        what = "its lines end with two carriage returns and a line feed, and all of the former go"
        guesses.append(Guess(path, what, ""))
    return Text(encoding, cr, without_cr=twice)


def _refuse_binary(path: str, text: Text) -> None:
    """Refuse what is no text. Raises SourceError with what it is, and what to do."""
    head = read_pieces(path, _BEGIN, 0, 0)[0]
    known = no_table(head)
    if known is not None:
        message = f"{path} is no table: it is {known[0]}; {known[1]}"
        raise SourceError(message)
    # What was not yet written when the power went is filled with zeros: a hole, and no binary file.
    controls = controls_in(re.sub(rb"\0{16,}", b"", head))
    if (
        not text.encoding.startswith(("utf-16", "utf-32"))
        and controls >= MANY_CONTROLS
        and controls * 12 > len(head)
    ):
        message = (
            f"{path} is no text: {controls} of its first {len(head)} bytes are control characters; "
            "export it as CSV, or name its encoding with encoding="
        )
        raise SourceError(message)


def _encoding(pieces: list[bytes]) -> tuple[str, str]:
    """The encoding of a file, and what shows it."""
    head = pieces[0]
    if head.startswith(BOM):
        return "utf-8", ""
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name, "it begins with a byte order mark"
    begin = head[:4096]
    even, odd = begin[0::2].count(0), begin[1::2].count(0)
    if max(even, odd) * 2 > len(begin) // 2 and min(even, odd) * 10 < max(even, odd):
        return ("utf-16-le" if odd > even else "utf-16-be"), "every other byte is 0"
    lines = [line for piece in pieces for line in piece.splitlines()[:-1]] or [head]
    first = next((line for line in head.splitlines() if line), b"")
    wrong = [line for line in lines if not _is_utf8(line)]
    right = sum(not line.isascii() for line in lines) - len(wrong)
    many = len(wrong) >= 2 and len(wrong) * 10 >= len(lines) and len(wrong) > right
    above = right <= 0 and not all(map(_is_utf8, _above_rows(head)))
    if not _is_utf8(first) or many or above:
        return likely_encoding(b"\n".join(wrong or [head]))
    return "utf-8", ""


def _above_rows(head: bytes) -> Iterator[bytes]:
    """The lines above the rows: `sep=;`, titles, comments, names and units."""
    for line in head.splitlines()[:_TITLES]:
        digits = len(_DIGIT.findall(line))
        if digits > 2 * len(_LETTER.findall(line)):
            return
        yield line


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _head_lines(path: str, text: Text) -> list[bytes]:
    stream = text.stream(path)
    try:
        data = b""
        while len(data) < _HEAD and (chunk := stream.read(_HEAD)):
            data += chunk
    finally:
        stream.close()
    whole = data if len(data) < _HEAD else data[: data.rfind(b"\n") + 1] or data
    lines = whole.split(b"\n")
    return [line.rstrip(b"\r") for line in (lines[:-1] if lines[-1] == b"" else lines)]


def _behind_comments(
    path: str, options: FileOptions, lines: list[bytes], at: int, guesses: list[Guess]
) -> tuple[int, str]:
    """The first line that is neither empty nor a comment, and what a comment begins with."""
    comment = options.comment
    if comment is None:
        first = next((line for line in lines[at:] if line.strip()), b"")
        comment = "#" if first.startswith(b"#") else ""
        if comment:
            guesses.append(Guess(path, "lines that begin with '#' are comments", "comment=#"))
    begins = comment.encode()
    while at < len(lines) and (not lines[at].strip() or (begins and lines[at].startswith(begins))):
        at += 1
    if at == len(lines):
        message = f"{path} has neither a header nor rows: its lines are empty or comments"
        raise SourceError(message)
    return at, comment


def _header(path: str, lines: list[bytes], delimiter: str) -> tuple[list[str], int]:
    """Names of the columns, and how many lines they take: a name may hold line breaks."""
    for used in range(1, min(20, len(lines)) + 1):
        try:
            text = b"\n".join(lines[:used]).decode()
            rows = list(csv.reader([text + "\n"], delimiter=delimiter, strict=True))
        except UnicodeDecodeError as error:
            message = f"{path}: the header line cannot be read: {error}; add encoding=NAME"
            raise SourceError(message) from error
        except csv.Error:
            continue
        if len(rows) == 1:
            return [" ".join(cell.split()) for cell in rows[0]], used
    names = cells_of(lines[0], delimiter)
    if not names:
        message = f"{path}: the header line cannot be read: {lines[0][:80]!r}"
        raise SourceError(message)
    return [cell.strip() for cell in names], 1


def _commented_header(
    lines: list[bytes], at: int, comment: str, delimiter: str, options: FileOptions
) -> list[str] | None:
    """Names in the comment right above the rows, as numpy writes them; None if they are not."""
    if not comment or not at or options.columns or not lines[at - 1].startswith(comment.encode()):
        return None
    first = cells_of(lines[at], delimiter)
    if not any(re.fullmatch(r"\s*[-+]?[0-9][0-9.,eE+-]*\s*", cell) for cell in first):
        return None
    for line in lines[max(0, at - 2) : at]:  # below the names there may be a line of units
        if not line.startswith(comment.encode()):
            continue
        names = [cell.strip() for cell in cells_of(line[len(comment) :].strip(), delimiter)]
        if len(names) == len(first) > 1 and len(set(names)) == len(names) and all(names):
            return names
    return None


_EPOCH = re.compile(r"[0-9]{10}(?:[0-9]{3}){0,3}(?:[.,][0-9]+)?")


def _check_header(path: str, names: Sequence[str]) -> None:
    """Refuse a first line that is a row: a time and numbers. Raises SourceError."""
    times = [name for name in names if _EPOCH.fullmatch(name) or possible_formats(name)]
    if len(times) != 1 or not all(DATA.fullmatch(name) for name in names if name not in times):
        return
    given = ["timestamp" if name in times else f"value_{i}" for i, name in enumerate(names)]
    message = (
        f"{path}: the first line holds no names but a row, {', '.join(names)[:80]}; name the "
        f"columns with columns={','.join(given)}"
    )
    raise SourceError(message)


def with_trailing(names: list[str], lines: list[bytes], delimiter: str) -> list[str]:
    """One name more, or one less, where all rows end with a delimiter or none of them does."""
    rows = [cells_of(line, delimiter) for line in lines[:_LINES] if line.strip()]
    if not rows:
        return names
    if all(len(row) == len(names) + 1 and not row[-1].strip() for row in rows):
        return [*names, ""]
    if not names[-1] and all(len(row) == len(names) - 1 for row in rows):
        return names[:-1]
    return names


def named(names: list[str]) -> tuple[list[str], frozenset[str]]:
    """Every column with a name."""
    given = [name or f"column {number}" for number, name in enumerate(names, 1)]
    unnamed = frozenset(one for one, name in zip(given, names, strict=True) if not name)
    return given, unnamed


def _check_twice(path: str, names: list[str], body: int) -> None:
    """Refuse a header that has a name twice, with other names. Raises SourceError."""
    if len(set(names)) < len(names) and not any("," in name or "&" in name for name in names):
        given: dict[str, None] = {}
        for name in names:
            others = (f"{name} {i}" for i in range(2, len(names) + 2))
            given[next(one for one in chain((name,), others) if one not in given)] = None
        twice = next(name for name in names if names.count(name) > 1)
        message = (
            f"{path} has the column {twice!r} twice; give other names, such as "
            f"skip_lines={body}&columns={','.join(given)}"
        )
        raise SourceError(message)
    remedy = f"give other names with columns=, and pass over the header with skip_lines={body}"
    check_names(names, path, remedy)


def _check_width(
    path: str, names: list[str], lines: list[bytes], at: int, delimiter: str, options: FileOptions
) -> None:
    """Refuse a header that fits no row. Raises SourceError."""
    widths = [len(cells_of(line, delimiter)) for line in lines[at : at + _LINES]]
    rows = [one for one in widths[1:] if one]
    if not rows:
        return
    usual = max(set(rows), key=lambda one: (rows.count(one), one))
    timed = options.timestamp in names or likely_time(names)
    titles = not timed and 2 * rows.count(usual) > len(rows)
    if usual <= len(names) or (min(rows) <= len(names) and not titles):
        return  # what is short is a bad row, each by itself; or another table begins
    title = next(i for i, one in enumerate(widths) if i and one == usual)
    what = "columns= names" if options.columns else f"line {at + 1} has"
    remedy = (
        f"if title lines stand above the header, add skip_lines={at + title}"
        if not options.columns
        else "name every column"
    )
    message = (
        f"{path}: {what} {len(names)} columns ({', '.join(names)[:80]}), the lines below have "
        f"{usual}, cut at {delimiter!r}; {remedy}, or another delimiter with delimiter="
    )
    raise SourceError(message)
