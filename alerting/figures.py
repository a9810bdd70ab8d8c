"""What alerting shows to Prometheus, and whether it is healthy."""

import time
from collections.abc import Callable, Iterable

from padit.alerting.report import residues
from padit.alerting.state import State
from padit.alerting.store.base import Store
from padit.ops import metric_names as names
from padit.ops.stats import Stats

__all__ = ["Figures"]

_EVERY_SECONDS = 5.0
_STUCK_SECONDS = 60.0
_PREFIX = "message "


class Figures:
    """The latest figures; made by the thread of the service, read by that of the endpoint."""

    def __init__(self) -> None:
        self._stats = Stats()
        self._made = float("-inf")
        self._alive = time.monotonic()
        self._store_up = True

    def stats(self) -> Stats:
        """The content of `/metrics`."""
        return self._stats

    @property
    def healthy(self) -> bool:
        """Whether the service goes round, and its store answers."""
        return self._store_up and time.monotonic() - self._alive < _STUCK_SECONDS

    def store(self, *, up: bool) -> None:
        """The store answers, or does not."""
        self._store_up = up
        self._stats.set(names.ALERTING_STORE_UP, float(up))

    def round(self) -> bool:
        """The service has gone round; whether figures are due."""
        self._alive = time.monotonic()
        return self._alive - self._made >= _EVERY_SECONDS

    def make(
        self,
        state: State,
        store: Store,
        routes: Iterable[str],
        breakers: Iterable[tuple[str, bool]],
        silent: float,
        more: Callable[[Stats], None] | None = None,
    ) -> None:
        """Read the figures from the store again.

        Args:
            state: of the engine.
            store: of deliveries.
            routes: their names.
            breakers: name of each receiver, and whether it is left alone.
            silent: seconds since the job reported.
            more: adds figures of its own.
        """
        stats = Stats()
        for route, counts in state.counts.items():
            for reason, count in counts.items():
                stats.set(names.ALERTING_TRANSITIONS, count, route=route, reason=reason)
        names_of_routes = tuple(routes)
        for route, residue in residues(state, names_of_routes).items():
            stats.set(names.ALERTING_RESIDUE, residue, route=route)
        _set_messages(stats, store, names_of_routes)
        for receiver, is_open in breakers:
            stats.set(names.ALERTING_BREAKER_OPEN, float(is_open), receiver=receiver)
        stats.set(names.ALERTING_OPEN_ALERTS, len(state.alerts))
        stats.set(names.ALERTING_INCIDENTS, len(state.incidents))
        stats.set(names.ALERTING_OUT_OF_ORDER, state.out_of_order)
        for what in ("joined", "apart"):
            stats.set(names.ALERTING_EDGES, state.edges.get(what, 0), result=what)
        stats.set(names.ALERTING_UNMATCHED, state.unmatched)
        stats.set(names.ALERTING_REFUSED, len(store.refused()))
        stats.set(names.ALERTING_STORE_UP, 1.0)
        stats.set(names.ALERTING_JOB_SILENT, silent)
        if more is not None:
            more(stats)
        self._stats, self._made, self._store_up = stats, time.monotonic(), True


def _set_messages(stats: Stats, store: Store, routes: Iterable[str]) -> None:
    for route in routes:
        for one in ("pending", "delivered", "dead"):
            stats.set(names.ALERTING_MESSAGES, 0, route=route, state=one)
    for route, counts in store.counts().items():
        for reason, count in counts.items():
            if reason.startswith(_PREFIX):
                one = reason.removeprefix(_PREFIX)
                stats.set(names.ALERTING_MESSAGES, count, route=route, state=one)
