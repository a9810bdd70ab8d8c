"""The bytes of a file as its reader wants them: unpacked, as UTF-8, one JSON value a line.

Each layer is a stream with `read` and `close` that holds one chunk, so memory does not depend on
the size of the file, nor on how far a compressed one expands.
"""

from pathlib import Path, PurePath
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = [
    "PACKED",
    "Stream",
    "json_text",
    "open_json",
    "open_whole_json",
    "open_unpacked",
    "unpacked_suffix",
]

PACKED = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}
"""Suffixes of compressed files, and what these begin with."""
_CODECS = {".gz": "gzip", ".zst": "zstd"}
_HEAD = 1 << 16
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_QUOTE, _BACKSLASH, _COMMA, _SPACE, _BREAK = b'"\\, \n'
_NO_END = b"\n[\n"  # no JSON, so it becomes a dead letter

Bytes = NDArray[np.uint8]


class Stream(Protocol):
    """Bytes one after the other."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end. Raises OSError."""

    def close(self) -> None:
        """Close it."""


def unpacked_suffix(path: str) -> str:
    """The suffix that decides a file's format.

    >>> unpacked_suffix("metrics.JSONL.gz"), unpacked_suffix("a.csv")
    ('.jsonl', '.csv')
    """
    name = PurePath(path)
    suffix = name.suffix.lower()
    return PurePath(name.stem).suffix.lower() if suffix in PACKED else suffix


def open_unpacked(path: str) -> Stream:
    """A file without its compression, if it has one: its first bytes decide. Raises OSError."""
    file = Path(path).open("rb", buffering=0)  # noqa: SIM115  # the caller closes it
    head = file.read(4)
    file.seek(0)
    for suffix, magic in PACKED.items():
        if head.startswith(magic):
            file.close()
            return _Unpacked(path, _CODECS[suffix])
    return file


class _Unpacked:
    """A compressed file; damage is an OSError."""

    def __init__(self, path: str, codec: str) -> None:
        self._packed = pa.OSFile(path)
        self._stream = pa.CompressedInputStream(self._packed, codec)

    def read(self, size: int, /) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except (pa.ArrowException, ValueError) as error:
            raise OSError(0, f"the compressed data is damaged: {error}") from error

    def close(self) -> None:
        self._stream.close()
        self._packed.close()


def json_text(path: str) -> Stream:
    """A file of JSON as UTF-8 without a byte order mark; UTF-16 needs one. Raises OSError."""
    inner = open_unpacked(path)
    head = _Ahead(inner)
    start = head.peek(3)
    if start.startswith(_UTF8_BOM):
        head.read(3)
    for mark, encoding in _UTF16.items():
        if start.startswith(mark):
            head.read(2)
            return _Recoded(head, encoding)
    return head


class _Ahead:
    """A stream that can be looked at before it is read."""

    def __init__(self, inner: Stream) -> None:
        self._inner = inner
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        while len(self._head) < size and (more := self._inner.read(size - len(self._head))):
            self._head += more
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._inner.read(size)
        found, self._head = self._head[:size], self._head[size:]
        return found

    def close(self) -> None:
        self._inner.close()


