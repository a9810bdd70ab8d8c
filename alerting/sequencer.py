"""The sequencer: numbers every input, appends it to the log, and only then applies it.

`Alerting` is the whole core without threads, network or clock: bytes in, effects in the store. It
continues where its store ends. Under another configuration the state is computed again from the
log, and no message is sent again.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

from padit.alerting.compiled import Policy
from padit.alerting.effects import Effect
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Entry, Progress, RunBegan, Tick, command_of, event_of
from padit.alerting.policy import AlertingConfig
from padit.alerting.state import State, dump, load
from padit.alerting.store.sqlite import LogRow, SqliteStore
from padit.domain.audit import RunStarted, decode_record
from padit.domain.errors import WireFormatError
from padit.domain.timestamps import parse_timestamp

__all__ = ["Alerting", "Record", "entry_of", "rank_of"]


class Record(NamedTuple):
    """Bytes of an input.

    Attributes:
        kind: `alert`, `command` or `audit`.
        place: topic or file.
        partition: of the topic; 0 of a file.
        number: of the record in there: line or offset.
        following: where reading goes on behind it.
        data: the bytes.
    """

    kind: str
    place: str
    partition: int
    number: int
    following: int
    data: bytes


def entry_of(kind: str, data: bytes) -> tuple[str | None, Entry] | None:
    """Identity and entry from bytes; None for a record of the audit log that is no entry.

    Raises:
        WireFormatError: it is none.
    """
    if kind == "alert":
        event = event_of(data)
        return event.id, event
    if kind == "command":
        command = command_of(data)
        return command.id, command
    if kind == "tick":
        return None, Tick(int(data))
    try:
        record = decode_record(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"it is no record of an audit log: {error}"
        raise WireFormatError(message) from error
    if isinstance(record, RunStarted):
        began = record.live_from
        if began is None and record.moment:
            began = parse_timestamp(record.moment)
        return None if began is None else (record.run, RunBegan(began, record.run))
    return None


def rank_of(identity: str | None, entry: Entry) -> tuple[int, bool, str]:
    """The place of an entry in a log that is built from inputs: event time, then id."""
    return entry.time, isinstance(entry, AlertEvent), identity or ""


class Alerting:
    """Alerting over a store.

    Args:
        config: what to do with alerts.
        store: where it stands.
    """

    def __init__(self, config: AlertingConfig, store: SqliteStore) -> None:
        self._store = store
        policy = Policy(config)
        self._engine = Engine(policy)
        self._memory = policy.memory
        self._digest = sha256(config.model_dump_json().encode()).hexdigest()
        self.state = self._restore()

    def take(self, records: Sequence[Record]) -> list[Effect]:
        """Append inputs to the log and apply them, in one transaction; what is new in effects.

        Raises:
            SinkError: the store cannot be written; nothing of this has happened then.
        """
        effects: list[Effect] = []
        try:
            with self._store.transaction():
                for record in records:
                    effects += self._take(record)
                    self._store.move(record.place, record.partition, record.following)
                self._store.add(effects)
        except BaseException:
            self.state = self._restore()
            raise
        return effects

    def tick(self, time: int) -> list[Effect]:
        """Let time pass up to an event time, if something is due by then."""
        due = self._engine.next_due(self.state)
        if due is None or due > time:
            return []
        with self._store.transaction():
            self._store.append("tick", None, time, str(time).encode())
            effects = self._engine.apply(self.state, Tick(time))
            self._store.add(effects)
        return effects

    def finish(self) -> list[Effect]:
        """The input has ended: everything that only waits for time happens."""
        return self.tick(self.state.now + self._memory)

    def save(self) -> None:
        """Keep the state, so that the next start is quick."""
        with self._store.transaction():
            self._store.save_snapshot(self._store.last_number(), self._digest, dump(self.state))

    def next_due(self) -> int | None:
        """Event time at which something happens without an input; None: nothing does."""
        return self._engine.next_due(self.state)

    def _take(self, record: Record) -> list[Effect]:
        try:
            found = entry_of(record.kind, record.data)
        except WireFormatError as error:
            self._store.refuse(
                record.place, record.partition, record.number, str(error), record.data
            )
            return []
        if found is None:
            return []
        identity, entry = found
        number = self._store.append(record.kind, identity, entry.time, record.data)
        return [] if number is None else self._engine.apply(self.state, entry)

    def _restore(self) -> State:
        saved = self._store.snapshot()
        if saved is not None and saved[1] == self._digest:
            after, state = saved[0], load(saved[2])
        else:
            after, state = 0, State()
        for row in self._store.entries(after):
            self._engine.apply(state, _entry(row))
        return state


def _entry(row: LogRow) -> Entry:
    found = entry_of(row.kind, row.payload)
    if found is None:  # it was an entry when it was appended
        return Progress(row.time)
    return found[1]
