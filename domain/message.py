"""A result on its way to a sink."""

from typing import NamedTuple

__all__ = ["Message"]


class Message(NamedTuple):
    """One result.

    Attributes:
        id: identity of the result, the same in every run; a sink that has seen it may drop it.
        key: what messages about the same thing share, like `source_id:metric_name`.
        time: event time in microseconds.
        value: one JSON object, without line breaks.
    """

    id: str
    key: str
    time: int
    value: bytes
