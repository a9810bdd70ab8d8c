"""Lines of one file to records: containers' envelopes, partial lines, stack traces.

Every line that goes in is part of a record, counted in `left` (blank, or behind the bounds of its
record) or in `refused` (binary). Records do not depend on how the lines are cut into calls of
`feed`; only `flush`, called when nothing more came for a while, ends what might go on.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from padit.codecs.logs.levels import KNOWN
from padit.codecs.logs.objects import Context, read_object
from padit.codecs.logs.record import ANSI, MOST_MESSAGE, LogRecord, Notes, Settings, template_of
from padit.codecs.logs.texts import Line, json_object, read_line
from padit.codecs.logs.times import format_time, time_of
from padit.codecs.logs.traces import Trace, begins_trace, is_part

__all__ = ["LONGEST_RECORD", "MOST_LINES", "LineParser"]

MOST_LINES = 2_000
"""Lines of one record; those behind them are counted, not kept."""

LONGEST_RECORD = 1_000_000
"""Characters of one record."""

T = TypeVar("T")

_CRI = re.compile(
    r"(\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP])(?::\S*)? ?(.*)",
    re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ENVELOPE = frozenset(("log", "stream", "time", "attrs"))


class Piece(NamedTuple):
    """What was in an envelope: text, the envelope's time, and its other fields."""

    text: str
    stamp: Any
    rest: dict[str, Any] | None


class _Open:
    """A record that later lines may belong to."""

    def __init__(self, line: Line, begin: int, trace: str) -> None:
        self.line = line
        self.begin = begin
        self.texts: list[str] = []
        self.size = len(line.record.message)
        self.trace = Trace(trace)


class _Stream:
    """One of the streams of a file: stdout and stderr of a container, or the file itself."""

    def __init__(self) -> None:
        self.open: _Open | None = None
        self.parts: list[Piece] = []
        self.size = self.begin = 0
        self.ends = False


