"""What alerting sends without an alert: heartbeats, weekly test pages, word of a silent job.

A heartbeat goes to somebody outside who misses it (a dead man's switch), so it is sent only while
the job reports progress, if it ever did. Everything is decided by event time, from the log alone.
"""

from padit.alerting.compiled import Policy
from padit.alerting.effects import MessageKind
from padit.alerting.entries import AlertEvent, Entry, Progress
from padit.alerting.matching import next_start
from padit.alerting.state import State
from padit.alerting.step import Step
from padit.domain.timestamps import MICROS

__all__ = ["Duties"]

_HEARTBEAT, _TEST, _SILENT = "heartbeat", "weekly test", "silent job"
# The log has progress only where something was due, so the job is looked for every half of the
# time; the third look in vain comes after at least the whole of it.
_LOOKS = 3
_SIX_DAYS = 6 * 86_400 * MICROS


class Duties:
    """The duties of a configuration.

    Args:
        policy: the configuration, ready.
    """

    kinds = frozenset({_HEARTBEAT, _TEST, _SILENT})

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        config = policy.config
        self._heartbeat, self._test, self._silent = (
            config.heartbeat, config.weekly_test, config.silent_job,
        )  # fmt: skip
        self._hours = None if config.weekly_test is None else config.weekly_test.hours(config)

    def begin(self, step: Step, time: int) -> None:
        """Time is known for the first time."""
        if step.state.began:
            return
        step.state.began = True
        if self._heartbeat is not None:
            step.set_timer(time + self._heartbeat.every, _HEARTBEAT, "")
        if self._hours is not None:
            step.set_timer(next_start(self._hours, time), _TEST, "")

    def heard(self, step: Step, entry: Entry) -> None:
        """The job has reported, by progress or by an alert."""
        state = step.state
        if isinstance(entry, Progress) and not state.reports:
            state.reports = True
            self._look_again(step, entry.time)
        if state.silent_since and isinstance(entry, Progress | AlertEvent):
            state.silent_since = state.missed = 0
            self._send(step, "job_back", entry.time)
            self._look_again(step, entry.time)

    def due(self, step: Step, kind: str, due: int, entry: Entry) -> None:
        """A duty is due; `entry` is what lets time pass: the job, or only the clock."""
        by_job = isinstance(entry, Progress | AlertEvent)
        after = max(due, entry.time)
        if kind == _HEARTBEAT and self._heartbeat is not None:
            if by_job or not step.state.reports:
                self._send(step, "heartbeat", due)
            step.set_timer(after + self._heartbeat.every, _HEARTBEAT, "")
        elif kind == _TEST and self._hours is not None:
            self._send(step, "test", due)
            # Not sooner than in six days, also where the clocks show its minute twice.
            step.set_timer(next_start(self._hours, max(due + _SIX_DAYS, entry.time)), _TEST, "")
        elif kind == _SILENT and self._silent is not None:
            step.state.missed = 0 if by_job else step.state.missed + 1
            if step.state.missed < _LOOKS:
                self._look_again(step, after)
            else:
                step.state.silent_since = due
                self._send(step, "job_silent", due)

    def wants(self, state: State) -> bool:
        """Whether the job's next progress matters although nothing is due."""
        watched = self._silent is not None or self._heartbeat is not None
        return bool(state.silent_since) or (watched and not state.reports)

    def _look_again(self, step: Step, time: int) -> None:
        if self._silent is not None:
            step.set_timer(time + self._silent.after // 2, _SILENT, "")

    def _send(self, step: Step, kind: MessageKind, time: int) -> None:
        setting = {"heartbeat": self._heartbeat, "test": self._test}.get(kind, self._silent)
        if setting is not None:
            step.hand(self._policy.by_name[setting.route], kind, time, [])
