"""What a wild clock costs: late rows and lag of the watermark, with and without a vote.

`python -m benchmarks.clocks` prints the table of docs/adr/0013 from generated logs (seed 0).
"""

import time

import numpy as np
from numpy.typing import NDArray

from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_NONE, find_late

__all__: list[str] = []

SECOND = 1_000_000
ALLOWED = 10 * SECOND
START = 1_767_600_000 * SECOND


def _log(sources: int, every: float, span: float, wild: float = 0.0, ahead: float = 0.0) -> Rows:
    """Sources that report in turn with up to 5 s of delay; the last one `wild` times as often."""
    chance = np.random.default_rng(0)
    moments = [np.arange(chance.uniform(0, every), span, every) for _ in range(sources)]
    if wild:
        moments[-1] = np.arange(0.5, span, every / wild)
    code = np.repeat(np.arange(sources), [len(one) for one in moments]).astype(np.int32)
    event = np.concatenate(moments)
    order = np.argsort(event + chance.uniform(0, 5, len(event)), kind="stable")
    event += np.where(code == sources - 1, ahead, 0.0) if wild else 0.0
    stamps = START + (event[order] * SECOND).astype(np.int64)
    names = tuple(Series(f"host-{i}", "x") for i in range(sources))
    return Rows(names, code[order], stamps, np.zeros(len(order)))


def _gap(rows: Rows, at: float, hours: float) -> Rows:
    behind = rows.time > START + int(at * SECOND)
    moved = rows.time + np.where(behind, int(hours * 3600) * SECOND, 0)
    return Rows(rows.series, rows.code, moved, rows.value)


def _late_without(stamps: NDArray[np.int64]) -> int:
    newest = np.maximum.accumulate(stamps)
    return int((stamps[1:] < newest[:-1] - ALLOWED).sum())


def _longest_lag(rows: Rows, wild: bool) -> int:
    """The longest stretch of rows with the watermark a minute behind the honest sources."""
    watermark, vote, longest, now, newest = WATERMARK_NONE, None, 0, 0, WATERMARK_NONE
    for place in range(len(rows)):
        found = find_late(rows.select(np.array([place])), watermark, ALLOWED, vote)
        watermark, vote = found.watermark, found.vote
        if not wild or rows.code[place] != len(rows.series) - 1:
            newest = max(newest, int(rows.time[place]))
        now = now + 1 if newest - watermark > ALLOWED + 60 * SECOND else 0
        longest = max(longest, now)
    return longest


def main() -> None:
    """Print the table."""
    day = 86_400.0
    logs = {
        "500 sources, 10 s, all in order": _log(500, 10, 600),
        "500 sources, one a day ahead": _log(500, 10, 600, 1, day),
        "500 sources, one a day ahead, 100 times as often": _log(500, 10, 600, 100, day),
        "3 sources, one 30 minutes ahead": _log(3, 10, 3600, 1, 1800),
        "500 sources behind an outage of 3 h": _gap(_log(500, 10, 600), 300, 3),
        "2 sources behind an outage of 3 h": _gap(_log(2, 10, 3600), 1800, 3),
        "1 source, a sample an hour": _log(1, 3600, 30 * day),
        "20 sources, a sample an hour": _log(20, 3600, 10 * day),
    }
    print(f"{'log':50} {'rows':>7} {'late before':>11} {'late now':>8} {'held':>6} {'ns/row':>7}")
    for name, rows in logs.items():
        begun = time.process_time()
        for _ in range(5):
            found = find_late(rows, WATERMARK_NONE, ALLOWED)
        cost = (time.process_time() - begun) / 5 / len(rows) * 1e9
        late = 0 if found.late is None else int(found.late.sum())
        held = _longest_lag(rows, "ahead" in name)
        before = _late_without(rows.time)
        print(f"{name:50} {len(rows):7} {before:11} {late:8} {held:6} {cost:7.0f}")


if __name__ == "__main__":
    main()
