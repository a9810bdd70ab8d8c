"""The text of a file of any size: unpacked, as UTF-8, with line feeds, a chunk at a time."""

import io
from typing import Any

import pyarrow as pa

from padit.connectors.file_bytes import Stream, open_unpacked
from padit.domain.errors import SourceError

__all__ = ["BOM", "TextStream", "read_pieces", "unpacked"]

BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 20
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


class TextStream:
    """Text of a file as UTF-8; a byte order mark at its beginning is left out."""

    def __init__(self, path: str, encoding: str, *, lone_cr: bool) -> None:
        """Open it.

        Args:
            path: of the file.
            encoding: Python's name of it; UTF-8 is passed on as it is, valid or not.
            lone_cr: whether a carriage return ends a line.
        """
        self._path = path
        self._file = unpacked(path)
        self._lone_cr = lone_cr
        self._text: io.TextIOWrapper | None = None
        if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
            octets = io.BufferedReader(_Octets(self._file), _BUFFER)
            self._text = io.TextIOWrapper(octets, encoding, errors="replace", newline="")
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
            if text:
                return text.replace(b"\r", b"\n") if self._lone_cr else text
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
