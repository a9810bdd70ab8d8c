"""The text of a file of any size: unpacked, as UTF-8, with line feeds, a chunk at a time."""

import io
import re
from typing import Any, Protocol

import pyarrow as pa

from padit.connectors.file_bytes import Stream, open_unpacked
from padit.domain.errors import SourceError

__all__ = [
    "BLANKS", "BOM", "LineTurning", "TextStream", "Turning", "Turns", "read_pieces", "squeeze",
    "unpacked",
]  # fmt: skip

BLANKS = "\x1f"
"""What stands for `blanks` where a delimiter is stated."""
BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 20
_ENDS = re.compile(rb"[ \t]*(\r?)\n[ \t]*")
_RUN = re.compile(rb"[ \t]+")
_FAULTS = (OSError, EOFError, pa.ArrowException)


def unpacked(path: str) -> Stream:
    """Open a file for reading; what is packed is unpacked.

    Raises:
        SourceError: it cannot be opened.
    """
    try:
        return open_unpacked(path)
    except _FAULTS as error:
        raise SourceError(_unreadable(path, error)) from error


def _unreadable(path: str, error: BaseException) -> str:
    return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"


class Turning(Protocol):
    """Text that becomes another text of as many lines, piece by piece."""

    def turned(self, text: bytes) -> bytes:
        """The next piece."""

    def end(self) -> bytes:
        """What is left when the text has ended."""


class LineTurning:
    """A `Turning` line by line: the begin of a line waits for its end."""

    _rest = b""

    def turned(self, text: bytes) -> bytes:
        """The lines that end in a piece, turned."""
        *lines, self._rest = (self._rest + text).split(b"\n")
        return b"".join(map(self._line, lines))

    def end(self) -> bytes:
        """What is left when the text has ended."""
        rest, self._rest = self._rest, b""
        return self._line(rest) if rest else b""

    def _line(self, data: bytes) -> bytes:
        raise NotImplementedError


class Turns(Protocol):
    """How the text of a file becomes that of a table."""

    def start_turning(self) -> Turning:
        """For the text from its beginning on."""


class _Octets(io.RawIOBase):
    """A file as the decoder wants it."""

    def __init__(self, file: Stream) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._file.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _Blanks:
    """Runs of blanks as one tab, none at the ends of a line, however the text is cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._begins = True

    def squeezed(self, text: bytes) -> bytes:
        """The next piece; blanks at its end wait for what follows."""
        text = self._rest + text
        body = text.rstrip(b" \t\r")
        self._rest = text[len(body) :]
        if self._begins:
            body = body.lstrip(b" \t")
        if not body:
            self._rest = b"" if self._begins else self._rest
            return b""
        self._begins = body.endswith(b"\n")
        return squeeze(body)


def squeeze(text: bytes) -> bytes:
    r"""Lines whose cells are aligned with blanks, with a tab between cells.

    >>> squeeze(b"a  b \n  1 \t 2\n")
    b'a\tb\n1\t2\n'
    """
    return _RUN.sub(b"\t", _ENDS.sub(rb"\1\n", text))


class TextStream:
    """Text of a file as UTF-8; a byte order mark at its beginning is left out."""

    def __init__(
        self,
        path: str,
        encoding: str,
        *,
        lone_cr: bool,
        without_cr: bool = False,
        blanks: bool = False,
        turns: Turns | None = None,
    ) -> None:
        """Open it.

        Args:
            path: of the file.
            encoding: Python's name of it; UTF-8 is passed on as it is, valid or not.
            lone_cr: whether a carriage return ends a line.
            without_cr: whether carriage returns are left out.
            blanks: whether cells are aligned with blanks, each run of which becomes a tab.
            turns: what its text becomes, or None.
        """
        self._path = path
        self._file = unpacked(path)
        self._cr = b"\n" if lone_cr else b"" if without_cr else None  # what one becomes
        self._blanks = _Blanks() if blanks else None
        self._text: io.TextIOWrapper | None = None
        if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
            octets = io.BufferedReader(_Octets(self._file), _BUFFER)
            self._text = io.TextIOWrapper(octets, encoding, errors="replace", newline="")
        self._turning = turns.start_turning() if turns else None
        self._begun = False
        self._ended = False

    def read(self, size: int) -> bytes:
        """Read on; empty at the end.

        Raises:
            SourceError: the file cannot be read or unpacked.
        """
        while not self._ended:
            text = self._more(size)
            if not self._begun and text:
                text = text.removeprefix(BOM)
                self._begun = True
            if text and self._cr is not None:
                text = text.replace(b"\r", self._cr)
            if text and self._blanks is not None:
                text = self._blanks.squeezed(text)
            if self._turning is not None:
                text = self._turning.end() if self._ended else self._turning.turned(text)
            if text:
                return text
        return b""

    def _more(self, size: int) -> bytes:
        try:
            if self._text is None:
                chunk = bytes(self._file.read(size))
            else:
                chunk = self._text.read(max(1, size // 2)).encode("utf-8", "replace")
        except _FAULTS as error:
            raise SourceError(_unreadable(self._path, error)) from error
        except UnicodeError as error:  # UTF-16 without a byte order mark, by its name alone
            message = f"{self._path} is not what encoding= says: {error}"
            raise SourceError(message) from error
        self._ended = not chunk
        return chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_pieces(path: str, head: int, others: int, size: int) -> list[bytes]:
    """The head of a file and other pieces spread evenly over it; of a packed file the head.

    Raises:
        SourceError: it cannot be read.
    """
    file = unpacked(path)
    try:
        pieces = [b""]
        while len(pieces[0]) < head and (chunk := file.read(head - len(pieces[0]))):
            pieces[0] += chunk
        if not isinstance(file, io.FileIO):  # packed
            return pieces
        whole = file.seek(0, 2)
        for i in range(1, others + 1):
            at = whole * i // (others + 1)
            if at > head:
                file.seek(at)
                pieces.append(file.read(size))
    except _FAULTS as error:
        raise SourceError(_unreadable(path, error)) from error
    else:
        return pieces
    finally:
        file.close()
