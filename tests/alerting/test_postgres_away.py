"""The database or the broker goes away: results wait, nothing is sent twice, the lead stays."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from padit.alerting import inputs, service
from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.inputs import TopicInput
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.service import Service
from padit.alerting.store.opening import open_store
from padit.connectors.uris import parse_address
from padit.domain.errors import SinkError, SourceError
from tests.alerting.making import SIMPLE, cloud_event, config_of, event
from tests.alerting.receiving import Answer, receiving
from tests.limits import allowed
from tests.postgres import start_postgres


def test_a_database_that_dies_under_a_delivery_gets_its_result_when_it_is_back(
    tmp_path: Path,
) -> None:
    own = start_postgres(tmp_path / "own")
    try:
        own.database("padit")
        address = own.uri().replace("//", "//padit@")
        store, beside = open_store(address), open_store(address, leading=False)
        with receiving() as got:
            config = config_of(SIMPLE.replace("http://127.0.0.1:1/", got.url))
            lines = [cloud_event(event("opened", i, f"a{i}", source=f"s{i}")) for i in range(3)]
            core = Alerting(config, store)
            core.take([Record("alert", "f", 0, i, i + 1, line) for i, line in enumerate(lines)])

            def dies(number: int) -> Answer:
                if not number:
                    own.kill()
                return Answer()

            got.answer = dies
            worker = Worker(receivers_of(config)["ops"], lambda: beside,
                            leads=lambda other: other.led_by(store.session))  # fmt: skip
            for _ in range(2):
                with pytest.raises(SinkError, match="cannot be used"):
                    worker.deliver(beside)
            assert len(got.requests) == 1
            own.restart()
            worker.deliver(beside)  # the result; and nothing more, while nobody leads
            assert len(got.requests) == 1
            with pytest.raises(SinkError):
                store.waiting()  # the broken connection; the next one takes the lead again
            assert store.waiting() == 2
            worker.deliver(beside)
            assert len(got.requests) == len({str(one["id"]) for one in got.events}) == 3
        assert store.counts()["all"] == {"handed": 3, "message delivered": 3}
        beside.close()
        store.close()
    finally:
        own.stop()


def test_who_leads_keeps_the_lead_while_the_broker_is_away_and_so_does_who_takes_over_then(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A look for its topics took longer than the leader may be silent, so two swapped the lead."""
    monkeypatch.setattr(inputs, "_ASK_SECONDS", 0.2)
    monkeypatch.setattr(inputs, "_LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(service, "_MOST_SILENT_SECONDS", 5)
    store, beside = open_store(address), open_store(address, leading=False)
    with store.transaction():
        store.move("127.0.0.1:1/alerts", 0, 7)  # it was read before
    session, end = store.session, time.monotonic() + 6.0
    source = TopicInput([("alert", parse_address("kafka://127.0.0.1:1/alerts"))])

    looks: list[float] = []
    look = source._look_for_partitions

    def counted(seconds: float) -> None:
        looks.append(seconds)
        look(seconds)

    monkeypatch.setattr(source, "_look_for_partitions", counted)

    def over() -> bool:
        late = time.monotonic() - end
        return late > 0 and (len(looks) > 2 or late > allowed(6))

    Service(config_of(), address, store, source).run(over)
    assert len(looks) > 2
    assert caplog.text.count("no broker answers") == 1
    assert store.session == session
    assert beside.led_by(session)
    store.close()
    beside.close()


def test_a_broker_that_was_never_read_is_missed_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inputs, "_ASK_SECONDS", 0.2)
    source = TopicInput([("alert", parse_address("kafka://127.0.0.1:1/alerts"))])
    with pytest.raises(SourceError, match="no broker answers"):
        source.seek({("127.0.0.1:1/others", 0): 3})
    source.close()


def test_looks_for_all_topics_are_shorter_than_a_leader_may_be_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]

    class Slow:
        """A broker that answers each time as late as it may."""

        def list_topics(self, topic: str, timeout: float) -> object:
            clock[0] += timeout
            return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={})})

        def poll(self, timeout: float) -> None:
            clock[0] += timeout

        def pause(self, places: object) -> None:
            """Nothing is ahead."""

        resume = pause

        def close(self) -> None:
            """It holds nothing."""

    monkeypatch.setattr(inputs, "monotonic", lambda: clock[0])
    kinds = ("alert", "audit", "command")
    source = TopicInput([(one, parse_address(f"kafka://127.0.0.1:1/{one}")) for one in kinds])
    source._consumer.close()
    monkeypatch.setattr(source, "_consumer", Slow())
    source.poll(0.5)
    assert clock[0] - 1000.0 > inputs._GLANCE_SECONDS
    assert clock[0] - 1000.0 + service._ALIVE_EVERY_SECONDS < service._MOST_SILENT_SECONDS
