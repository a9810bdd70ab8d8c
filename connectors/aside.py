"""Reading in a process of its own, beside the one that computes.

Python computes on one core at a time. Fetching and decoding a long topic costs more than all
that follows, so a long read runs aside: a child process polls, decodes and sends columns through
a pipe, while this process closes windows. Few frames fit between them, so the child cannot run
far ahead.

Frames are length-prefixed MessagePack. The child ends when its parent closes the pipe or dies; if
the child dies, the parent gets a `SourceError` and the runner reads again from its checkpoint.
The source and the decoder travel as a pickle between two processes of one program, never further.
"""

import contextlib
import logging
import os
import pickle
import queue
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

import msgspec

from connectors.collector import relax_collector
from connectors.reader import Decoder, PartitionRange, Read, Reader
from domain.block import decode_rows, encode_rows
from domain.deadletter import DeadLetter
from domain.errors import PaditError, SourceError

__all__ = ["AsideReader"]

_LENGTH = struct.Struct("<Q")
_ROWS_IN_FRAME = 50_000
_FRAMES_AHEAD = 8
_POLL_SECONDS = 0.25  # nobody waits for a single row here: frames are better full


class _Part(msgspec.Struct, array_like=True):
    """A `Read` on its way."""

    partition: int
    following: int
    rows: memoryview
    dead: list[DeadLetter]
    ended: bool


class _Frame(msgspec.Struct, array_like=True):
    """What the child says: what it read, how far behind it is, or why it ends."""

    parts: list[_Part]
    lag: dict[int, int]
    error: str | None = None


_frames = msgspec.msgpack.Decoder(_Frame)


class AsideReader:
    """A `Reader` whose work is done by a child process; for bounded ranges.

    Args:
        opener: opens the real reader, as `opener(ranges, decode)`; it is pickled.
        ranges: what to read.
        decode: the decoder; it is pickled.
    """

    def __init__(self, opener: Any, ranges: Sequence[PartitionRange], decode: Decoder) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "connectors.aside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._lag: dict[int, int] = {}
        self._arrived: queue.Queue[bytes | None] = queue.Queue(_FRAMES_AHEAD)
        self._closing = threading.Event()
        # Takes frames while this process computes, so that the child never waits for it long.
        self._collector = threading.Thread(target=self._collect, name="aside", daemon=True)
        self._collector.start()
        self._tell(pickle.dumps((opener, list(ranges), decode)))

    def read(self, seconds: float) -> list[Read]:
        """Wait at most so long for rows; see `Reader`."""
        try:
            data = self._arrived.get(timeout=seconds)
        except queue.Empty:
            return []
        if data is None:
            message = f"the process that reads aside ended with code {self._child.wait()}"
            raise SourceError(message)
        frame = _frames.decode(data)
        if frame.error is not None:
            raise SourceError(frame.error)
        self._lag = frame.lag
        return [
            Read(part.partition, part.following, decode_rows(part.rows), part.dead, part.ended)
            for part in frame.parts
        ]

    def pause(self, partitions: frozenset[int]) -> None:
        """Read only the other partitions; see `Reader`."""
        self._tell(msgspec.msgpack.encode(sorted(partitions)))

    def lag(self) -> Mapping[int, int]:
        """As the child said last; see `Reader`."""
        return self._lag

    def added(self, known: int) -> list[PartitionRange]:
        """Nothing: the ranges are bounded."""
        return []

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        """Refuse: the ranges are bounded."""
        message = "a bounded read takes no further partitions"
        raise SourceError(message)

    def close(self) -> None:
        """End the child; it keeps nothing that could be lost."""
        self._closing.set()
        self._child.kill()
        self._child.wait()
        self._collector.join()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _collect(self) -> None:
        data: bytes | None = b""
        while data is not None and not self._closing.is_set():
            data = _receive(self._child.stdout)  # type: ignore[arg-type]  # it is a pipe
            while not self._closing.is_set():
                with contextlib.suppress(queue.Full):
                    self._arrived.put(data, timeout=0.2)
                    break

    def _tell(self, data: bytes) -> None:
        try:
            _send(self._child.stdin, data)  # type: ignore[arg-type]  # it is a pipe
        except BrokenPipeError as error:
            message = f"the process that reads aside ended with code {self._child.wait()}"
            raise SourceError(message) from error


def _send(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    """One frame; None at the end of the pipe."""
    head = _exactly(pipe, _LENGTH.size)
    return None if head is None else _exactly(pipe, _LENGTH.unpack(head)[0])


def _exactly(pipe: IO[bytes], length: int) -> bytes | None:
    """So many bytes, past Python's buffers, which `select` does not see."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = os.readv(pipe.fileno(), [view])
        if not count:
            return None
        view = view[count:]
    return bytes(data)


def _work(commands: IO[bytes], results: IO[bytes]) -> None:
    """Read until everything has been read, or the parent has gone."""
    first = _receive(commands)
    if first is None:
        return
    opener, ranges, decode = pickle.loads(first)  # noqa: S301 - from the parent, see the module
    reader: Reader = opener(ranges, decode)
    left = {one.partition for one in ranges}
    try:
        while True:
            # Once all has been read only the end of the commands is waited for.
            if select.select([commands], [], [], 0.0 if left else None)[0]:
                command = _receive(commands)
                if command is None:
                    return
                reader.pause(frozenset(msgspec.msgpack.decode(command, type=list[int])))
            reads = _read_some(reader) if left else []
            left -= {read.partition for read in reads if read.ended}
            if reads:
                _send(results, _encode(reads, dict(reader.lag())))
    finally:
        reader.close()


def _read_some(reader: Reader) -> list[Read]:
    reads = more = reader.read(_POLL_SECONDS)
    rows = sum(len(read.rows) for read in reads)
    while more and rows < _ROWS_IN_FRAME:
        more = reader.read(_POLL_SECONDS)
        reads = reads + more
        rows += sum(len(read.rows) for read in more)
    return reads


def _encode(reads: list[Read], lag: dict[int, int]) -> bytes:
    parts = [
        _Part(
            read.partition,
            read.following,
            memoryview(encode_rows(read.rows)),
            read.dead,
            read.ended,
        )
        for read in reads
    ]
    return msgspec.msgpack.encode(_Frame(parts, lag))


def main() -> int:
    """Be the child."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may write into the pipe
    commands = os.fdopen(0, "rb", buffering=0)
    relax_collector()
    try:
        _work(commands, results)
    except BrokenPipeError:
        return 0
    except PaditError as error:
        _send(results, msgspec.msgpack.encode(_Frame([], {}, str(error))))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
