"""Records of the topics `analysis.request`, `analysis.result` and `dlq.failed`."""

from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

__all__ = ["FAILED", "REQUEST", "RESULT", "Failed", "Request", "Result", "State", "Topics",
           "decoded", "encoded"]  # fmt: skip

REQUEST, RESULT, FAILED = "analysis.request", "analysis.result", "dlq.failed"
State = Literal["begun", "writing", "written", "away", "capped"]
MOST_SENTENCES = 40
_MOST_BYTES = 1 << 20
Name = Annotated[str, Meta(max_length=200)]
T = TypeVar("T")


class Request(msgspec.Struct, frozen=True):
    """Sentences are wanted.

    Attributes:
        id: digest of what they are about: the same evidence is the same request.
        incident: its id.
        at: when, seconds since 1970.
        facts: the evidence, see `alerting.claims.facts_of`.
    """

    id: Name
    incident: Name
    at: float
    facts: Annotated[list[dict[str, Any]], Meta(max_length=99)]


class Result(msgspec.Struct, frozen=True):
    """A step of an answer: it has begun, sentence `n`, or its end.

    Attributes:
        request, incident: ids.
        at: when, seconds since 1970.
        state: written, away and capped are ends.
        n, text: number and text of a sentence, if there is one.
        why: of an end that is none of `written`.
    """

    request: Name
    incident: Name
    at: float
    state: State
    n: Annotated[int, Meta(ge=0, lt=MOST_SENTENCES)] = 0
    text: Annotated[str, Meta(max_length=2_000)] = ""
    why: Annotated[str, Meta(max_length=500)] = ""


class Failed(msgspec.Struct, frozen=True):
    """A request that was not answered, and why.

    Attributes:
        reason: why.
        at: when, seconds since 1970.
        request: as it came.
    """

    reason: str
    at: float
    request: str
    topic: str = REQUEST


class Topics(Protocol):
    """Where the records go; files beside the run, or a team's Kafka."""

    trouble: str

    def start(self, on_request: Any, on_result: Any) -> None:
        """Begin: each is called with the bytes of a record, from a thread."""

    def give(self, topic: str, key: str, data: bytes) -> None:
        """Write a record; records of one key stay in order."""

    def stop(self) -> None:
        """Stop."""


encoded = msgspec.json.Encoder().encode


def decoded(data: bytes, kind: type[T]) -> T | None:
    """A record; None: these bytes are none."""
    if len(data) > _MOST_BYTES:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