class _Recoded:
    """UTF-16 as UTF-8. Half a pair stays what it is, so that its line is no valid text either."""

    def __init__(self, inner: Stream, encoding: str) -> None:
        self._inner = inner
        self._encoding = encoding
        self._high = 1 if encoding == "utf-16-le" else 0  # byte of a unit that shows a surrogate
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        while chunk := self._inner.read(max(4, size // 2)):
            data = self._rest + chunk
            end = len(data) // 2 * 2
            if end and 0xD8 <= data[end - 2 + self._high] <= 0xDB:
                end -= 2  # the other half comes with the next chunk
            self._rest = data[end:]
            if end:
                return self._utf8(data[:end])
        last, self._rest = self._rest, b""
        return self._utf8(last[: len(last) // 2 * 2])

    def close(self) -> None:
        self._inner.close()

    def _utf8(self, data: bytes) -> bytes:
        return data.decode(self._encoding, "surrogatepass").encode("utf-8", "surrogatepass")


def open_whole_json(path: str) -> Stream:
    """A `.json` file as lines, each an outermost value, arrays included."""
    return _Values(_Ahead(json_text(path)), arrays=False)


def open_json(path: str) -> Stream:
    """A `.json` file as lines: an array of values, values of many lines, or one value a line.

    The first line decides: if it is a whole object, every line is one.
    """
    text = _Ahead(json_text(path))
    head = text.peek(_HEAD)
    first, _, _ = head.lstrip().partition(b"\n")
    try:
        whole = isinstance(msgspec.json.decode(first), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = False
    return text if whole else _Values(text)


class _Values:
    """JSON values as lines: the elements of an outermost array, or the outermost values.

    Only line breaks, and what separates values, change: a break within a value becomes a space.
    """

    def __init__(self, inner: _Ahead, *, arrays: bool = True) -> None:
        self._inner = inner
        self._outside = 1 if arrays and inner.peek(_HEAD).lstrip()[:1] == b"[" else 0
        self._depth = 0
        self._within = False  # a text
        self._escaped = False  # the next byte

    def read(self, size: int, /) -> bytes:
        chunk = self._inner.read(size)
        if not chunk:
            # An array without an end was cut off between two elements: that leaves a line, too.
            cut, self._depth = self._outside and self._depth == self._outside, 0
            return _NO_END if cut else b""
        data = np.frombuffer(chunk, np.uint8).copy()
        quoted = self._quoted(data)
        step = np.zeros(len(data), np.int32)
        step[_any_of(data, b"[{") & ~quoted] = 1
        step[_any_of(data, b"]}") & ~quoted] = -1
        depth = self._depth + np.cumsum(step)
        self._depth = max(0, int(depth[-1]))
        between = depth - (step > 0) < self._outside if self._outside else depth == 0
        breaks = _any_of(data, b"\n\r") & ~quoted
        data[breaks] = _SPACE
        outer = (depth <= self._outside) & ~quoted
        data[outer & (data == _COMMA)] = _BREAK
        if self._outside:
            data[between & (step > 0)] = _SPACE
            data[between & (step < 0)] = _BREAK
        else:
            data[breaks & (depth == 0)] = _BREAK
        return data.tobytes()

    def close(self) -> None:
        self._inner.close()

    def _quoted(self, data: Bytes) -> NDArray[np.bool_]:
        """Bytes that lie within a text, its quotation marks included or not."""
        quote = data == _QUOTE
        slash = np.flatnonzero(data == _BACKSLASH)
        escaped = self._escaped
        if escaped:
            quote[0] = False
        self._escaped = False
        if len(slash) or escaped:
            quote &= ~self._behind(data, slash, escaped)
        odd = np.cumsum(quote) + self._within & 1
        self._within = bool(odd[-1])
        quoted: NDArray[np.bool_] = (odd | quote).astype(bool)
        return quoted

    def _behind(self, data: Bytes, slash: NDArray[np.int64], escaped: bool) -> NDArray[np.bool_]:
        """Bytes that a backslash escapes: behind every odd one of a run of them."""
        if escaped:
            slash = slash[slash > 0]
        run = np.concatenate(([True], np.diff(slash) > 1)) if len(slash) else np.empty(0, bool)
        first = np.maximum.accumulate(np.where(run, np.arange(len(slash)), 0))
        escaping = slash[(np.arange(len(slash)) - first) % 2 == 0]
        found = np.zeros(len(data) + 1, bool)
        found[escaping + 1] = True
        self._escaped = bool(found[-1])
        return found[:-1]


def _any_of(data: Bytes, wanted: bytes) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (data == wanted[0]) | (data == wanted[1])
    return found
