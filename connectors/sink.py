"""What a sink is: a place results go to, without Beam."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from padit.domain.message import Message

__all__ = ["Message", "OnceSink", "Sink", "Writer"]


class Writer(Protocol):
    """An open sink; used by one thread."""

    def write(self, messages: Sequence[Message]) -> None:
        """Take messages; they may be buffered until `flush`."""

    def flush(self) -> None:
        """Return once everything written is durable.

        Raises:
            SinkError: it could not be delivered; the caller's bundle is repeated.
        """

    def close(self) -> None:
        """Let go of everything."""


class Sink(Protocol):
    """A place results go to; pickled into the graph, so it holds addresses, not connections.

    Attributes:
        name: for messages to people.
        single_writer: whether one writer at a time must do all the writing (a file).
        opens_early: whether opening takes so long that the first message should not wait for it;
            a job then writes and flushes nothing when it begins.
    """

    name: str
    single_writer: bool
    opens_early: bool

    def prepare(self, fresh: bool) -> None:
        """Check, before the job starts, that it can be written; `fresh`: start it empty.

        Raises:
            SinkError: it cannot be written; the message names the remedy.
        """

    def open(self) -> Writer:
        """Connect."""

    def finish(self) -> None:
        """Put the results of a bounded run in their canonical order (time, key, id)."""


@runtime_checkable
class OnceSink(Protocol):
    """A sink that can deliver each message once, at a price, and by default does not."""

    def exactly_once(self) -> Sink:
        """The same sink with each message once."""
