"""File formats: how each is counted, opened at a row and read in pieces.

A format registers itself for its suffixes; a new one is one more class.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.file_options import FileOptions
from padit.connectors.source import Decoder
from padit.domain.findings import Findings, Unwatched
from padit.domain.rows import Rows

__all__ = ["Format", "OpenFile", "Piece", "SUFFIXES", "file_format", "register"]


class Piece(NamedTuple):
    """Consecutive rows or lines of a file.

    Attributes:
        taken: how many rows or lines it covers, readable or not; 0 at the end of the file.
        rows: the samples.
        dead: what could not be read; topic and partition are set by the caller.
        unwatched: what becomes no sample by decision; the place is set by the caller.
    """

    taken: int
    rows: Rows
    dead: list[DeadRecord]
    unwatched: tuple[Unwatched, ...] = ()


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

    def findings(self, path: str, labels: tuple[str, ...] = ()) -> Findings:
        """What is guessed about a file, and what of it is left unwatched; after `count`.

        Args:
            path: of the file.
            labels: columns of these names are labels, and so not left.
        """

    def in_order(self, path: str) -> bool:
        """Whether the event times of a file never go back.

        Raises:
            SourceError: it cannot be read.
        """

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
