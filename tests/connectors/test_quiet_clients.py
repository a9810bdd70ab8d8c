"""A broker that is away is said once, and once that it is back; clients write no lines."""

import ast
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from padit.alerting import inputs
from padit.alerting.announcing import Announcer
from padit.alerting.inputs import TopicInput
from padit.alerting.plots import windows
from padit.alerting.plots.windows import Follower, Windows
from padit.alerting.store.sqlite import SqliteStore
from padit.connectors.sink import Message, Writer
from padit.connectors.sinks import _kafka_once, kafka
from padit.connectors.sinks._kafka_once import Line, OnceWriter
from padit.connectors.sinks.kafka import KafkaSink
from padit.connectors.uris import parse_address
from padit.domain.message import Kind
from padit.ops.reach import Reach
from tests.limits import allowed

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("adapters", "alerting", "analysis", "cli", "connectors", "devcluster", "pipelines",
         "portal", "stores")  # fmt: skip
CLIENTS = {"Consumer", "Producer", "AdminClient"}
NOWHERE = "127.0.0.1:1"


def test_an_outage_has_one_sentence_at_its_beginning_and_one_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reach = Reach(logging.getLogger("padit.tests"), "Kafka at k:9092")
    reach.back()  # it never was away
    for outage in ("refused", "timed out"):
        for _ in range(50):
            reach.away(outage)
        assert reach.lost
        reach.back()
        reach.back()
        assert not reach.lost
    said = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert [one.rpartition(" after ")[0] or one for one in said] == [
        "Kafka at k:9092: refused; it is tried until it answers",
        "Kafka at k:9092: it answers again,",
        "Kafka at k:9092: timed out; it is tried until it answers",
        "Kafka at k:9092: it answers again,",
    ]


def test_another_reason_of_the_same_outage_is_said_too_but_not_without_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reach = Reach(logging.getLogger("padit.tests"), "a store", reasons=4)
    for why in ("cannot write", "read-only; use another", "cannot write", *map(str, range(50))):
        reach.away(why)
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    whys = ("cannot write", "read-only; use another", "0", "1")
    assert told == [f"a store: {why}; it is tried until it answers" for why in whys]


class Answering:
    """Stands for the client once a broker answers."""

    def list_topics(self, topic: str, timeout: float) -> object:
        del timeout
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={})})

    def poll(self, timeout: float) -> None:
        time.sleep(timeout)

    def pause(self, places: object) -> None:
        """Nothing is ahead."""

    resume = pause

    def close(self) -> None:
        """It holds nothing."""


def test_alerting_says_once_that_no_broker_answers_and_once_that_one_does(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, seconds in (("_ASK_SECONDS", 0.2), ("_GLANCE_SECONDS", 0.2),
                          ("_LOOK_AGAIN_SECONDS", 0.0)):  # fmt: skip
        monkeypatch.setattr(inputs, name, seconds)
    source = TopicInput([("alert", parse_address(f"kafka://{NOWHERE}/alerts"))])
    source.seek({(f"{NOWHERE}/alerts", 0): 7})
    for _ in range(5):
        source.poll(0.05)
    assert caplog.text.count("no broker answers") == 1
    source._consumer.close()
    monkeypatch.setattr(source, "_consumer", Answering())
    for _ in range(3):
        source.poll(0.01)
    assert caplog.text.count("answers again") == 1
    assert "rdkafka" not in capfd.readouterr().err


def test_features_and_notifications_of_alerting_are_as_quiet(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(windows, "_ASK_SECONDS", 0.2)
    told = Announcer(
        parse_address(f"kafka://{NOWHERE}/out"), "", lambda: SqliteStore(tmp_path, leading=False)
    )
    told.start()
    with Follower(parse_address(f"kafka://{NOWHERE}/features"), Windows()):
        until = time.monotonic() + allowed(10)
        while "for plots" not in caplog.text and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1.0)  # of further attempts
    told.stop()
    assert [one.getMessage().partition(":")[0] for one in caplog.records] == [
        f"features of features at {NOWHERE.partition(':')[0]}"
    ]
    assert "rdkafka" not in capfd.readouterr().err


class Producing:
    """Stands for a producer whose broker answers the fourth time."""

    def __init__(self, *_: object, **__: object) -> None:
        self.asked = 0

    def produce(self, *_: object, **__: object) -> None:
        """Kept until the broker answers."""

    def poll(self, timeout: float) -> None:
        """No callback."""

    begin_transaction = purge = init_transactions = produce

    def flush(self, timeout: float) -> int:
        self.asked += 1
        return self.asked < 4

    def commit_transaction(self, timeout: float) -> None:
        if self.flush(timeout):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "timed out", retriable=True))


