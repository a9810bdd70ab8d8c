"""Dead letters: what could not be processed, with everything needed to look at it again."""

import hashlib

import msgspec

__all__ = ["LARGEST_ORIGINAL", "DeadLetter"]

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

    @classmethod
    def of(
        cls,
        data: bytes,
        reason: str,
        topic: str,
        partition: int,
        offset: int,
        lost: int = 1,
        elements: tuple[tuple[int, str], ...] = (),
    ) -> "DeadLetter":
        """Make the letter of a record's bytes."""
        return cls(
            reason,
            topic,
            partition,
            offset,
            data[:LARGEST_ORIGINAL],
            len(data),
            hashlib.sha256(data).hexdigest(),
            lost,
            elements,
        )

    def to_json(self) -> bytes:
        """Encode as one JSON object; `original` in base64."""
        return msgspec.json.encode(self)  # msgspec writes bytes as base64
