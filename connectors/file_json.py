"""JSON files: one metric, or an array of them, in each line; or one array of metrics.

A line is read like a Kafka record's value. Files may be compressed (gzip, zstd) and have a byte
order mark; with one UTF-16 is read as well.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from padit.codecs.dead_letter import DeadRecord
from padit.codecs.layouts import WHOLE
from padit.codecs.records import Decoded, decode
from padit.connectors.file_bytes import Stream, json_text, open_json, open_whole_json
from padit.connectors.file_formats import OpenFile, Piece, register
from padit.connectors.file_lines import (
    LONGEST_LINE,
    LineBlock,
    LineReader,
    chunks_of_lines,
    count_lines,
)
from padit.connectors.file_options import OF_ANY_FORMAT, FileOptions
from padit.connectors.file_sort import ascending
from padit.connectors.payloads import payload_of
from padit.connectors.source import Decoder
from padit.connectors.text_order import TextOrder, key_values
from padit.domain.errors import ConfigurationError
from padit.domain.findings import Findings, Unwatched
from padit.domain.rows import Rows, concatenate

__all__ = ["JSON", "Json", "decode_own"]

JSON = (".jsonl", ".ndjson", ".json")
"""Suffixes of these files."""

_LINES = 32_768


@register(*JSON)
class Json:
    """Files of metrics as JSON; the fields have fixed names."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        allowed = OF_ANY_FORMAT | {"format"}
        given = options.model_fields_set - allowed
        if given:
            message = (
                f"{suffix} files take no options but {', '.join(sorted(allowed))}, other JSON is "
                f"mapped with `format`, see docs/payloads.md (given: {', '.join(sorted(given))})"
            )
            raise ConfigurationError(message)
        self._payload = payload_of(suffix, options.format, None)
        form = self._payload.form
        whole = form is not None and form.layout in WHOLE
        opened = open_whole_json if whole else open_json
        self._opened: Callable[[str], Stream] = opened if suffix == ".json" else json_text

    def count(self, path: str) -> int:
        """Lines of the file."""
        return count_lines(path, self._opened)

    def in_order(self, path: str) -> bool:
        """Whether no time goes back; most files show it without being decoded."""
        mapped = self._payload.form is not None
        if not mapped and _seen_in_order(chunks_of_lines(path, self._opened)):
            return True
        lines = LineReader(path, 0, self._opened)
        try:
            return ascending(_times(lines, self._payload.decoder(decode_own)))
        finally:
            lines.close()

    def findings(self, path: str, labels: tuple[str, ...] = ()) -> Findings:
        """None: what lines hold beside samples is met, and counted, while they are read."""
        return Findings()

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a line."""
        lines = LineReader(path, row, self._opened)
        return _OpenJson(path, lines, self._payload.decoder(decode))


def _seen_in_order(chunks: Iterator[bytes]) -> bool:
    order = TextOrder(b',}"')
    for chunk in chunks:
        starts = key_values(chunk)
        if starts is None or not order.take(chunk, starts):
            return False
    return True


def decode_own(values: Sequence[bytes | None], record_time: NDArray[np.int64] | None) -> Decoded:
    """PADIT's own JSON as files hold it, for looks before the job's decoder is at hand."""
    return decode(values, LONGEST_LINE)


def _times(lines: LineReader, decode: Decoder) -> Iterator[NDArray[np.int64]]:
    """Event times of all lines that can be read."""
    while (block := lines.take(_LINES)).lines:
        values, _ = _records(block)
        taken = 0
        while taken < len(values):
            found = decode(values[taken:] if taken else values, None)
            yield found.rows.time
            taken += found.taken


class _OpenJson:
    def __init__(self, path: str, lines: LineReader, decode: Decoder) -> None:
        self._path = path
        self._decode = decode
        self._lines = lines

    def take(self, most: int) -> Piece:
        block = self._lines.take(most)
        values, numbers = _records(block)
        parts: list[Rows] = []
        dead: list[DeadRecord] = []
        left: list[Unwatched] = []
        taken = 0
        while taken < len(values):
            decoded = self._decode(values[taken:] if taken else values, None)
            parts.append(decoded.rows)
            for reject in decoded.rejects:
                at = taken + reject.record
                dead.append(DeadRecord(values[at], reject, self._path, 0, numbers[at]))
            left += decoded.unwatched
            taken += decoded.taken
        return Piece(block.lines, concatenate(parts), dead, tuple(left))

    def close(self) -> None:
        self._lines.close()


def _records(block: LineBlock) -> tuple[list[bytes], range | list[int]]:
    """The lines that hold something, and their numbers."""
    values = block.data.split(b"\n")[:-1]
    if not _untidy(block.data) and all(values):
        return values, range(block.first, block.first + block.lines)
    values = [value.rstrip(b"\r") for value in values]
    numbers = [block.first + i for i, value in enumerate(values) if value.strip()]
    return [value for value in values if value.strip()], numbers


def _untidy(data: bytes) -> bool:
    """Whether there may be lines of white space only, or carriage returns."""
    return b"\r" in data or b"\n " in data or b"\n\t" in data or data[:1].isspace()
