"""A result on its way to a sink."""

from typing import NamedTuple

__all__ = ["Message"]


class Message(NamedTuple):
    """One result.

    Attributes:
        id: identity of the result, the same in every run; a sink may drop a repeated one.
        key: shared by messages about the same thing, like `source_id:metric_name`.
        time: event time in microseconds.
        value: one JSON object, without line breaks.
    """

    id: str
    key: str
    time: int
    value: bytes
