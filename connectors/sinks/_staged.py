"""The life of a sink on a local disk: prepared, written, finished; what files it has is its own."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from padit.connectors.runs import Turn, read_run, resumes, turn, write_run
from padit.connectors.sink import Start
from padit.connectors.sinks._local import cannot_write, keep_earlier, lock
from padit.domain.errors import SinkError

__all__ = ["Place", "StagedSink"]


class Place(Protocol):
    """The files of one result, or of the one that will take its place (staged)."""

    @property
    def results(self) -> Path:
        """The file or directory, for messages."""

    @property
    def run(self) -> Path:
        """The record of the run that wrote them."""

    @property
    def lock(self) -> Path:
        """The lock file, the same for both."""

    def recover(self) -> None:
        """Complete what a crash has cut short."""

    def holds(self) -> bool:
        """Whether there are results."""

    def foreign(self) -> str:
        """What the sink did not write itself; "" if there is nothing."""

    def clear(self) -> None:
        """Remove the results; first the record of the run, without which they count as none."""

    def make(self) -> None:
        """Make what is missing, and cut off what was never confirmed."""


P = TypeVar("P", bound=Place)


@dataclass
class StagedSink(ABC, Generic[P]):
    """A result that a bounded run may replace: written beside it, it takes its place at the end.

    Attributes:
        path: of the file or directory; its directory is made.
        name: the path as given.
        single_writer: true.
        opens_early: false.
        staged: whether results are written beside, to take the place of others at the end.
    """

    path: str
    name: str = field(init=False)
    single_writer: bool = field(init=False, default=True)
    opens_early: bool = field(init=False, default=False)
    staged: bool = field(init=False, default=False)

    PLACE: ClassVar[Any]

    def __post_init__(self) -> None:
        """Make the path absolute: a worker may start in another directory."""
        self.name = self.path
        self.path = os.path.abspath(self.path) + ("/" if self.path.endswith("/") else "")

    def place(self, staged: bool) -> P:
        """The files of the result, or of the one that will take its place."""
        made: P = self.PLACE(self.path, staged)
        return made

    @abstractmethod
    def in_order(self, place: P) -> Any:
        """All results of a place by (time, key, id), each id once, ready for `take`."""

    @abstractmethod
    def take(self, place: P, ready: Any) -> None:
        """Put what `in_order` made in the place of the results."""

    def prepare(self, start: Start) -> None:
        """Make the files, or check that the run may write there."""
        place, beside = self.place(False), self.place(True)
        if place.results.exists() and not (place.results.is_file() or place.results.is_dir()):
            message = f"{self.name} is a pipe or a device, and results are kept: name a file"
            raise SinkError(message)
        try:
            with lock(place.lock):
                place.recover()
                how = turn(self.name, place.run, place.holds(), place.foreign(), start)
                if start.restored:
                    self.staged = resumes(beside.run, start)
                else:
                    self.staged = how is Turn.REPLACE
                    beside.clear()  # what a bounded run that failed has left
                    if how is Turn.CLEAR or not place.holds():
                        place.clear()
                place = beside if self.staged else place
                place.make()
                if not start.restored or not place.run.exists():
                    write_run(place.run, start.run)
        except OSError as error:
            raise cannot_write(place.results, error) from error

    def finish(self, complete: bool = True) -> None:
        """Put all results in order, each id once; those of a staged run take the others' place."""
        place, beside = self.place(False), self.place(True)
        try:
            with lock(place.lock):
                place.recover()
                if self.staged and not complete:
                    keep_earlier(self.name)
                elif self.staged:
                    self._replace(place, beside)
                else:
                    self.take(place, self.in_order(place))
        except OSError as error:
            raise cannot_write(place.results, error) from error
        self.staged = False

    def _replace(self, place: P, beside: P) -> None:
        run = read_run(beside.run)
        if run is None:
            message = f"{beside.results} is gone, so {self.name} stays what it was; start again"
            raise SinkError(message)
        ready = self.in_order(beside)
        write_run(place.run, run)
        self.take(place, ready)
        beside.clear()
