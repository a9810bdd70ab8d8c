"""Dead letters: what could not be processed, with everything needed to look at it again.

A record that cannot be used, wholly or in part, gives one `DeadRecord`, which only points at
it. The letter with its digest and the record's bytes is made where somebody reads it.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from padit.codecs.contract import Reject

__all__ = ["DeadLetter", "DeadRecord", "count_lost"]

LARGEST_ORIGINAL = 700_000
"""Bytes of an original that are kept; as base64 they fit a broker's default of 1 MiB."""


class DeadLetter(msgspec.Struct, frozen=True):
    """One record that could not be used, or not all of it.

    Attributes:
        reason: for people, with the offending value.
        topic: topic or file it came from.
        partition: number of the partition; 0 for files.
        offset: offset of the record; line or row number for files, from 0.
        original: the record's bytes, at most `LARGEST_ORIGINAL` of them.
        size: bytes of the whole record.
        digest: SHA-256 of the whole record, hex.
        lost: samples of the record that cannot be used.
        elements: (number in the record, reason) of the first of them; empty where the record
            holds one sample. Of a wide row the numbers are those of its columns.
    """

    reason: str
    topic: str
    partition: int
    offset: int
    original: bytes
    size: int
    digest: str
    lost: int = 1
    elements: tuple[tuple[int, str], ...] = ()

    def to_json(self) -> bytes:
        """Encode as one JSON object; `original` in base64."""
        return msgspec.json.encode(self)  # msgspec writes bytes as base64


class DeadRecord(NamedTuple):
    """A record, or a part of it, that could not be used, and where it came from.

    Attributes:
        value: the whole record; None is a tombstone.
        reject: why; its `record` has no meaning here.
        topic: topic or file.
        partition: number of the partition.
        offset: offset of the record.
    """

    value: bytes | None
    reject: Reject
    topic: str
    partition: int
    offset: int

    def letter(self) -> DeadLetter:
        """Make the letter."""
        data = self.value or b""
        _, reason, lost, elements = self.reject
        return DeadLetter(
            reason,
            self.topic,
            self.partition,
            self.offset,
            data[:LARGEST_ORIGINAL],
            len(data),
            hashlib.sha256(data).hexdigest(),
            lost,
            elements,
        )


def count_lost(dead: Sequence[DeadRecord]) -> int:
    """Samples that are lost with these records."""
    return sum(one.reject.lost for one in dead)