class LineParser:
    """Reads the lines of one file, in order.

    Args:
        service: of lines that name none.
        settings: how they are read.
    """

    def __init__(self, service: str, settings: Settings | None = None) -> None:
        self.left = Notes()
        self.refused = Notes()
        self.notes = Notes()
        self._service = service
        self._settings = settings or Settings()
        self._context = Context(self._settings, self.notes)
        self._streams = {"": _Stream()}
        self._fed = 0
        self._begin = 0
        self._done: list[LogRecord] = []

    @property
    def pending(self) -> int:
        """Bytes since the beginning of the earliest line that no record was made of; 0 if none."""
        begins = [stream.open.begin for stream in self._streams.values() if stream.open]
        begins += [stream.begin for stream in self._streams.values() if stream.parts]
        return self._fed - min(begins, default=self._fed)

    def feed(
        self, lines: Iterable[bytes], received: float, reference: float | None = None
    ) -> list[LogRecord]:
        """Records that are complete.

        Args:
            lines: without their line breaks.
            received: epoch seconds, the time of lines that have none.
            reference: epoch seconds, from which a missing year is inferred; `received` if None.
        """
        now = datetime.fromtimestamp(received, UTC)
        self._context.at(now, now if reference is None else datetime.fromtimestamp(reference, UTC))
        for line in lines:
            self._begin = self._fed
            self._fed += len(line) + 1
            try:
                self._take(line)
            except Exception as error:  # a defect of ours costs one line, never its neighbours
                self.refused.note("internal", f"{error!r}: {line[:60]!r}")
        return self._taken()

    def objects(self, objects: Iterable[dict[str, Any]], received: float) -> list[LogRecord]:
        """Records of objects that are no lines of a file."""
        now = datetime.fromtimestamp(received, UTC)
        self._context.at(now, now)
        found = []
        for fields in objects:
            try:
                found.append(self._posted(fields))
            except Exception as error:  # as above
                self.refused.note("internal", f"a record cannot be read: {error!r}")
        return found

    def _posted(self, fields: dict[str, Any]) -> LogRecord:
        """An object by itself, out of its envelope if it has one."""
        envelope = _envelope(fields)
        if envelope is None:
            return read_object(fields, self._service, self._context)
        piece = envelope[1]
        record = self._dated_by(piece, lambda: self._read(piece.text)).record
        record.template = record.template or template_of(record.message)
        return record

    def flush(self) -> list[LogRecord]:
        """Records of everything that was kept because more lines could have come."""
        for name, stream in self._streams.items():
            self._end_parts(name, stream)
            self._close(stream)
        return self._taken()

    def _taken(self) -> list[LogRecord]:
        done, self._done = self._done, []
        return done

    def _take(self, line: bytes) -> None:
        """One line as it stands in the file."""
        if line[:1] == b"{":
            fields = json_object(line)
            if fields is not None:
                self._object(fields, line)
                return
        text = self._text(line)
        if text is None:
            return
        if text[10:11] == "T" and " std" in text[19:40]:
            found = _CRI.match(text)
            if found:
                piece = Piece(found[4], found[1], None)
                self._piece(found[2], piece, partial=found[3] == "P", stated=True)
                return
        self._whole("", text, "", 1)

    def _text(self, line: bytes) -> str | None:
        """The line as text; None if it is binary, which is counted."""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = line.decode("utf-8", "replace")
            if text.count("\ufffd") * 3 > len(text):
                self.refused.note("binary", repr(line[:40]))
                return None
            self.notes.note("encoding", text)
        if text.isprintable():
            return text
        text = text.rstrip("\r")
        if "\x1b" in text:
            text = ANSI.sub("", text)
        stripped = text.strip("\0")
        if len(stripped) < len(text):
            if not stripped:
                self.refused.note("binary", repr(line[:40]))
                return None
            self.notes.note("nul", stripped)
        text = stripped.removeprefix("\ufeff")
        if len(_CONTROL.findall(text)) * 10 > len(text):
            self.refused.note("binary", repr(line[:40]))
            return None
        return text

    def _object(self, fields: dict[str, Any], line: bytes) -> None:
        """A JSON object that is a line: an envelope of Docker, or a record."""
        envelope = _envelope(fields)
        if envelope is not None:
            stream, piece, partial = envelope
            self._piece(stream, piece, partial=partial, stated=False)
            return
        made = _named(fields, self._service, self._context)
        if not made.record.message:
            made.record.message = line[:MOST_MESSAGE].decode("utf-8", "replace")
        self._record(made, self._streams[""], 1)

    def _piece(self, name: str, piece: Piece, *, partial: bool, stated: bool) -> None:
        """A line out of an envelope; a partial one waits for the rest of it."""
        name = name if name in ("stdout", "stderr") else ""
        stream = self._streams.setdefault(name, _Stream())
        stream.ends = stream.ends or stated or not partial
        if not partial and not stream.parts:
            self._inner(name, piece, piece.text, 1)
            return
        room = len(stream.parts) < MOST_LINES and stream.size + len(piece.text) <= LONGEST_RECORD
        if not room and not stream.ends:
            self._end_parts(name, stream)
            room = True
        if not stream.parts:
            stream.begin = self._begin
        if room:
            stream.parts.append(piece)
            stream.size += len(piece.text)
        else:
            self.left.note("long_record", piece.text)
        if not partial:
            self._end_parts(name, stream)

    def _end_parts(self, name: str, stream: _Stream) -> None:
        """The parts are one line; without any end of a line in the stream each is one."""
        if not stream.parts:
            return
        parts, stream.parts, stream.size = stream.parts, [], 0
        begin, self._begin = self._begin, stream.begin
        for group in [parts] if stream.ends else [[part] for part in parts]:
            text = "".join(part.text for part in group)
            self._inner(name, group[0], text, len(group))
        self._begin = begin

    def _inner(self, name: str, piece: Piece, text: str, count: int) -> None:
        """What was in an envelope, with the envelope's time for records that have none."""
        if not text.isprintable() and "\x1b" in text:
            text = ANSI.sub("", text)
        self._dated_by(piece, lambda: self._whole(name, text, piece.rest, count))

    def _dated_by(self, piece: Piece, work: Callable[[], T]) -> T:
        """Do something while the envelope's time stands in for times that lines do not have."""
        context = self._context
        arrival = context.arrival
        when = time_of(piece.stamp, UTC, context.reference) if piece.stamp else None
        if when is not None:
            context.arrival = format_time(when)
        try:
            return work()
        finally:
            context.arrival = arrival

    def _whole(self, name: str, text: str, rest: Any, count: int) -> None:
        """A whole line of text of one stream."""
        stream = self._streams[name]
        if self._joins(stream, text, count):
            return
        if text.isspace() or not text:
            self.left.note("blank", "", count)
            return
        line = self._read(text)
        trace = "" if line.dated else begins_trace(text)
        if not line.headed and not trace and self._dated(stream):
            self._join(stream, text, count)
            return
        if self._completes(stream, line):
            self._join(stream, text, count)
            return
        if name:
            line.record.attributes = {**(rest or {}), **line.record.attributes, "stream": name}
        self._record(line, stream, count, trace)

    def _read(self, text: str) -> Line:
        if text.lstrip()[:1] == "{":
            fields = json_object(text)
            if fields is not None:
                return _named(fields, self._service, self._context, text)
        return read_line(text, self._service, self._context)

    def _dated(self, stream: _Stream) -> bool:
        """Whether the open record has a time; a line without time and level belongs to it."""
        before = stream.open
        return before is not None and before.line.dated and self._settings.multiline

    def _completes(self, stream: _Stream, line: Line) -> bool:
        """Whether it is the second half of java.util.logging's two lines; gives the level."""
        before = stream.open
        if before is None or not before.line.half or line.dated or not line.record.level:
            return False
        if before.line.record.lines > 1 or not self._settings.multiline:
            return False
        before.line.record.level = line.record.level
        return True

    def _joins(self, stream: _Stream, text: str, count: int) -> bool:
        """Add a line to the open record if its shape says that it belongs there."""
        before = stream.open
        if before is None or not self._settings.multiline:
            return False
        if is_part(text):
            if _indented_head(text):
                return False
            before.trace.passed()
        elif not before.trace.takes(text, before.line):
            return False
        self._join(stream, text, count)
        return True

    def _join(self, stream: _Stream, text: str, count: int) -> None:
        before = stream.open
        if before is None:
            return
        record = before.line.record
        if record.lines + count > MOST_LINES or before.size + len(text) > LONGEST_RECORD:
            self.left.note("long_record", text, count)
            return
        record.lines += count
        before.size += len(text) + 1
        if before.size - len(text) <= MOST_MESSAGE:
            before.texts.append(text)

    def _record(self, line: Line, stream: _Stream, count: int, trace: str = "") -> None:
        """A record begins: the one before it is complete."""
        self._close(stream)
        line.record.lines = count
        if line.whole or not self._settings.multiline:
            self._finish(line.record, trace)
        else:
            stream.open = _Open(line, self._begin, trace)

    def _close(self, stream: _Stream) -> None:
        before, stream.open = stream.open, None
        if before is None:
            return
        record = before.line.record
        if before.texts:
            record.message = "\n".join((record.message, *before.texts)).rstrip()[:MOST_MESSAGE]
        self._finish(record, before.trace.kind)

    def _finish(self, record: LogRecord, trace: str) -> None:
        if trace and record.level not in KNOWN:
            record.level = "ERROR"
        if not record.template:
            record.template = template_of(record.message)
        self._done.append(record)


def _envelope(fields: dict[str, Any]) -> tuple[str, Piece, bool] | None:
    """Stream, content, and whether it is partial, of a line of Docker; None if it is none."""
    log = fields.get("log")
    if not isinstance(log, str) or not ("stream" in fields or _ENVELOPE.issuperset(fields)):
        return None
    rest = {key: fields[key] for key in fields if key not in ("log", "stream", "time")}
    text = log.removesuffix("\n").removesuffix("\r")
    piece = Piece(text, fields.get("time"), rest)
    return str(fields.get("stream") or ""), piece, log[-1:] != "\n"


def _indented_head(text: str) -> bool:
    """` INFO [main] started`: a level that is padded, not a line of a trace."""
    first = text.split(None, 1)[:1]
    return bool(first) and first[0].isupper() and first[0].strip("[]:") in KNOWN | {"WARN"}


def _named(fields: dict[str, Any], service: str, context: Context, text: str = "") -> Line:
    record = read_object(fields, service, context)
    if not record.message and text:
        record.message = text[:MOST_MESSAGE]
    return Line(record, whole=True, dated=True, headed=True)
