"""`padit` with one source more: `drip://`, which gives the seed case and then waits.

As a module it is the command line: `python -m tests.pipelines.drip run --input=drip://...`.
Options of the URI: `file`, with alerts; `patience`, how long to wait for something in it, in
seconds; `live=1`, never to end.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from padit.cli.main import main
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader, Source
from padit.connectors.uris import Address, Bounds, source_for
from padit.domain.errors import SourceError
from padit.domain.findings import Findings
from padit.domain.rows import Rows
from tests.connectors.reading import FixedReader
from tests.pipelines.seed import NEXT_HOUR, seed_lines

FIRST = [*seed_lines(), NEXT_HOUR, b"no JSON"]


@dataclass
class Drip:
    """One partition: `FIRST`, then a wait for the first alert, then the end."""

    name: str
    file: Path
    patience: float
    live: bool
    until: float = 0.0

    def ranges(self) -> list[PartitionRange]:
        """One partition; patience begins here, because a reader may be opened many times."""
        self.until = time.monotonic() + self.patience
        return [PartitionRange(0, 0, None if self.live else len(FIRST))]

    def findings(self) -> Findings:
        """Nothing."""
        return Findings()

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Begin, or go on, where the range begins."""
        return _Reader(self, ranges[0].start, decode)


class _Reader(FixedReader):
    def __init__(self, source: Drip, at: int, decode: Decoder) -> None:
        self._source = source
        self._at = at
        self._decode = decode

    def read(self, seconds: float) -> list[ReadBatch]:
        if self._at == 0:
            self._at = len(FIRST)
            decoded = self._decode(FIRST, None)
            dead = [
                DeadRecord(FIRST[one.record], one, self._source.name, 0, one.record)
                for one in decoded.rejects
            ]
            return [ReadBatch(0, self._at, decoded.rows, dead)]
        written = self._source.file.exists() and self._source.file.stat().st_size
        if written and not self._source.live:
            return [ReadBatch(0, self._at, Rows.empty(), ended=True)]
        if not written and time.monotonic() > self._source.until:
            message = "no alert came out while the source was still being read"
            raise SourceError(message)
        time.sleep(seconds)
        return []


@source_for("drip")
def _from_address(address: Address, bounds: Bounds) -> Source:
    options = address.options
    return Drip("drip", Path(options["file"]), float(options["patience"]), "live" in options)


if __name__ == "__main__":
    sys.exit(main())
