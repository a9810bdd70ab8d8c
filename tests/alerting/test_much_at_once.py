"""Very much that is due at one moment happens in several transactions: nobody waits long.

While a transaction lasts, other writers of an SQLite store wait, and no command is taken.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from padit.alerting import engine, people, sequencer
from padit.alerting.effects import Effect
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.state import dump
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.errors import SinkError
from padit.domain.timestamps import format_utc
from tests.alerting import test_many_ends as many
from tests.alerting.making import at, cloud_event, config_of, event

_MOST = 300
_WAYS = many.WAYS
_MODULES = (engine, people, sequencer)


def _set_most(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """How much may happen in one transaction."""
    for module in _MODULES:
        monkeypatch.setattr(module, "MOST", most)


class Counted(SqliteStore):
    """Counts what each transaction adds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sizes: list[int] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.sizes.append(0)
        with super().transaction():
            yield

    def add(self, effects: Any) -> None:
        self.sizes[-1] += len(effects)
        super().add(effects)


def _to_the_end(core: Alerting, way: Callable[[Alerting], list[Effect]]) -> None:
    way(core)
    while (due := core.next_due()) is not None and due <= at(20):
        core.tick(at(20))


def _content(store: SqliteStore) -> dict[str, list[Any]]:
    """Messages and outcomes, whatever their order."""
    wanted = {"outcome": "transition, route, reason, detail, time",
              "delivery": "route, incident, kind, time", "position": "*"}  # fmt: skip
    return {
        table: sorted(store.execute(f"SELECT {columns} FROM {table}").fetchall())  # noqa: S608
        for table, columns in wanted.items()
    }


@pytest.mark.parametrize("way", _WAYS)
def test_much_at_once_makes_the_same_in_short_transactions_and_again_from_the_log(
    way: Callable[[Alerting], list[Effect]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for most in (10**9, _MOST):
        _set_most(monkeypatch, most)
        monkeypatch.setattr(engine, "PIECE", 100)
        monkeypatch.setattr(many, "_numbers", itertools.count())
        store = Counted(tmp_path / str(most))
        core = Alerting(config_of(many.CONFIG), store)
        _to_the_end(core, way)
        found.append((_content(store), core.state.counts))
        if most == _MOST:
            late = (
                store.sizes[1:] if way is many.by_command else store.sizes[-many.MANY // _MOST :]
            )  # of what is due; records are taken as read
            assert 0 < max(late) <= 3 * _MOST
            again = Alerting(config_of(many.CONFIG), store)
            assert dump(again.state) == dump(core.state)
        store.close()
    assert found[0] == found[1]


def test_a_command_is_taken_between_the_parts_and_the_log_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_most(monkeypatch, _MOST)
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(many.CONFIG), store)
    core.take(many.alerts("opened", "resolved"))
    core.tick(at(10))
    ended = _ended(store)
    assert 0 < ended <= _MOST
    one = {"id": "c", "time": format_utc(at(2)), "by": "ann", "kind": "silence", "note": "n",
           "until": format_utc(at(60)), "target": {"source": "s1"}}  # fmt: skip
    core.take([Record("command", "c", 0, 0, 1, msgspec.json.encode(one))])
    assert len(core.state.silences) == 1
    assert _ended(store) == ended
    core.finish()
    assert _ended(store) == many.MANY
    assert dump(Alerting(config_of(many.CONFIG), store).state) == dump(core.state)
    store.close()


def test_a_command_that_ended_in_the_middle_goes_on_where_it_was_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1,200 that somebody resolves 600 are over when the store is gone, and the process dies."""
    _set_most(monkeypatch, _MOST)
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(many.CONFIG), store)
    asked, let_pass = [0], core._let_pass

    def gone(entry: Any) -> None:
        asked[0] += 1
        if asked[0] == 2:
            message = "it is gone"
            raise SinkError(message)
        let_pass(entry)

    monkeypatch.setattr(core, "_let_pass", gone)
    with pytest.raises(SinkError):
        many.by_command(core)
    assert _ended(store) == 2 * _MOST
    again = Alerting(config_of(many.CONFIG), store)
    behind = [again.behind]
    assert again.next_due() == again.state.now
    late = cloud_event(event("opened", 1, "late", source="late", opened=at(1)))
    again.take([many.record("alert", late)])
    assert [*behind, again.behind] == [True, False]
    assert _ended(store) == many.MANY
    kinds = [kind for (kind,) in store.execute("SELECT kind FROM delivery ORDER BY number")]
    assert kinds == ["opened"] * many.MANY + ["resolved"] * many.MANY + ["opened"]
    assert dump(Alerting(config_of(many.CONFIG), store).state) == dump(again.state)
    store.close()


def _ended(store: SqliteStore) -> int:
    (row,) = store.execute("SELECT count(*) FROM delivery WHERE kind = 'resolved'").fetchall()
    count: int = row[0]
    return count


def test_records_that_were_taken_before_a_failure_change_nothing_when_they_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    for fails in (False, True):
        monkeypatch.undo()
        _set_most(monkeypatch, _MOST)
        monkeypatch.setattr(many, "_numbers", itertools.count())
        store = SqliteStore(tmp_path / str(fails))
        core = Alerting(config_of(many.CONFIG), store)
        core.take(many.alerts("opened", "resolved"))
        records = [many.record("alert", cloud_event(event(
            "opened", 10, name, source=name, opened=at(10)))) for name in ("x", "y")]  # fmt: skip
        if fails:
            asked = [0]
            execute = store.execute

            def away(statement: str, values: Any = (), asked: list[int] = asked,
                     execute: Any = execute) -> Any:  # fmt: skip
                asked[0] += statement.startswith("INSERT INTO log")
                if asked[0] == 3:
                    asked[0] += 1
                    message = "it is gone"
                    raise SinkError(message)
                return execute(statement, values)

            monkeypatch.setattr(store, "execute", away)
            with pytest.raises(SinkError):
                core.take(records)
        core.take(records)
        core.take(records)
        contents.append(_content(store))
        store.close()
    assert contents[0] == contents[1]
