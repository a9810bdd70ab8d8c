"""Many things that happen at once, as 100,000 ends: written piece by piece, in one transaction.

PostgreSQL ends a session that says nothing for 7 s in the middle of a transaction.
"""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from padit.alerting import step
from padit.alerting.effects import Effect
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.state import dump
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.audit import JobProgress, RunStarted, encode_record
from padit.domain.errors import SinkError
from padit.domain.timestamps import format_utc
from tests.alerting.making import SIMPLE, at, cloud_event, config_of, event

MANY = 1_200
CONFIG = SIMPLE + "inhibit: [{name: i, cause: {metric: power}, effect: {metric: torque_nm}}]\n"
_numbers = itertools.count()


def record(kind: str, data: bytes) -> Record:
    number = next(_numbers)
    return Record(kind, "f", 0, number, number + 1, data)


def alerts(*kinds: str) -> list[Record]:
    """So many alerts of as many sources, all at one moment."""
    return [
        record("alert", cloud_event(event(kind, minute, f"a{i}", source=f"s{i}", opened=at(0))))
        for minute, kind in enumerate(kinds)
        for i in range(MANY)
    ]


def by_tick(core: Alerting) -> list[Effect]:
    core.take(alerts("opened", "resolved"))
    return core.tick(at(10))


def by_progress(core: Alerting) -> list[Effect]:
    core.take(alerts("opened", "resolved"))
    return core.take([record("audit", encode_record(JobProgress(at(10), "r", "s", 0, 1)))])


def by_another_alert(core: Alerting) -> list[Effect]:
    core.take(alerts("opened", "resolved"))
    late = cloud_event(event("opened", 10, "late", source="late", opened=at(10)))
    return core.take([record("alert", late)])


def by_a_lost_run(core: Alerting) -> list[Effect]:
    core.take(alerts("opened"))
    began = RunStarted("next", "shape", "s", True, {}, "1", moment=format_utc(at(1)))
    core.take([record("audit", encode_record(began))])
    return core.tick(at(20))


def by_command(core: Alerting) -> list[Effect]:
    core.take(alerts("opened"))
    one = {"id": "c", "time": format_utc(at(0)), "by": "ann", "kind": "resolve",
           "target": {"source": "*"}}  # fmt: skip
    return core.take([record("command", msgspec.json.encode(one))])


def by_a_command_that_waited(core: Alerting) -> list[Effect]:
    core.take(alerts("opened"))
    one = {"id": "c", "time": format_utc(at(2)), "by": "ann", "kind": "resolve",
           "target": {"source": "*"}}  # fmt: skip
    core.take([record("command", msgspec.json.encode(one))])
    return core.tick(at(10))


def _with_a_cause(core: Alerting) -> None:
    core.take([_power("opened", 0)])
    core.take(alerts("opened"))


def _power(kind: str, minute: float) -> Record:
    one = event(kind, minute, "cause", metric="power", source="grid", opened=at(0))
    return record("alert", cloud_event(one))


def by_the_end_of_a_cause(core: Alerting) -> list[Effect]:
    _with_a_cause(core)
    return core.take([_power("resolved", 1)])


def by_the_end_of_a_cause_by_hand(core: Alerting) -> list[Effect]:
    _with_a_cause(core)
    one = {"id": "c", "time": format_utc(at(0)), "by": "ann", "kind": "resolve",
           "target": {"source": "grid"}}  # fmt: skip
    return core.take([record("command", msgspec.json.encode(one))])


WAYS = [
    by_tick, by_progress, by_another_alert, by_a_lost_run, by_command, by_a_command_that_waited,
    by_the_end_of_a_cause, by_the_end_of_a_cause_by_hand,
]  # fmt: skip


def rows(store: SqliteStore) -> dict[str, list[Any]]:
    """All that is written."""
    return {
        table: store.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
        for table in ("log", "outcome", "delivery", "command_result", "position")
    }


@pytest.mark.parametrize("way", WAYS)
def test_many_ends_at_once_are_written_piece_by_piece_with_the_same_bytes(
    way: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for piece in (10**9, 100):
        monkeypatch.setattr(step, "PIECE", piece)
        globals()["_numbers"] = itertools.count()
        store = SqliteStore(tmp_path / str(piece))
        core = Alerting(config_of(CONFIG), store)
        silent: list[int] = []  # things done since the last statement
        done = [0]
        part, execute = step.Step.part, store.execute

        def counted(one: step.Step, part: Any = part, done: list[int] = done) -> None:
            done[0] += 1
            part(one)

        def said(*what: Any, execute: Any = execute, done: list[int] = done,
                 silent: list[int] = silent) -> Any:  # fmt: skip
            silent.append(done[0])
            done[0] = 0
            return execute(*what)

        monkeypatch.setattr(step.Step, "part", counted)
        monkeypatch.setattr(store, "execute", said)
        effects = way(core)
        monkeypatch.setattr(step.Step, "part", part)
        silent.append(done[0])
        assert max(silent) >= MANY if piece > MANY else max(silent) <= piece
        found.append((effects, rows(store), dump(core.state)))
        store.close()
    assert len(found[0][0]) >= MANY
    assert found[0] == found[1]


def test_a_store_that_goes_away_between_two_pieces_has_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "PIECE", 100)
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(CONFIG), store)
    core.take(alerts("opened", "resolved"))
    before, execute, asked = rows(store), store.execute, [0]

    def away(statement: str, values: Any = ()) -> Any:
        asked[0] += statement == "SELECT 1"
        if asked[0] == 3:
            message = "it is gone"
            raise SinkError(message)
        return execute(statement, values)

    monkeypatch.setattr(store, "execute", away)
    with pytest.raises(SinkError):
        core.tick(at(10))
    monkeypatch.setattr(store, "execute", execute)
    assert rows(store) == before
    again = core.tick(at(10))
    written = {one[0] for one in store.execute("SELECT id FROM delivery WHERE kind = 'resolved'")}
    assert len(written) == MANY
    assert len(again) == 2 * MANY
    store.close()
