"""Context managers for processes that can be started and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Startable"]


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
