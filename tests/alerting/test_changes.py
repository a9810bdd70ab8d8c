"""The configuration or the store changes while messages wait, and an incident that does not end."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from padit.alerting.compiled import Policy
from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.effects import Handed
from padit.alerting.entries import Entry
from padit.alerting.inputs import input_of
from padit.alerting.policy import AlertingConfig
from padit.alerting.records import Record
from padit.alerting.report import residues
from padit.alerting.sequencer import Alerting
from padit.alerting.service import Service
from padit.alerting.state import dump
from padit.alerting.store.base import Store
from padit.alerting.store.readdressing import readdress
from padit.alerting.store.sqlite import SqliteStore
from padit.alerting.store.unheard import unheard
from padit.cli.main import main
from tests.alerting.making import SIMPLE, at, cloud_event, command, config_of, event, run, tick
from tests.alerting.receiving import Receiving, receiving

_DAY = 24 * 60.0


def _records(first: int, *kinds: str) -> list[Record]:
    lines = [
        cloud_event(event(kind, 10.0 * (first + i), f"a{(first + i) // 2}",
                          source=f"s{(first + i) // 2}", opened=at(10.0 * ((first + i) // 2 * 2))))
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    return [Record("alert", "f", 0, first + i, first + i + 1, line) for i, line in enumerate(lines)]


def _of(url: str, text: str = SIMPLE) -> AlertingConfig:
    return config_of(text.replace("http://127.0.0.1:1/", url))


def _deliver(store: Store, config: AlertingConfig) -> None:
    for receiver in receivers_of(config).values():
        with closing(receiver):
            worker = Worker(receiver, lambda: store)
            while worker.deliver(store):
                pass


def _kinds(got: Receiving) -> list[str]:
    return [str(one["type"]).rsplit(".", 1)[-1] for one in got.events]


def test_an_end_by_a_renamed_route_does_not_overtake_the_beginning_that_waits(
    tmp_path: Path,
) -> None:
    renamed = SIMPLE.replace("name: all", "name: everything")
    with receiving() as got, closing(SqliteStore(tmp_path)) as store:
        Alerting(_of(got.url), store).take(_records(0, "opened"))
        core = Alerting(_of(got.url, renamed), store)
        core.take(_records(1, "resolved"))
        core.finish()
        assert [one.route for one in store.deliveries("pending")] == ["all", "everything"]
        (first, last) = store.deliveries("pending")
        due = store.due("ops", 1e12)
        assert [one.number for one in due] == [first.number]
        store.record(first.number, "delivered", 1, reference="1772.5")
        assert store.reference(last) == "1772.5"
        _deliver(store, _of(got.url, renamed))
        assert _kinds(got) == ["resolved"]
        assert not any(residues(core.state, core.routes).values())


def test_what_another_receiver_called_a_message_is_not_said_to_this_one(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        core = Alerting(config_of(), store)
        core.take(_records(0, "opened"))
        (first,) = store.deliveries("pending")
        store.record(first.number, "delivered", 1, reference="1772.5")
        core.take(_records(1, "resolved"))
        core.finish()
        assert [store.reference(one) for one in store.deliveries("pending")] == ["1772.5"]
        readdress(store, {"all": "desk"}, ["desk"])
        (last,) = store.deliveries("pending")
        assert (last.receiver, store.reference(last)) == ("desk", "")


@pytest.mark.parametrize(
    ("route", "reaches"), [("all", ["opened", "resolved"]), ("other", ["resolved"])]
)
def test_what_waits_for_a_receiver_that_is_gone_follows_its_route_or_is_dead_and_named(
    route: str, reaches: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, alerts, config = tmp_path / "data", tmp_path / "alerts.jsonl", tmp_path / "new.yaml"
    with closing(SqliteStore(data)) as store:
        Alerting(config_of(), store).take(_records(0, "opened"))
    alerts.write_bytes(b"\n".join(one.data for one in _records(0, "opened", "resolved")) + b"\n")
    with receiving() as got:
        config.write_text(
            f"receivers: {{desk: {{kind: webhook, url: '{got.url}'}}}}\n"
            f"routes: [{{name: {route}, receiver: desk}}]\n"
        )
        assert main(["alerting", "--config", str(config), "--alerts", str(alerts),
                     "--data", str(data)]) == 0  # fmt: skip
    assert _kinds(got) == reaches
    capsys.readouterr()
    assert main(["dlq", "list", "--data", str(data)]) == 0
    listed = capsys.readouterr().out
    assert ("neither route all nor receiver ops" in listed) == (route == "other")


_TWO = """
receivers: {desk: {kind: webhook, url: "http://127.0.0.1:9/"},
            pager: {kind: webhook, url: "http://127.0.0.1:9/"}}
