"""What the parts of one run share within a process: the wish to stop, and the accounts.

A graph is pickled and its parts come to life again wherever the runner puts them, in this process
too. The context travels with them as the id of the run, so that parts of one run find each other,
and those of two runs in one process do not.

The truth of the accounts lies in the data: in the saved position of each reader and in the state
of each key group, as totals since the job began. Here is the only place where other accounts are
derived from them: increments for the runner's counters, the sums of the summary, and progress.
A total replaces the one before, so it does not matter how many instances take turns on a key.
"""

import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from padit.domain.findings import Unwatched, UnwatchedCounts
from padit.domain.losses import Loss, add_losses

__all__ = ["RunContext", "RunProgress", "sum_of_lags"]


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run has come, for people who watch; results never read it.

    Attributes:
        rows: samples read, of all kinds.
        watermark: the slowest watermark of the latest block, microseconds; None before the first.
        lag: records that wait in the source; None: not known.
        silent: whether a source has not answered for some seconds.
    """

    rows: int = 0
    watermark: int | None = None
    lag: int | None = None
    silent: bool = False


class RunContext:
    """One run, as this process knows it. Safe to use from several threads.

    Args:
        run: identity of the run; None: a new one.
    """

    def __init__(self, run: str | None = None) -> None:
        self.run = run or uuid.uuid4().hex
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._totals: dict[tuple[str, int], dict[str, int]] = {}
        self._mark: dict[int, int] = {}
        self._lag: dict[int, tuple[int | None, bool]] = {}
        self._losses: dict[int, tuple[Loss, ...]] = {}
        self._left: dict[int, tuple[Unwatched, ...]] = {}
        with _lock:
            _here[self.run] = self

    @staticmethod
    def of(run: str) -> "RunContext":
        """The context of a run in this process; a new one where the run is new here."""
        with _lock:
            found = _here.get(run)
        return found or RunContext(run)

    @staticmethod
    def here() -> "list[RunContext]":
        """The runs of this process, by their id."""
        with _lock:
            return [_here[run] for run in sorted(_here)]

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Pickle as the id of the run."""
        return RunContext.of, (self.run,)

    def request_stop(self) -> None:
        """Make the live readers of this run end once they have delivered what they read."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stop.is_set()

    def account(self, kind: str, number: int, totals: Mapping[str, int]) -> dict[str, int]:
        """Take the totals of a reader or key group; what they have grown by since the last time.

        Args:
            kind: of the holder, "reader" or "group".
            number: of the holder.
            totals: since the job began, by name.
        """
        with self._lock:
            before = self._totals.get((kind, number), {})
            self._totals[kind, number] = dict(totals)
        grown = {name: total - before.get(name, 0) for name, total in totals.items()}
        return {name: more for name, more in grown.items() if more}

    def totals(self) -> dict[str, int]:
        """Sums over all readers and key groups of this process, by name."""
        sums: dict[str, int] = {}
        with self._lock:
            for totals in self._totals.values():
                for name, total in totals.items():
                    sums[name] = sums.get(name, 0) + total
        return sums

    def keep_losses(
        self, reader: int, losses: tuple[Loss, ...], left: tuple[Unwatched, ...] = ()
    ) -> None:
        """Take what a reader has lost, and left unwatched, since the job began."""
        with self._lock:
            self._losses[reader] = losses
            self._left[reader] = left

    def losses(self) -> tuple[Loss, ...]:
        """What the readers of this process have lost, by kind of reason."""
        with self._lock:
            found = [self._losses[reader] for reader in sorted(self._losses)]
        return add_losses((), (one for losses in found for one in losses))

    def unwatched(self) -> list[Unwatched]:
        """What the readers of this process left unwatched, by place, kind and unit."""
        counts = UnwatchedCounts()
        with self._lock:
            for reader in sorted(self._left):
                counts.add(self._left[reader])
        return counts.all()

    def note(self, reader: int, watermark: int) -> None:
        """Take down how far a reader has come."""
        with self._lock:
            self._mark[reader] = watermark

    def note_lag(self, reader: int, lag: int | None, *, silent: bool = False) -> None:
        """Take down what waits behind a reader; None: not known. `silent`: no broker answers."""
        with self._lock:
            self._lag[reader] = lag, silent

    def seen(self) -> RunProgress:
        """How far the run has come."""
        rows = self.totals().get("read", 0)
        with self._lock:
            watermark = min(self._mark.values(), default=None)
            lag = sum_of_lags(lag for lag, _ in self._lag.values())
            silent = any(silent for _, silent in self._lag.values())
            return RunProgress(rows, watermark, lag, silent)


def sum_of_lags(lags: Iterable[int | None]) -> int | None:
    """Records that wait behind several; None where one is not known, or there is none."""
    found: int | None = None
    for one in lags:
        if one is None:
            return None
        found = (found or 0) + one
    return found


_lock = threading.Lock()
_here: WeakValueDictionary[str, RunContext] = WeakValueDictionary()
