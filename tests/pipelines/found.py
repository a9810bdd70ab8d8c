"""`padit` with one source more: `found://`, JSON Lines of which the source has things to say.

Options of the URI: `file`, JSON Lines; `findings`, a JSON file with `guesses` and `unwatched`;
`live=1`, never to end.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader, Source
from padit.connectors.uris import Address, Bounds, source_for
from padit.domain.findings import Findings, Guess, Unwatched
from tests.connectors.reading import FixedReader


@dataclass
class Found:
    """One partition with the lines of a file."""

    name: str
    file: Path
    about: Path
    live: bool

    def ranges(self) -> list[PartitionRange]:
        """One partition."""
        return [PartitionRange(0, 0, None if self.live else len(self.lines))]

    @property
    def lines(self) -> list[bytes]:
        """The records."""
        return self.file.read_bytes().splitlines()

    def findings(self) -> Findings:
        """Those of the JSON file."""
        about = json.loads(self.about.read_text())
        return Findings(
            [Guess(**one) for one in about.get("guesses", [])],
            [Unwatched(**one) for one in about.get("unwatched", [])],
        )

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Begin where the range begins."""
        return _Reader(self, ranges[0], decode)


class _Reader(FixedReader):
    def __init__(self, source: Found, given: PartitionRange, decode: Decoder) -> None:
        self._source = source
        self._lines = source.lines[given.start : given.stop]
        self._at = given.start
        self._decode = decode

    def read(self, seconds: float) -> list[ReadBatch]:
        if not self._lines:
            time.sleep(seconds)
            return []
        first = self._at
        decoded = self._decode(self._lines, None)
        dead = [
            DeadRecord(self._lines[one.record], one, self._source.name, 0, first + one.record)
            for one in decoded.rejects
        ]
        self._at, self._lines = first + len(self._lines), []
        return [ReadBatch(0, self._at, decoded.rows, dead, ended=not self._source.live)]


@source_for("found")
def _from_address(address: Address, bounds: Bounds) -> Source:
    options = address.options
    return Found(
        "found", Path(options["file"]), Path(options["findings"]), "live" in options and bounds.live
    )
