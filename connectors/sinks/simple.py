"""Sinks that keep nothing: standard output and none at all."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from padit.connectors.sink import Message, Sink, Start, Writer
from padit.connectors.uris import Address, sink_for
from padit.domain.errors import SinkError

__all__ = ["NullSink", "StdoutSink"]


@dataclass
class StdoutSink:
    """One result a line on the standard output of the worker.

    What an item must look like: a `Message`; its JSON becomes a line. Unit of parallelism: one
    worker. In a crash: lines come again; they are not in canonical order.
    """

    name: str = field(init=False, default="standard output")
    single_writer: bool = field(init=False, default=True)
    opens_early: bool = field(init=False, default=False)

    def prepare(self, start: Start) -> None:
        """Nothing to do."""

    def open(self) -> Writer:
        """Write to `sys.stdout` as it is then."""
        return _StdoutWriter()

    def finish(self, complete: bool = True) -> None:
        """Nothing to do: printed lines keep their order."""


class _StdoutWriter:
    def write(self, messages: Sequence[Message]) -> None:
        try:
            for message in messages:
                sys.stdout.write(message.json.decode() + "\n")
        except OSError as error:
            raise _closed(error) from error

    def flush(self) -> None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise _closed(error) from error

    def close(self) -> None:
        pass


def _closed(error: OSError) -> SinkError:
    if isinstance(error, BrokenPipeError):
        return SinkError(f"the reader of the standard output has closed it ({error.strerror})")
    return SinkError(f"the standard output cannot be written: {error.strerror}")


@dataclass
class NullSink:
    """Drops everything.

    What an item must look like: a `Message`. Unit of parallelism: any. In a crash: nothing.
    """

    name: str = field(init=False, default="null")
    single_writer: bool = field(init=False, default=False)
    opens_early: bool = field(init=False, default=False)

    def prepare(self, start: Start) -> None:
        """Nothing to do."""

    def open(self) -> Writer:
        """Make a writer that drops everything."""
        return _NullWriter()

    def finish(self, complete: bool = True) -> None:
        """Nothing to do."""


class _NullWriter:
    def write(self, messages: Sequence[Message]) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@sink_for("-", "stdout")
def _stdout(address: Address) -> Sink:
    address.refuse_options()
    return StdoutSink()


@sink_for("null")
def _null(address: Address) -> Sink:
    address.refuse_options()
    return NullSink()
