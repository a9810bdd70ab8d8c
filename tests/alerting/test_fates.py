"""`padit why-not` over the store of the service: what came of a message that was handed out."""

from contextlib import closing
from pathlib import Path

import pytest

from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.fates import LEFT_ALONE, answer_in, fate_of, leave_alone
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.store.readdressing import readdress
from padit.alerting.store.sqlite import SqliteStore
from padit.cli.main import main
from tests.alerting.making import SIMPLE, cloud_event, config_of, event
from tests.alerting.receiving import Answer, receiving

_MANY = 30  # more calls than a breaker waits for


def _asked(folder: Path, source: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["why-not", source, "torque_nm", "--config", str(folder / "c.yaml"),
                 "--data", str(folder / "data")]) == 0  # fmt: skip
    return capsys.readouterr().out


def test_why_not_says_whether_a_receiver_took_refused_or_failed_and_that_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as got:
        (tmp_path / "c.yaml").write_text(SIMPLE.replace("http://127.0.0.1:1/", got.url))
        config = config_of((tmp_path / "c.yaml").read_text())
        lines = [cloud_event(event("opened", i, f"a{i}", source=f"s{i}")) for i in range(_MANY)]
        with closing(SqliteStore(tmp_path / "data")) as store:
            core = Alerting(config, store)
            core.take([Record("alert", "f", 0, i, i + 1, line) for i, line in enumerate(lines)])
            assert "waits for receiver ops: it was not tried yet" in _asked(tmp_path, "s0", capsys)
            answers = {0: Answer(), 1: Answer(400, b"no \x1b[31m such channel")}
            got.answer = lambda number: answers.get(number, Answer(503, b"overloaded"))
            with closing(receivers_of(config)["ops"]) as receiver:
                worker = Worker(receiver, lambda: store)
                while worker.deliver(store) and not worker.left_alone:
                    pass
                assert worker.left_alone
    assert "sent at 2026-03-01T08:00:00.000000Z, delivered to ops" in _asked(tmp_path, "s0", capsys)
    refused = _asked(tmp_path, "s1", capsys)
    assert "dead (`padit dlq`), for receiver ops: HTTP 400 no" in refused
    assert "\x1b" not in refused
    waits = _asked(tmp_path, f"s{_MANY - 1}", capsys)
    assert "waits for receiver ops: breaker open: most of its latest calls failed" in waits
    assert "left alone for a while; its latest answer: HTTP 503 overloaded" in waits
    assert main(["dlq", "list", "--data", str(tmp_path / "data")]) == 0


def test_a_failed_attempt_is_named_with_the_time_of_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as got, closing(SqliteStore(tmp_path / "data")) as store:
        (tmp_path / "c.yaml").write_text(SIMPLE.replace("http://127.0.0.1:1/", got.url))
        config = config_of((tmp_path / "c.yaml").read_text())
        line = cloud_event(event("opened", 0, source="s0"))
        Alerting(config, store).take([Record("alert", "f", 0, 0, 1, line)])
        got.answer = lambda number: Answer(503, b"overloaded")
        with closing(receivers_of(config)["ops"]) as receiver:
            Worker(receiver, lambda: store).deliver(store)
        found = _asked(tmp_path, "s0", capsys)
    assert "attempt 1 to send it to ops failed: HTTP 503 overloaded; again at 20" in found


def test_a_message_of_another_receiver_does_not_wait_for_the_breaker_of_the_one_before(
    tmp_path: Path,
) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        line = cloud_event(event("opened", 0, source="s0"))
        Alerting(config_of(), store).take([Record("alert", "f", 0, 0, 1, line)])
        (one,) = store.deliveries()
        message, route = one.id, one.route
        leave_alone(store, one, "HTTP 503")
        assert fate_of(store, message).endswith("for a while; its latest answer: HTTP 503")
        readdress(store, {route: "desk"}, ["desk"])
        assert fate_of(store, message) == "waits for receiver desk: it was not tried yet"
        readdress(store, {}, [])
        assert fate_of(store, message) == (
            f"dead (`padit dlq`), for receiver desk: there are neither route {route} nor "
            "receiver desk any more"
        )


def test_the_answer_of_a_receiver_stays_beside_that_it_is_left_alone(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        line = cloud_event(event("opened", 0, source="s0"))
        Alerting(config_of(), store).take([Record("alert", "f", 0, 0, 1, line)])
        (one,) = store.deliveries()
        for answer, latest in (("", ""), ("HTTP 500", "HTTP 500"), ("HTTP 503", "HTTP 500")):
            leave_alone(store, store.deliveries()[0], answer)
            (now,) = store.deliveries()
            assert now.reason == LEFT_ALONE + (f"; its latest answer: {latest}" if latest else "")
            assert answer_in(now.reason) == latest
        with store.transaction():
            store.record(one.number, "pending", 1, reason="HTTP 429 slow down")
        leave_alone(store, store.deliveries()[0], "HTTP 503")
        assert store.deliveries()[0].reason.endswith("its latest answer: HTTP 429 slow down")


def test_of_a_message_that_was_never_handed_out_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under another configuration the messages would be others."""
    (tmp_path / "c.yaml").write_text(SIMPLE.replace("name: all", "name: other"))
    with closing(SqliteStore(tmp_path / "data")) as store:
        line = cloud_event(event("opened", 0, source="s0"))
        Alerting(config_of(), store).take([Record("alert", "f", 0, 0, 1, line)])
    found = _asked(tmp_path, "s0", capsys)
    assert "other: handed (opened, sent at 2026-03-01T08:00:00.000000Z): became" in found


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Answer(), 0, "ops took it\n"),
        (
            Answer(400, b"no such hook"),
            1,
            "ops refused it; the service would not try again: HTTP 400",
        ),
        (Answer(503), 1, "ops did not take it; the service would try again: HTTP 503"),
    ],
)
def test_a_test_message_shows_whether_the_receiver_of_a_route_works(
    answer: Answer, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as got:
        (tmp_path / "c.yaml").write_text(SIMPLE.replace("http://127.0.0.1:1/", got.url))
        got.answer = lambda number: answer
        command = ["notify", "test", "all", "--config", str(tmp_path / "c.yaml")]
        assert main(command) == code
        assert capsys.readouterr().out.startswith(words)
        assert [one["type"] for one in got.events] == ["io.padit.incident.test"]
        assert main([*command[:2], "nobody", *command[3:]]) == 2
        assert "there is no route 'nobody' (have: all)" in capsys.readouterr().err
