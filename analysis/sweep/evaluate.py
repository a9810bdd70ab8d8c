"""Every configuration over every window setting, in parallel processes, without Beam.

A unit of work is one window setting over one group of sources: its tables are made once, and
every configuration scores them. Units are independent, and their results are joined in their
order, so the result is the same with any number of processes.
"""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from padit.analysis.sweep.recording import Recording
from padit.analysis.sweep.sharing import Sharing
from padit.domain.alert import Transition
from padit.domain.config import JobConfig
from padit.domain.features import FeatureTable
from padit.domain.message import Message
from padit.domain.rows import Rows
from padit.domain.series_rules import SeriesRules
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE
from padit.transforms.alerts import Alerts
from padit.transforms.attributes import with_rules
from padit.transforms.detect import Detection
from padit.transforms.windows import WindowOptions, close_windows

__all__ = ["Alerted", "Job", "WindowSetting", "evaluate", "messages_of"]

ROWS_AT_ONCE = 1_000_000
"""Rows whose windows are held in memory together."""


class WindowSetting(NamedTuple):
    """Shape of the windows over a recording.

    Attributes:
        windows: shape of the windows.
        out_of_orderness: allowed disorder within a partition, microseconds.
    """

    windows: WindowOptions
    out_of_orderness: int


class Job(NamedTuple):
    """A window setting and the configurations that are tried with it."""

    setting: WindowSetting
    configs: tuple[JobConfig, ...]


class Alerted(NamedTuple):
    """One alert of a configuration, with the fields that measures use; times in microseconds.

    Attributes:
        opened, resolved: event times.
        source_id, metric_name: its series.
        severity: the highest.
    """

    opened: int
    source_id: str
    metric_name: str
    resolved: int
    severity: str


Found = list[list[Alerted]]
"""Alerts by configuration of a job."""


def evaluate(
    recording: Recording, jobs: Sequence[Job], processes: int, note: Callable[[int], None]
) -> list[Found]:
    """Alerts of all configurations of all jobs, each sorted by (opened, series).

    Args:
        recording: with the masks of all settings' out-of-orderness.
        jobs: the work.
        processes: number of parallel processes; with 1 this process does the work.
        note: called with rows times configurations for each finished unit.
    """
    found: list[Found] = [[[] for _ in job.configs] for job in jobs]
    for number, group, part in _parts(recording, jobs, processes):
        for mine, more in zip(found[number], part, strict=True):
            mine += more
        rows = int(recording.bounds[group + 1] - recording.bounds[group])
        note(rows * len(jobs[number].configs))
    return [[sorted(alerts) for alerts in one] for one in found]


def messages_of(recording: Recording, job: Job) -> list[list[Message]]:
    """The alerts of each configuration as `padit replay` writes them, in its order."""
    written: list[list[Message]] = [[] for _ in job.configs]
    for group in range(recording.groups):
        for mine, transitions in zip(written, _transitions(recording, job, group), strict=True):
            mine += [transition.to_message() for transition in transitions]
    return [sorted(mine, key=lambda one: (one.time, one.key, one.id)) for mine in written]


def _parts(
    recording: Recording, jobs: Sequence[Job], processes: int
) -> Iterator[tuple[int, int, Found]]:
    """(job, group, alerts), in any order."""
    units = [(number, group) for number in range(len(jobs)) for group in range(recording.groups)]
    if processes == 1:
        for number, group in units:
            yield number, group, _evaluate(recording, jobs[number], group)
        return
    with tempfile.TemporaryDirectory(prefix="padit-sweep-") as folder:
        recording.save(Path(folder))
        # Spawned, because this process may have threads (Arrow's, Kafka's) that a fork cuts off.
        pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), _start, (folder, tuple(jobs))
        )
        try:
            running = {pool.submit(_work, *unit): unit for unit in units}
            for done in as_completed(running):
                yield *running[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


_shared: tuple[Recording, tuple[Job, ...]]


def _start(folder: str, jobs: tuple[Job, ...]) -> None:
    global _shared
    _shared = Recording.load(Path(folder)), jobs


def _work(number: int, group: int) -> Found:
    recording, jobs = _shared
    return _evaluate(recording, jobs[number], group)


def _evaluate(recording: Recording, job: Job, group: int) -> Found:
    return [_alerted(one) for one in _transitions(recording, job, group)]


def _alerted(transitions: Sequence[Transition]) -> list[Alerted]:
    """Alerts by their last transition; the end of the recording resolves all."""
    opened: dict[str, int] = {}
    last: dict[str, Transition] = {}
    for transition in transitions:
        opened.setdefault(transition.alert.id, transition.time)
        last[transition.alert.id] = transition
    return [
        Alerted(opened[name], one.alert.source_id, one.alert.metric_name, one.time,
                one.alert.severity)
        for name, one in last.items()
    ]  # fmt: skip


def _transitions(recording: Recording, job: Job, group: int) -> list[list[Transition]]:
    """Transitions of each configuration over one group of sources."""
    found: list[list[Transition]] = [[] for _ in job.configs]
    rows = recording.group(group, job.setting.out_of_orderness)
    if not len(rows):
        return found
    sharing = Sharing()
    judges = [_Judge(config, job.setting.windows, sharing) for config in job.configs]
    # As in a job that reads to the end: the highest event time of any partition.
    known_until = int(recording.rows.time.max()) - job.setting.out_of_orderness
    rules = SeriesRules(job.configs[0].series)  # equal in all: a sweep does not vary them
    for windows in _tables(rows, job.setting.windows, known_until):
        table = with_rules(windows, rules)  # once, because detectors share their work by table
        for mine, judge in zip(found, judges, strict=True):
            mine += judge.step(table)
    return found


class _Judge:
    """The detectors and alerts of one configuration, as `transforms.watch` sets them up."""

    def __init__(self, config: JobConfig, windows: WindowOptions, sharing: Sharing) -> None:
        self._detection = Detection(config.detectors, sharing.create, levels=config.alerts.levels)
        self._alerts = Alerts.of(self._detection, config.alerts, windows)
        self._states = self._detection.initial()
        self._episodes = self._alerts.initial()

    def step(self, table: FeatureTable) -> list[Transition]:
        self._states, detected = self._detection.step(self._states, table)
        self._episodes, transitions = self._alerts.step(self._episodes, detected)
        return transitions


def _tables(rows: Rows, windows: WindowOptions, known_until: int) -> Iterator[FeatureTable]:
    """All windows of rows sorted by time, a few slots at a time, so memory is bounded."""
    kept, closed = Rows.empty(), WATERMARK_NONE
    first = 0
    while first < len(rows):
        here = windows.slot_before(int(rows.time[first]))
        newest = windows.slot_before(int(rows.time[min(first + ROWS_AT_ONCE, len(rows)) - 1]))
        closing = max(newest, here + 1)  # a slot is never cut
        last = int(rows.time.searchsorted(closing * windows.interval))
        if last == len(rows):
            closing = windows.slot_before(WATERMARK_END)
        part = rows.select(slice(first, last))
        result = close_windows([kept, part], closed, closing, windows, known_until)
        yield result.table
        kept, closed, first = result.kept, closing, last
