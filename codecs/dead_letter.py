"""Dead letters: what could not be processed, with everything needed to look at it again."""

import hashlib

import msgspec

__all__ = ["DeadLetter"]

LARGEST_ORIGINAL = 700_000
"""Bytes of an original that are kept; as base64 they fit a broker's default of 1 MiB."""


class DeadLetter(msgspec.Struct, frozen=True):
    """One record, or one element of it, that could not be used.

    Attributes:
        reason: for people, with the offending value.
        topic: topic or file it came from.
        partition: number of the partition; 0 for files.
        offset: offset of the record; line or row number for files, from 0.
        original: the record's bytes, at most `LARGEST_ORIGINAL` of them.
        size: bytes of the whole record.
        digest: SHA-256 of the whole record, hex.
    """

    reason: str
    topic: str
    partition: int
    offset: int
    original: bytes
    size: int
    digest: str

    @classmethod
    def of(
        cls, value: bytes | None, reason: str, topic: str, partition: int, offset: int
    ) -> "DeadLetter":
        """Make one from a record's value; None is a tombstone."""
        data = value or b""
        digest = hashlib.sha256(data).hexdigest()
        original = data[:LARGEST_ORIGINAL]
        return cls(reason[:2000], topic, partition, offset, original, len(data), digest)

    def to_json(self) -> bytes:
        """Encode as one JSON object; `original` in base64."""
        return msgspec.json.encode(self)  # msgspec writes bytes as base64
