"""Context managers for processes that can be started and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from padit.devcluster.processes import Part

__all__ = ["Service", "Startable"]


class Startable(ABC):
    """Started by `with`, or by `start`; stopped at the end of the `with`, or by `stop`."""

    @abstractmethod
    def start(self) -> Self:
        """Start it unless it runs, and wait until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """End it. Does nothing if it does not run."""

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()


class Service(Startable):
    """One process behind an address; a subclass holds it as `part`."""

    part: Part

    def start(self) -> Self:
        """Start it if it does not run, and wait until it answers."""
        self.part.start()
        return self

    def stop(self) -> None:
        """End it and its children; its files on disk stay."""
        self.part.stop()

    def kill(self) -> None:
        """Kill it, as a crash would; its children are left alone."""
        self.part.kill()

    def restart(self) -> None:
        """Start it again on the same port and data, after `stop`, `kill` or while it runs."""
        self.part.restart()
