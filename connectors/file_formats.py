"""File formats: how each is counted, opened at a row and read in pieces.

A format registers itself for its suffixes; a new one is one more class.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.file_lines import LineReader, count_lines
from padit.connectors.file_options import FileOptions
from padit.connectors.source import Decoder
from padit.domain.errors import ConfigurationError
from padit.domain.findings import Findings
from padit.domain.rows import Rows, concatenate

__all__ = ["Format", "OpenFile", "Piece", "SUFFIXES", "file_format", "register"]


class Piece(NamedTuple):
    """Consecutive rows or lines of a file.

    Attributes:
        taken: how many rows or lines it covers, readable or not; 0 at the end of the file.
        rows: the samples.
        dead: what could not be read; topic and partition are set by the caller.
    """

    taken: int
    rows: Rows
    dead: list[DeadRecord]


class OpenFile(Protocol):
    """A file that is being read."""

    def take(self, most: int) -> Piece:
        """Read the next rows, at most so many."""

    def close(self) -> None:
        """Close it."""


class Format(Protocol):
    """A file format with its options; pickled into the graph."""

    def count(self, path: str) -> int:
        """Rows (lines) of a file, after checking that it can be read as this format.

        Raises:
            SourceError: it cannot.
        """

    def findings(self, path: str) -> Findings:
        """What was guessed of a file that was counted, and what is left unwatched."""

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open a file at a row."""


SUFFIXES: dict[str, Callable[[FileOptions, str], Format]] = {}
"""By suffix: options and suffix to format."""


def register(*suffixes: str) -> Callable[[type[Any]], type[Any]]:
    """Register a class, made with (options, suffix), for suffixes."""

    def keep(cls: type[Any]) -> type[Any]:
        SUFFIXES.update(dict.fromkeys(suffixes, cls))
        return cls

    return keep


def file_format(suffix: str, options: FileOptions) -> Format:
    """Make the format of a suffix; the source's module has imported the others.

    Raises:
        ConfigurationError: an option that the format does not have.
    """
    return SUFFIXES[suffix](options, suffix)


@register(".jsonl", ".ndjson")
class JsonLines:
    """One metric, or an array of them, in each line; read like a Kafka record's value."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        if options.model_fields_set:
            message = (
                f"{suffix} files take no options, the fields have fixed names "
                f"(given: {', '.join(sorted(options.model_fields_set))})"
            )
            raise ConfigurationError(message)

    def count(self, path: str) -> int:
        """Lines of the file."""
        return count_lines(path)

    def findings(self, path: str) -> Findings:
        """None: fields have fixed names."""
        return Findings()

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a line."""
        return _OpenJsonLines(path, row, decode)


class _OpenJsonLines:
    def __init__(self, path: str, row: int, decode: Decoder) -> None:
        self._path = path
        self._decode = decode
        self._lines = LineReader(path, row)

    def take(self, most: int) -> Piece:
        block = self._lines.take(most)
        values = block.data.split(b"\n")[:-1]
        numbers: range | list[int] = range(block.first, block.first + block.lines)
        if _untidy(block.data) or not all(values):
            values = [value.rstrip(b"\r") for value in values]
            numbers = [block.first + i for i, value in enumerate(values) if value.strip()]
            values = [value for value in values if value.strip()]
        parts: list[Rows] = []
        dead: list[DeadRecord] = []
        taken = 0
        while taken < len(values):
            decoded = self._decode(values[taken:] if taken else values, None)
            parts.append(decoded.rows)
            for reject in decoded.rejects:
                at = taken + reject.record
                dead.append(DeadRecord(values[at], reject, self._path, 0, numbers[at]))
            taken += decoded.taken
        return Piece(block.lines, concatenate(parts), dead)

    def close(self) -> None:
        self._lines.close()


def _untidy(data: bytes) -> bool:
    """Whether there may be lines of white space only, or carriage returns."""
    return b"\r" in data or b"\n " in data or b"\n\t" in data or data[:1].isspace()
