"""The sequencer: numbers every input, appends it to the log, and only then applies it.

`Alerting` is the whole core without threads, network or clock: bytes in, effects in the store. It
continues where its store ends. Under another configuration the state is computed again from the
log, and no message is sent again.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

import msgspec

from padit.alerting.compiled import Policy
from padit.alerting.dating import Dating, Moment
from padit.alerting.effects import Effect
from padit.alerting.engine import Engine
from padit.alerting.entries import (
    AlertEvent,
    Command,
    Entry,
    Progress,
    RunBegan,
    Tick,
    command_of,
)
from padit.alerting.job_progress import Reports
from padit.alerting.notifiers.base import secret
from padit.alerting.policy import AlertingConfig
from padit.alerting.records import Record, audit_record, entry_of, logged
from padit.alerting.signing import check
from padit.alerting.state import State, dump, load
from padit.alerting.step import MOST
from padit.alerting.store.base import LogRow, Store
from padit.alerting.store.retention import cut_of, forget, horizon_of
from padit.domain.audit import JobProgress
from padit.domain.errors import StateError, WireFormatError
from padit.domain.timestamps import format_utc

__all__ = ["Alerting", "digest_of_config"]

_LOG = logging.getLogger(__name__)


def digest_of_config(config: AlertingConfig) -> str:
    """Of the configuration that a saved state belongs to; it stands beside the state."""
    return sha256(config.model_dump_json().encode()).hexdigest()


class Alerting:
    """Alerting over a store.

    Args:
        config: what to do with alerts.
        store: where it stands.

    Attributes:
        state: of the engine.
        reports: records of the job's progress that this process took.
        dating: checks times.
        changed: whether the saved state was one of another configuration.
    """

    def __init__(self, config: AlertingConfig, store: Store) -> None:
        self._store = store
        self._key = secret(config.command_key).encode() if config.command_key else b""
        self.reports = 0
        self.state = State()
        self._stale = False
        self.changed = False
        self._made: list[Effect] = []
        self._added: list[Effect] = []
        policy = Policy(config)
        self._engine = Engine(policy)
        self._memory = policy.memory
        self._delay = config.merge_delay
        self.dating = Dating(config.max_ahead, max(config.keep, 2 * policy.memory))
        self._digest = digest_of_config(config)
        self._horizon = horizon_of(store)
        self._restore()

    def take(self, records: Sequence[Record]) -> list[Effect]:
        """Append inputs to the log and apply them, in one transaction; what is new in effects.

        Where very much is due before one of them, that happens first, in transactions of its own,
        and so does what is left of a command about very many alerts.

        Raises:
            SinkError: the store cannot be written. What is not written of this has not happened;
                to take all of it once more changes nothing about the rest.
        """
        found: list[Effect] = []
        taken = 0
        while taken < len(records) or self.behind:
            with self._writing():
                if self.behind:
                    self._let_pass(Tick(self.state.now, MOST))
                else:
                    taken = self._take_some(records, taken)
                found += self._add()
        return found

    @property
    def behind(self) -> bool:
        """Whether something is left of a command: `take` does it before any record."""
        return self.state.rest is not None

    def _take_some(self, records: Sequence[Record], begin: int) -> int:
        """Take records up to one before or behind which very much happens; how far that is."""
        for number in range(begin, len(records)):
            record = records[number]
            made = self._take(record)  # some of it may be written by then
            if made is None:
                return number
            self._made += made
            self._store.move(record.place, record.partition, record.following)
            if self.behind:
                return number + 1
        return len(records)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction; if it fails the state is restored before the next one begins."""
        if self._stale:
            self._restore()
        self._stale = True
        self._made, self._added = [], []
        with self._store.transaction():
            yield
        self._stale = False

    def tick(self, time: int) -> list[Effect]:
        """Let time pass up to an event time, if something is due by then; of very much some of it.

        Raises:
            SinkError: as `take`.
        """
        due = self._engine.next_due(self.state)
        if due is None or due > time:
            return []
        with self._writing():
            if not self._happened(time):
                self._let_pass(Tick(time))
            return self._add()

    def _happened(self, time: int) -> bool:
        """Whether very much is due by an event time; some of it happens then."""
        much = self._engine.much_due(self.state, time)
        if much:
            self._let_pass(Tick(time, MOST))
        return much

    def _let_pass(self, tick: Tick) -> None:
        payload = f"{tick.time} {tick.most}" if tick.most else str(tick.time)
        self._store.append("tick", None, tick.time, payload.encode())
        made = self._apply(tick)
        self._made += made

    def _apply(self, entry: Entry) -> list[Effect]:
        return self._engine.apply(self.state, entry, self._hand_over)

    def _hand_over(self, effects: list[Effect]) -> None:
        """Write some of the effects of an entry of many; a store ends a session that is silent."""
        self._made += effects
        self._add()
        self._store.execute("SELECT 1")

    def _add(self) -> list[Effect]:
        """Write what is not written yet; all effects of this transaction."""
        self._store.add(self._made)
        self._added += self._made
        self._made = []
        return self._added

    @property
    def routes(self) -> Iterable[str]:
        """Names of the routes."""
        return self._engine.policy.by_name

    @property
    def leads_to(self) -> dict[str, str]:
        """Names of the receivers by route."""
        return {name: one.receiver for name, one in self._engine.policy.by_name.items()}

    @property
    def job_time(self) -> int | None:
        """Event time to which the job has come, microseconds; None: it has not reported."""
        return self._reports.reached

    def finish(self) -> list[Effect]:
        """The input has ended: everything that only waits for time happens."""
        found: list[Effect] = []
        end = self.state.now + self._memory
        while (due := self.next_due()) is not None and due <= end:
            found += self.tick(end)
        return found

    def save(self) -> None:
        """Keep the state, so that the next start is quick.

        Raises:
            SinkError: as `take`.
        """
        if self._stale:
            self._restore()
        state = dump(self.state)  # before the transaction, which a long one would keep open
        with self._writing():
            self._store.save_snapshot(self._store.last_number(), self._digest, state)

    def forget(self) -> int:
        """Drop some of what is older than `keep`, once the state was saved; how much of the log.

        Raises:
            SinkError: as `take`.
        """
        policy = self._engine.policy
        cut = cut_of(self.state, max(policy.config.keep, 2 * self._memory))
        needed = [*self.state.held, *self.state.silences]
        with self._writing():
            gone = forget(self._store, cut, needed, self.state.seen)
            self._horizon = horizon_of(self._store)
        return gone

    def next_due(self) -> int | None:
        """Event time at which something happens without an input; None: nothing does."""
        return self._engine.next_due(self.state)

    def _take(self, record: Record) -> list[Effect] | None:
        """What follows from a record; None: very much is due before, of which some happened."""
        at = Moment(record.written, self.state.seen)
        try:
            if record.kind == "audit":
                told = audit_record(record.data)
                if isinstance(told, JobProgress):
                    return self._report(told, at)
            found = self._entry_of(record, at)
        except WireFormatError as error:
            self._store.refuse(
                record.place, record.partition, record.number, str(error), record.data
            )
            return []
        if found is None:
            return []
        identity, entry, data = found
        if not self._time_for(entry):
            return None
        number = self._store.append(record.kind, identity, entry.time, data)
        if number is None:
            return []
        if isinstance(entry, RunBegan):
            self._store.forget_reported()
            self._reports.begin()
        return self._apply(entry)

    def _time_for(self, entry: Entry) -> bool:
        """Whether it is an entry's turn; else very much is due before, of which some happened.

        Before a command of a time to which the job has come time passes: nothing may have been due
        since, so that the log has not that progress, and the command would wait for the next.
        """
        if not isinstance(entry, Command):
            return isinstance(entry, RunBegan) or not self._happened(entry.time)
        reached = self._reports.reached
        if reached is None or not self.state.now < entry.time <= reached:
            return True
        if self._happened(reached):
            return False
        self._progress(Progress(reached, *self._reports.latest))
        return True

    def _progress(self, entry: Progress) -> None:
        self._store.append("progress", None, entry.time, msgspec.json.encode(entry))
        made = self._apply(entry)
        self._made += made

    def _now(self, written: int) -> int:
        """Event time by the job, by what was taken, or by when a record was written."""
        reached = self._reports.reached
        return max(self.state.now, written - self._delay if reached is None else reached)

    def _entry_of(self, record: Record, at: Moment) -> tuple[str | None, Entry, bytes] | None:
        """As `entry_of`, of what may be taken, with the bytes for the log."""
        if record.kind == "command" and self._key:
            check(record.data, self._key)
        found = entry_of(record.kind, record.data)
        if found is None:
            return None
        identity, entry = found
        self._check_age(entry)
        self.dating.check(entry, at)
        now = self._now(at.written)
        if self.dating.behind(entry, at, now):
            data = self.dating.of_now(record.data, now)
            return identity, command_of(data), data
        if isinstance(entry, AlertEvent | RunBegan) and self.dating.too_far(entry, at):
            data = self.dating.dated_back(record.data, entry, at, now)
            again = entry_of(record.kind, data)
            return (identity, entry if again is None else again[1], data)
        return identity, entry, record.data

    def _check_age(self, entry: Entry) -> None:
        """What is older than the log may have been taken before; the log no longer knows.

        What came after the latest alert was not, also where a clock that leapt had cut the log;
        where that alert is not known any more, the log's beginning decides.
        """
        horizon = self._horizon
        if horizon is None or entry.time >= horizon.time:
            return
        seen = self.state.seen
        if isinstance(entry, RunBegan) or not seen or entry.time <= seen:
            message = f"it is of before {format_utc(horizon.time)}, where the log begins (`keep`)"
            raise WireFormatError(message)

    def _report(self, record: JobProgress, at: Moment) -> list[Effect] | None:
        """The job has come further; an entry of the log only where something was due by then.

        So a quiet job does not fill the log, and the entry makes the same difference as before.
        """
        if self.dating.too_far(Progress(record.watermark), at):
            return []
        self.dating.check(Progress(record.watermark), at)
        row, other = self._reports.take(record)
        if other:
            self._store.forget_reported()
        self._store.report(row)
        time = self._reports.reached
        if time is not None and self._happened(time):
            return None
        self.reports += 1
        if time is None:
            return []
        entry = Progress(time, record.run, record.shape)
        if self._engine.heeds(self.state, entry):
            self._progress(entry)
        return []

    def _restore(self) -> None:
        after, state = self._saved()
        for row in self._store.entries(after):
            self._engine.apply(state, _entry(row))
        self._reports = Reports(self._store.reported())
        self.state, self._stale = state, False

    def _saved(self) -> tuple[int, State]:
        """The saved state and its entry; a new one if there is none that this code can use."""
        saved = self._store.snapshot()
        self.changed = saved is not None and saved[1] != self._digest
        if saved is not None and saved[1] == self._digest:
            try:
                return saved[0], load(saved[2])
            except StateError as error:
                _LOG.warning("%s", error)
        return 0, State()


def _entry(row: LogRow) -> Entry:
    found = logged(row.n, row.kind, row.payload)
    return Progress(row.time) if found is None else found  # it was an entry when it was appended
