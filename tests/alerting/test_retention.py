"""What is older than `keep` goes; accounts stay whole, and nothing that is open is forgotten."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from padit.alerting.entries import AlertEvent, Entry
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.store.attempts import attempted
from padit.alerting.store.base import Store
from padit.alerting.store.opening import open_store
from padit.alerting.store.retention import horizon_of
from padit.cli.main import main
from padit.domain.timestamps import MICROS, format_utc
from tests.alerting.making import SIMPLE, at, cloud_event, config_of, event, tick

DAY = 1440
OTHER = SIMPLE + "silences: [{id: s, match: {source: nowhere}, start: 2026-01-01, end: 2026-01-02}]"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of each kind."""
    place: str | Path = tmp_path
    if request.param == "postgresql":
        from tests.alerting.conftest import address_in

        place = address_in(request.getfixturevalue("server"))
    made = open_store(place)
    yield made
    made.close()


def _record(number: int, one: Entry) -> Record:
    assert isinstance(one, AlertEvent)
    return Record("alert", "alerts", 0, number, number + 1, cloud_event(one))


def _days(count: int, first: int = 0) -> list[Record]:
    """An alert a day that lasts an hour."""
    found = []
    for day in range(first, first + count):
        name = f"d{day}"
        opened = at(day * DAY)
        found.append(event("opened", day * DAY, name, source=name))
        found.append(event("resolved", day * DAY + 60, name, source=name, opened=opened))
    return [_record(number, one) for number, one in enumerate(found, 2 * first)]


def _deliver(store: Store) -> None:
    with store.transaction():
        for one in store.deliveries("pending"):
            attempted(store, one.number, one.time, "delivered", "")
            store.record(one.number, "delivered", 1)


def _entries(store: Store) -> int:
    return sum(1 for _ in store.entries())


def test_old_entries_go_and_the_account_stays_whole(store: Store) -> None:
    core = Alerting(config_of(), store)
    core.take(_days(200))
    _deliver(store)
    before = store.counts()
    core.save()
    assert core.forget() > 0
    assert core.forget() == 0
    horizon = horizon_of(store)
    assert horizon is not None
    assert horizon.time == core.state.now - 90 * DAY * 60 * MICROS
    assert horizon.dropped + _entries(store) == 400
    assert 180 <= _entries(store) <= 184
    assert store.counts() == before
    assert len(store.deliveries()) < 190
    tried = store.execute("SELECT number FROM attempt ORDER BY n").fetchall()
    assert [number for (number,) in tried] == [one.number for one in store.deliveries()]


@pytest.mark.parametrize("text", [SIMPLE, OTHER])
def test_a_restart_after_it_goes_on_as_if_nothing_had_gone(store: Store, text: str) -> None:
    """Also under another configuration, for which the state is computed again from the log."""
    core = Alerting(config_of(), store)
    core.take([*_days(150), _record(1000, event("opened", 150 * DAY, "open", source="open"))])
    core.save()
    assert core.forget() > 0
    whole = core.state
    again = Alerting(config_of(text), store)
    assert again.state.alerts == whole.alerts
    assert {name: one.told["all"].state for name, one in again.state.incidents.items()} == {
        name: one.told["all"].state for name, one in whole.incidents.items()
    }
    sent = again.take(
        [_record(1001, event("resolved", 150 * DAY + 9, "open", source="open",
                             opened=at(150 * DAY)))]
    ) + again.tick(at(151 * DAY))  # fmt: skip
    assert [getattr(one, "kind", "") for one in sent if hasattr(one, "view")] == ["resolved"]


def test_what_is_open_is_kept_with_all_that_came_after_it(store: Store) -> None:
    core = Alerting(config_of(), store)
    core.take([_record(0, event("opened", 0, "old", source="old"))])
    core.take(_days(200, first=1))
    core.save()
    assert core.forget() == 0
    core.take([_record(9999, event("resolved", 201 * DAY, "old", source="old", opened=at(0)))])
    core.tick(at(202 * DAY))
    core.save()
    assert core.forget() > 0


def test_a_record_of_before_the_log_is_refused_with_its_reason(store: Store) -> None:
    """It may have been taken before; a second message about last year would be wrong."""
    core = Alerting(config_of(), store)
    core.take(_days(200))
    core.save()
    core.forget()
    assert core.take(_days(5)) == []
    assert {one.split(", ", 1)[1] for one in store.refused()} == {
        "where the log begins (`keep`)"
    }  # fmt: skip
    assert len(store.refused()) == 10


def test_the_last_entry_stays_so_that_numbers_go_on(store: Store) -> None:
    core = Alerting(config_of(), store)
    core.take(_days(3))
    core.take([_record(6, event("opened", 300 * DAY, "z", source="z"))])
    number = store.last_number()
    core.save()
    core.forget()
    core.tick(tick(600 * DAY).time)
    assert store.last_number() >= number


def test_whatif_says_from_when_on_it_can_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(tmp_path / "data")
    core = Alerting(config_of(), store)
    core.take(_days(200))
    core.save()
    core.forget()
    begins = format_utc(core.state.now - 90 * DAY * 60 * MICROS)
    store.close()
    (tmp_path / "c.yaml").write_text(SIMPLE)
    options = ["--config", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "data")]
    assert main(["whatif", *options]) == 0
    assert f"begins at {begins} (`keep`)" in capsys.readouterr().out
    assert main(["whatif", *options, "--since", "10d"]) == 0
    assert "(`keep`)" not in capsys.readouterr().out


def test_keep_is_at_least_a_day() -> None:
    with pytest.raises(ValueError, match="keep"):
        config_of(SIMPLE + "keep: 1h")
