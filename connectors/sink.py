"""The protocols of a sink: a place that results are written to, without Beam."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from padit.domain.message import Message
from padit.domain.run_identity import RunIdentity

__all__ = ["Message", "OnceSink", "Sink", "Start", "Writer"]


class Start(NamedTuple):
    """How a run starts at a place that may hold results of earlier runs.

    Attributes:
        run: what decides the results of the run.
        restored: whether the run goes on from a savepoint.
        finishes: whether `finish` will be called once the results are complete; not so for a
            live run, nor for a detached one.
        overwrite: whether a bounded run may replace the results of any other.
    """

    run: RunIdentity = RunIdentity()
    restored: bool = False
    finishes: bool = False
    overwrite: bool = False


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
        """Release everything."""


class Sink(Protocol):
    """A place results go to; pickled into the graph, so it holds addresses, not connections.

    Attributes:
        name: for messages to people.
        single_writer: whether one writer at a time must do all the writing (a file).
        opens_early: whether opening takes so long that the first message should not wait for it;
            the job then opens the sink when it begins, by writing and flushing nothing.
    """

    name: str
    single_writer: bool
    opens_early: bool

    def prepare(self, start: Start) -> None:
        """Check, before the job starts, that it can be written; called before the sink travels.

        Nothing that is there is removed before `finish`, see `connectors.runs`.

        Raises:
            SinkError: it cannot be written; the message names the remedy.
            ConfigurationError: it holds what this run must not replace.
        """

    def open(self) -> Writer:
        """Connect."""

    def finish(self, complete: bool = True) -> None:
        """Put the results of a bounded run in their canonical order (time, key, id).

        Where they replace earlier results they take their place now, if they are `complete`: if
        the run was stopped before the end of its input, the earlier ones stay.
        """


@runtime_checkable
class OnceSink(Protocol):
    """A sink that can deliver exactly once, at a cost, and by default does not."""

    def exactly_once(self) -> Sink:
        """The same sink, delivering exactly once."""
