"""Lines of log files in UTF-16, as programs of Windows write them; as UTF-8 they come out."""

import os

import numpy as np

from padit.adapters.log_files import Followed

__all__ = ["decoded", "encoding_of", "line_start", "split_lines", "utf8_lines"]

_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_HEAD = 512


def encoding_of(handle: int) -> str:
    """Tell "utf-16-le" and "utf-16-be" by a file's first bytes; "" is any other.

    A byte order mark decides; without one, zero bytes at every other place.
    """
    head = os.pread(handle, _HEAD, 0)
    if head[:2] in _MARKS:
        return _MARKS[head[:2]]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) < 8 or max(even, odd) * 4 < len(head) or min(even, odd) * 10 > max(even, odd):
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def utf8_lines(data: bytes, encoding: str) -> tuple[list[bytes], bytes]:
    r"""Complete lines as UTF-8, and the bytes behind them as they are.

    Args:
        data: from the beginning of a character on.
        encoding: of it.

    >>> utf8_lines("a\nb".encode("utf-16-le"), "utf-16-le")
    ([b'a'], b'b\x00')
    """
    units = np.frombuffer(data, "<u2" if encoding.endswith("le") else ">u2", len(data) // 2)
    ends = (2 * np.flatnonzero(units == ord("\n")) + 2).tolist()
    if not ends:
        return [], data
    text = data[: ends[-1]].decode(encoding, "replace")
    lines = text.removeprefix("\ufeff").split("\n")[:-1]
    return [line.encode("utf-8", "replace") for line in lines], data[ends[-1] :]


def split_lines(data: bytes, file: Followed) -> tuple[list[bytes], bytes]:
    """Complete lines of a file without their ends, and the bytes behind them as they are."""
    if not file.encoding:
        *lines, last = data.split(b"\n")
        return lines, last
    lines, last = utf8_lines(data, file.encoding)
    # In front of a record that is still open a restart goes back by its bytes, two a character.
    file.uneven = file.uneven or not all(map(bytes.isascii, lines))
    return lines, last


def decoded(data: bytes, file: Followed) -> bytes:
    """The end of a file, or of a line that is too long."""
    return data.decode(file.encoding, "replace").encode() if file.encoding else data


def line_start(handle: int, size: int, longest: int) -> int:
    """Where the unfinished line at the end of a file begins."""
    encoding = encoding_of(handle)
    first = max(size - longest, 0) // 2 * 2
    data = os.pread(handle, size - first, first)
    rest = utf8_lines(data, encoding)[1] if encoding else data[data.rfind(b"\n") + 1 :]
    end = len(data) - len(rest)
    return first + end if end else (size // 2 * 2 if size > longest else 0)
