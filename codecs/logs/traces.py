"""Which lines belong to the line before: stack traces, and messages of several lines.

A line belongs to the record before if it is indented or blank, a known part of a trace (`Caused
by:`, `goroutine 1 [running]:`), or has no time and no level of its own while the record before
has a time. A trace behind a record that is neither a warning nor an error, or has no time
and no level, is a record of its own: an uncaught exception is an error, whatever was logged last.
"""

import re

from padit.codecs.logs.levels import ERRORS
from padit.codecs.logs.texts import Line

__all__ = ["Trace", "begins_trace", "is_part"]

_PARTS = re.compile(
    r"Caused by: |Suppressed: |\.\.\. \d+ (?:more|common frames)|at [\w$.<>]+\(|Wrapped by: "
    r"|goroutine \d+ \[|created by |During handling of the above |The above exception was "
    r"|--- End of |   --- |exit status \d+$|note: run with `RUST|\[signal |#\d+ "
)
_PART_FIRST = frozenset("CS.aWgDTecn[#-")
_CALL = re.compile(r"[\w./*$-]{1,200}\([\w ,.(){}*?]{0,1000}\)(?: \+0x[0-9a-f]+)?$")
_UNCAUGHT = re.compile(
    r"Exception in thread \"|thread '[^']{0,64}' panicked at |panic: |Uncaught |Unhandled "
    r"(?:exception|rejection)"
)
_EXCEPTION = re.compile(
    r"(?:[A-Za-z_$][\w$]{0,63}[.:\\]{1,2}){0,12}"
    r"[A-Z_$][\w$]{0,63}(?:Exception|Error|Throwable|Failure|Interrupt|Exit)(?:: |:?$| \()"
)
_TRACEBACK = "Traceback (most recent call last):"


def begins_trace(text: str) -> str:
    """The kind of trace that a line without an indent begins: python, uncaught, other, or "".

    >>> begins_trace("java.lang.IllegalStateException: no route"), begins_trace("ok")
    ('other', '')
    """
    if text.startswith(_TRACEBACK):
        return "python"
    if _UNCAUGHT.match(text):
        return "uncaught"
    return "other" if _EXCEPTION.match(text) else ""


def is_part(text: str) -> bool:
    r"""Whether a line is indented, blank, or a part of a trace by its own shape.

    >>> is_part("\tat a.b.C.run(C.java:10)"), is_part("Caused by: x"), is_part("at 5 it began")
    (True, True, False)
    """
    first = text[:1]
    return first in " \t\r" or (first in _PART_FIRST and _PARTS.match(text) is not None)


class Trace:
    """How far the trace of one record has come.

    Args:
        kind: of the trace, "" before one began.
    """

    def __init__(self, kind: str = "") -> None:
        self.kind = kind
        self._indented = False

    def takes(self, text: str, line: Line) -> bool:
        """Whether a line without an indent belongs to the record `line` or its trace."""
        begins = begins_trace(text)
        if begins == "uncaught":
            return False
        if begins:
            record = line.record
            fits = self.kind != "" or record.level in ERRORS or record.level == "WARNING"
            fits = fits or (line.dated and not record.level)
            if fits:
                self.kind, self._indented = begins, False
            return fits
        if self.kind == "python" and self._indented and not line.dated:
            self._indented = False
            return bool(re.match(r"[\w.]+(?::|$)", text))
        return self.kind in ("other", "uncaught") and _CALL.match(text) is not None

    def passed(self) -> None:
        """An indented line came."""
        self._indented = True