routes: [{name: all, receiver: RECEIVER}]
"""


@pytest.mark.parametrize(
    ("name", "changes"), [("desk", False), ("pager", True), ("RECEIVER: none", None)]
)
def test_a_new_configuration_says_which_receivers_know_nothing_of_what_is_open_or_of_its_end(
    name: str, changes: bool | None, tmp_path: Path
) -> None:
    """A page stayed open for ever, and a new receiver was told the end alone; nothing said so."""
    begin, after = _TWO.replace("RECEIVER", "desk"), _TWO.replace("RECEIVER", name)
    if changes is None:
        after = begin.replace("receiver: desk}", "receiver: desk, match: {severity: CRITICAL}}")
    with closing(SqliteStore(tmp_path)) as store:
        core = Alerting(config_of(begin), store)
        core.take(_records(0, "opened"))
        core.save()
        assert not Alerting(config_of(begin), store).changed
        found = Alerting(config_of(after), store)
        assert found.changed is (changes is not False)
        said = list(unheard(store, found.state.incidents.values(), found.leads_to))
        nothing = ("receiver pager was told nothing of 1 open incident (s0 torque_nm), and "
                   "by this configuration it will be told the end alone")  # fmt: skip
        no_end = ("receiver desk was told of 1 open incident (s0 torque_nm), and by this "
                  "configuration it will not be told the end: close it there")  # fmt: skip
        assert said == {False: [], True: [nothing, no_end], None: [no_end]}[changes]
        found.take(_records(1, "resolved"))
        assert list(unheard(store, found.state.incidents.values(), found.leads_to)) == []


def test_a_message_that_is_dead_has_told_a_receiver_nothing(tmp_path: Path) -> None:
    """The receiver counted as told, so nothing said that it will be told the end alone."""
    with closing(SqliteStore(tmp_path)) as store:
        core = Alerting(config_of(), store)
        core.take(_records(0, "opened"))
        incidents = list(core.state.incidents.values())
        assert list(unheard(store, incidents, {"all": "ops"})) == []
        store.execute("UPDATE delivery SET state = 'dead'")
        (said,) = unheard(store, incidents, {"all": "ops"})
        assert said.startswith("receiver ops was told nothing of 1 open incident (s0 torque_nm)")
        (said,) = unheard(store, incidents, {"all": "other"})
        assert "receiver other was told nothing" in said  # nor is there anything to close at ops


def test_alerting_says_so_when_it_starts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, alerts = tmp_path / "data", tmp_path / "alerts.jsonl"
    alerts.write_bytes(_records(0, "opened")[0].data + b"\n")
    with receiving() as got, closing(SqliteStore(data)) as store:
        for name in ("desk", "pager"):
            text = _TWO.replace("http://127.0.0.1:9/", got.url)
            found = config_of(text.replace("RECEIVER", name))
            Service(found, data, store, input_of(str(alerts), None, None)).run(lambda: False)
            assert ("receiver pager was told nothing of 1" in caplog.text) is (name == "pager")


def test_a_look_for_receivers_that_are_gone_costs_no_more_where_many_messages_wait(
    tmp_path: Path,
) -> None:
    """It is done every half a minute. Counted in steps of SQLite, a hundred at a time."""
    steps: list[int] = []
    with closing(SqliteStore(tmp_path)) as store:
        for count in (100, 10_000):
            with store.transaction():
                for number in range(count):
                    store.execute(
                        "INSERT INTO delivery (id, route, receiver, incident, kind, time, message) "
                        "VALUES (?, 'all', ?, '', 'opened', 0, '')",
                        (f"{count}-{number}", ("ops", "desk")[number % 2]),
                    )
            steps.append(0)
            store._connection.set_progress_handler(lambda: _one_more(steps), 100)
            readdress(store, {"all": "ops"}, ["ops", "desk"])
            store._connection.set_progress_handler(None, 0)
        assert steps[1] <= steps[0] + 1
        readdress(store, {"all": "ops"}, ["ops"])
        assert {one.receiver for one in store.deliveries("pending")} == {"ops"}


def _one_more(steps: list[int]) -> None:
    steps[-1] += 1


def test_a_store_of_an_hour_ago_sends_the_same_messages_under_the_same_ids(
    tmp_path: Path,
) -> None:
    """The inputs are read again from where it stands; who drops repeated ids notices nothing."""
    with receiving() as got:
        config = _of(got.url)
        with closing(SqliteStore(tmp_path / "now")) as store:
            Alerting(config, store).take(_records(0, "opened", "resolved", "opened"))
            _deliver(store, config)
        shutil.copytree(tmp_path / "now", tmp_path / "backup")
        later = _records(3, "resolved", "opened", "resolved")
        ids: list[list[object]] = []
        for folder in ("now", "backup"):
            before = len(got.events)
            with closing(SqliteStore(tmp_path / folder)) as store:
                core = Alerting(config, store)
                assert store.positions() == {("f", 0): 3}
                for record in later:  # cut otherwise than before, and with more ticks
                    core.take([record])
                    if folder == "backup":
                        core.tick(core.state.now)
                core.finish()
                _deliver(store, config)
                assert not any(residues(core.state, core.routes).values())
            ids.append([one["id"] for one in got.events[before:]])
    assert ids[0] == ids[1]
    assert len(set(map(str, ids[0]))) == 3


def test_an_incident_that_is_open_for_a_year_is_reminded_of_once_and_keeps_its_size() -> None:
    """Acknowledged on the first day; another series of the source comes and goes each day."""
    text = SIMPLE + "acknowledged_for: 30d\n"
    sizes: dict[int, int] = {}
    log: list[Entry] = [event("opened", 0), command("acknowledge", 5)]
    for day in range(1, 366):
        at_day = day * _DAY
        log += [event("opened", at_day, f"b{day}", metric="rpm"),
                event("resolved", at_day + 30, f"b{day}", metric="rpm", opened=at(at_day)),
                tick(at_day + 600)]  # fmt: skip
        if day in (100, 365):
            sizes[day] = len(dump(run(log, _policy(text))[0]))
    log += [event("resolved", 366 * _DAY, opened=at(0)), tick(366 * _DAY + 60)]
    state, effects = run(log, _policy(text))
    kinds = [one.kind for one in effects if isinstance(one, Handed) and _about(one, "torque_nm")]
    assert kinds == ["opened", "acknowledged", "reminder", "resolved"]
    assert sizes[365] < sizes[100] + 20_000  # ids of what has ended, of which eight are kept
    assert not state.incidents or not any(one.firing for one in state.incidents.values())


def _policy(text: str) -> Policy:
    return Policy(config_of(text))


def _about(one: Handed, metric: str) -> bool:
    return one.view is not None and metric in {each.metric_name for each in one.view.members}
