"""The protocol of an adapter: three coroutines, and no loop of its own.

The runner opens an adapter, polls it on its schedule, and closes it. An adapter hands what it
measures to its `Emitter`, and does not know where that leads (Kafka, the disk, a terminal, a list
in a test). An adapter that is pushed to (a receiver, a subscription) emits between `open` and
`close` and uses `poll` for housekeeping and to report, by raising, that its connection is gone.
Every exception is counted, logged once per cause, and followed by a retry with back-off; it never
stops another adapter.
"""

import time
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

from pydantic import Field

from padit.domain.config import Section
from padit.domain.metric import Metric
from padit.domain.rows import Rows

__all__ = [
    "Adapter",
    "AdapterOptions",
    "Batch",
    "ListEmitter",
    "Options",
    "Emitter",
    "Seconds",
    "now",
]

Batch = Sequence[Metric] | Rows
"""Samples on their way out: as metrics, or as columns where a source is fast."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Emitter(Protocol):
    """Where an adapter's samples go. All methods return at once and may be called anywhere."""

    def emit(self, batch: Batch) -> None:
        """Hand over samples; what cannot be delivered is counted, never raised."""

    def emit_record(self, topic: str, key: str, value: bytes) -> None:
        """Hand over one ready-made record for a topic other than the metrics'."""

    def ready(self) -> bool:
        """False while the way out is blocked; a receiver then answers 503 instead of reading."""

    def fault(self, cause: str, message: str, count: int = 1) -> None:
        """Count bad input; `message` is logged the first time for each `cause`."""

    def unwatched(self, what: str, message: str, count: int = 1) -> None:
        """Count what is there and becomes no sample, such as a field that holds text.

        Args:
            what: a short, fixed name of the kind; messages of one kind are logged once.
            message: an example, the reason, and the option that changes it.
            count: how many, in the adapter's own unit (fields, messages, lines).
        """


class ListEmitter:
    """An emitter that keeps everything in lists; for tests and for `padit adapters try`."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []
        self.rows: list[Rows] = []
        self.records: list[tuple[str, str, bytes]] = []
        self.faults: dict[str, int] = {}
        self.left: dict[str, int] = {}
        self.messages: dict[str, str] = {}
        self.open = True

    def emit(self, batch: Batch) -> None:
        """Keep the samples."""
        if isinstance(batch, Rows):
            self.rows.append(batch)
        else:
            self.metrics.extend(batch)

    def emit_record(self, topic: str, key: str, value: bytes) -> None:
        """Keep the record."""
        self.records.append((topic, key, value))

    def ready(self) -> bool:
        """The value of `open`."""
        return self.open

    def fault(self, cause: str, message: str, count: int = 1) -> None:
        """Count it and keep the first message of each cause."""
        self.faults[cause] = self.faults.get(cause, 0) + count
        self.messages.setdefault(cause, message)

    def unwatched(self, what: str, message: str, count: int = 1) -> None:
        """Count it in `left` and keep the first message of each kind."""
        self.left[what] = self.left.get(what, 0) + count
        self.messages.setdefault(what, message)

    def values(self, metric_name: str) -> list[float]:
        """The values of one metric, in the order they came."""
        return [metric.value for metric in self.metrics if metric.metric_name == metric_name]


class Options(Section):
    """A section of an adapter's configuration; unknown keys are errors."""


class AdapterOptions(Options):
    """Options that every adapter has."""

    type: str = Field(description="Which adapter.", examples=["http"])
    name: str = Field(
        default="",
        max_length=128,
        description="Name of this instance in logs and metrics; by default its type. "
        "Names must differ.",
        examples=["shop-front"],
    )
    interval_sec: Seconds = Field(default=10.0, description="Seconds from poll to poll.")
    jitter: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the interval by which the first poll is shifted at random, so that "
        "many adapters do not poll at once.",
    )
    timeout_sec: Seconds = Field(
        default=30.0, description="Seconds after which a whole poll is given up."
    )
    max_backoff_sec: Seconds = Field(
        default=300.0, description="Longest wait after repeated failures, in seconds."
    )
    metadata: dict[str, str] = Field(
        default_factory=dict,
        description="Added to the metadata of every sample. `depends_on` names the source on which "
        "all of them depend, and overrides what the adapter knows; empty: none.",
    )


@runtime_checkable
class Adapter(Protocol):
    """One way in.

    Attributes:
        Options: class attribute; the pydantic model of its options, a kind of `AdapterOptions`.
        options: the options of this instance.
    """

    Options: ClassVar[type[AdapterOptions]]

    @property
    def options(self) -> Any:
        """The options it was made with."""

    async def open(self, emitter: Emitter) -> None:
        """Acquire what is needed: sockets, subscriptions. Called again after a failure."""

    async def poll(self, emitter: Emitter) -> None:
        """Measure once and emit. Cancelled after `timeout_sec`."""

    async def close(self) -> None:
        """Give everything back and flush; also called when `open` failed half-way."""


def now() -> float:
    """Event time of a sample taken now, epoch seconds."""
    return time.time()