def _writer(delivery: str, name: str) -> Writer:
    sink = KafkaSink("nowhere:1", name)
    if delivery == "at_least_once":
        return sink.open()
    return OnceWriter(Line(sink.name, name, "w", 1000, 60.0), {}, {})


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_the_job_says_once_that_its_results_wait_for_a_broker_and_once_that_they_do_not(
    delivery: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (kafka, _kafka_once):
        monkeypatch.setattr(module, "Producer", Producing)
    monkeypatch.setattr(_kafka_once._Shared, "_there", lambda _: iter(()))
    for number in range(2):  # what comes after the outage says nothing more
        writer = _writer(delivery, f"to-{delivery}")
        writer.write([Message(Kind.ALERT, f"a{number}", "k", 0, b"{}")])
        writer.flush()
        if number:
            writer.write([Message(Kind.ALERT, "b", "k", 0, b"{}")])
            writer.flush()
        writer.close()
    said = [one.getMessage().partition(f"to-{delivery}: ")[2] for one in caplog.records]
    assert [one.rpartition(" after ")[0] or one.partition(";")[0] for one in said] == [
        "no answer" if delivery == "at_least_once" else "timed out", "it answers again,",
    ] * 2  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_every_client_says_what_of_its_lines_is_written(part: str) -> None:
    """Else librdkafka writes some twenty lines a second to standard error while it is away."""
    loud = []
    for path in sorted((ROOT / part).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and _name(call.func) in CLIENTS:
                quiet = _quiet(ast.unparse(call), text)
                loud += [] if quiet else [f"{path.relative_to(ROOT)}:{call.lineno}"]
    assert not loud


def _name(func: ast.expr) -> str:
    return func.id if isinstance(func, ast.Name) else ""


def _quiet(call: str, module: str) -> bool:
    """It names its level, or its module does for settings that are a name there.

    The lines of the publisher of adapters go to a logger that `padit.adapters.runner` closes.
    """
    named = "{" not in call or "**self._" in call
    given = f"{call} {module}" if named else call
    return any(word in given for word in ("QUIET", "log_level", "_LOOKUP", "logger=_log)"))


def test_a_client_that_says_nothing_of_its_lines_is_found() -> None:
    assert not _quiet("Consumer({'group.id': 'x'}, logger=_LOG)", "QUIET")
    assert not _quiet("Consumer(settings)", "settings = {}")
    assert _quiet("Consumer({**QUIET, 'group.id': 'x'})", "")


@pytest.mark.parametrize("part", PARTS)
def test_every_consumer_says_how_long_a_broker_may_hold_its_answer_back(part: str) -> None:
    """Else what a transaction commits may wait for half a second (`PROMPT`)."""
    slow = []
    for path in sorted((ROOT / part).rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        given = {
            target.id: ast.unparse(one.value)
            for one in ast.walk(module)
            if isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None
            for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(module):
            if isinstance(call, ast.Call) and _name(call.func) == "Consumer":
                prompt = _prompt(call, given)
                slow += [] if prompt else [f"{path.relative_to(ROOT)}:{call.lineno}"]
    assert not slow


def _prompt(call: ast.Call, given: dict[str, str]) -> bool:
    """It takes `PROMPT`, or the settings of a name do that its module gives a value."""
    names = {one.id for one in ast.walk(call) if isinstance(one, ast.Name)}
    return "PROMPT" in names or any("**PROMPT" in given.get(one, "") for one in names)


def test_a_consumer_that_leaves_the_brokers_answer_to_the_default_is_found() -> None:
    for text, prompt in (
        ("Consumer({**QUIET, 'group.id': 'x'})", False),
        ("Consumer({**PROMPT, 'group.id': 'x'})", True),
        ("Consumer(settings)", True),
        ("Consumer(others)", False),
    ):
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        assert _prompt(call, {"settings": "{**PROMPT, 'group.id': 'x'}", "others": "{}"}) == prompt
