"""Messages of syslog over a stream, as RFC 6587 and RFC 5425 frame them: by count, or by line.

`34 <13>1 2026-01-05T00:00:01Z ...` says its octets, a message without a count ends with a line feed
or a zero byte. Each message shows which of the two it is, so a sender may mix both: a count is
digits, a space and the `<` of a priority; nothing else that begins with a digit is one.
"""

import re
from typing import NamedTuple

__all__ = ["LARGEST_COUNT", "Frames", "StreamFrames"]

LARGEST_COUNT = 1 << 24
"""Octets of one message beyond which a count is no count: the sender is no syslog."""
_COUNT = re.compile(rb"([1-9][0-9]{0,9}) <")
_MAY_COUNT = re.compile(rb"[1-9][0-9]{0,9} ?")
_END = re.compile(rb"[\n\0]")


class Frames(NamedTuple):
    """What was cut.

    Attributes:
        messages: in order, without what frames them.
        long: how many of them lost their end, being longer than allowed.
        cut: whether the last one was cut short by the end of the stream.
        broken: why the stream cannot be cut into messages any further; "" while it can.
    """

    messages: list[bytes]
    long: int = 0
    cut: bool = False
    broken: str = ""


class StreamFrames:
    r"""Cuts one stream; holds at most `longest` bytes of a message that is not complete.

    Args:
        longest: bytes of a message that are kept.

    >>> frames = StreamFrames(100)
    >>> frames.feed(b"5 <1>ab6 <1>c\nd<2>line\n<3>be")
    Frames(messages=[b'<1>ab', b'<1>c\nd', b'<2>line'], long=0, cut=False, broken='')
    >>> frames.end()
    Frames(messages=[b'<3>be'], long=0, cut=False, broken='')
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._begun: bytearray | None = None  # a message whose end is still to come
        self._octets = 0  # of it that are still to come; 0: up to the end of the line
        self._is_long = False
        self._long = 0
        self._broken = ""

    def feed(self, data: bytes) -> Frames:
        """Messages that are complete with the next bytes."""
        data, self._rest = self._rest + data, b""
        found: list[bytes] = []
        at = 0
        while at < len(data) and not self._broken:
            behind = self._next(data, at, found)
            if behind is None:
                self._rest = data[at:]
                break
            at = behind
        return Frames(found, self._taken(), broken=self._broken)

    def end(self) -> Frames:
        """What is left when the stream ends; one with fewer octets than it counted is cut."""
        cut = self._begun is not None and self._octets > 0
        last = bytes(self._begun) if self._begun is not None else self._rest
        self._rest, self._begun, self._octets, self._is_long = b"", None, 0, False
        return Frames([last] if last else [], self._taken(), cut)

    def _taken(self) -> int:
        long, self._long = self._long, 0
        return long

    def _next(self, data: bytes, at: int, found: list[bytes]) -> int | None:
        """Read on from a place; the place behind it, None if too little is there to tell."""
        if self._begun is None:
            count = _COUNT.match(data, at)
            if count is not None:
                return self._counts(int(count[1]), count.end() - 1)
            may = _MAY_COUNT.match(data, at)
            if may is not None and may.end() == len(data):
                return None
            self._begun = bytearray()
        return self._counted(data, at, found) if self._octets else self._line(data, at, found)

    def _counts(self, octets: int, behind: int) -> int:
        if octets > LARGEST_COUNT:
            self._broken = f"a message of {octets} octets"
            return behind
        self._octets, self._begun = octets, bytearray()
        return behind

    def _counted(self, data: bytes, at: int, found: list[bytes]) -> int:
        stop = min(len(data), at + self._octets)
        self._keep(data[at:stop])
        self._octets -= stop - at
        if not self._octets:
            self._done(found)
        return stop

    def _line(self, data: bytes, at: int, found: list[bytes]) -> int:
        end = _END.search(data, at)
        self._keep(data[at : end.start() if end else len(data)])
        if end is None:
            return len(data)
        self._done(found)
        return end.end()

    def _keep(self, part: bytes) -> None:
        """Hold on to what there is room for."""
        begun = bytearray() if self._begun is None else self._begun
        room = self._longest - len(begun)
        if len(part) > room and not self._is_long:
            self._is_long = True
            self._long += 1
        begun += part[:room]
        self._begun = begun

    def _done(self, found: list[bytes]) -> None:
        found.append(bytes(self._begun or b""))
        self._begun, self._is_long = None, False
