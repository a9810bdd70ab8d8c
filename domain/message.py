"""A result on its way to a sink: what it is, whose it is, and its identity."""

import hashlib
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from padit.domain.dead_letter import DeadLetter

__all__ = ["Kind", "Message", "digest_of", "key_of"]


class Kind(StrEnum):
    """What a message is; a sink chooses its layout by it."""

    ALERT = "alert"
    FEATURE = "feature"
    ANOMALY = "anomaly"
    AUDIT = "audit"
    LATE = "late"
    DEAD_LETTER = "dead_letter"


class Message(NamedTuple):
    """One result. `of` and `dead_letter` make one; a transition makes its own (`to_message`).

    Attributes:
        kind: what it is.
        id: identity of the result, the same in every run; a sink that has seen it may drop it.
        key: what messages about the same thing share, see `key_of`.
        time: event time in microseconds.
        value: one JSON object, without line breaks; of a dead letter the original bytes.
        headers: of a dead letter the other fields of `DeadLetter`, by name; of an alert its trace.
    """

    kind: Kind
    id: str
    key: str
    time: int
    value: bytes
    headers: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(
        cls,
        kind: Kind,
        about: tuple[str, ...],
        time: int,
        value: bytes,
        *identity: str,
        rank: str = "",
    ) -> "Message":
        """Make a message.

        Args:
            kind: what it is.
            about: names of what it is about, like (source_id, metric_name); they become the key.
            time: event time, microseconds.
            value: one JSON object, without line breaks.
            identity: what tells it from every other message of its kind.
            rank: begins the id, where messages of one key and time have an order.
        """
        return cls(kind, rank + digest_of(kind.value, *identity), key_of(*about), time, value)

    @classmethod
    def dead_letter(cls, letter: DeadLetter, number: int = 0, *about: str) -> "Message":
        """Make the message of a dead letter, the `number`-th of its record.

        `about` distinguishes letters that belong to no single record.
        """
        place = (letter.topic, str(letter.partition))
        headers = tuple(
            (name, getattr(letter, name)) for name in letter.__struct_fields__ if name != "original"
        )
        made = cls.of(
            Kind.DEAD_LETTER,
            place,
            0,
            letter.original,
            *place,
            str(letter.offset),
            str(number),
            *about,
            rank=f"{letter.offset:020d}-{number:06d}-",  # a file has them in the log's order
        )
        return made._replace(headers=headers)

    @property
    def json(self) -> bytes:
        """The message as one JSON object; the original of a dead letter in base64."""
        if self.kind is not Kind.DEAD_LETTER:
            return self.value
        return msgspec.json.encode({**dict(self.headers), "original": self.value})


def digest_of(*parts: str) -> str:
    """32 hex characters; different parts have different digests.

    >>> digest_of("ab", "c") == digest_of("a", "bc")
    False
    """
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def key_of(*names: str) -> str:
    """Names joined by colons; a colon within a name is written %3A, so no two keys are equal.

    >>> key_of("press-1", "torque_nm"), key_of("edge", "job:rate"), key_of("edge:job", "rate")
    ('press-1:torque_nm', 'edge:job%3Arate', 'edge%3Ajob:rate')
    """
    return ":".join([name.replace("%", "%25").replace(":", "%3A") for name in names])
