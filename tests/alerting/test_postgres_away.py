"""The database goes away while a request is under way: its result waits, nothing is sent twice."""

from pathlib import Path

import pytest

from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.sequencer import Alerting, Record
from padit.alerting.store.opening import open_store
from padit.domain.errors import SinkError
from tests.alerting.making import SIMPLE, cloud_event, config_of, event
from tests.alerting.receiving import Answer, receiving
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
