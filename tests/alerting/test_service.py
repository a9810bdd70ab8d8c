"""The service as people run it: files in, a real receiver, a store that survives."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from padit.alerting.store.sqlite import SqliteStore
from padit.cli.main import main
from padit.devcluster.ports import free_port
from tests.alerting.making import at, cloud_event, event
from tests.alerting.receiving import Answer, Receiving, receiving
from tests.limits import allowed

CONFIG = """
receivers: {{ops: {{kind: webhook, url: "{url}", timeout_sec: 5}}}}
routes: [{{name: all, receiver: ops, settle: 0s}}]
"""


def _write(folder: Path, url: str, incidents: int) -> list[str]:
    (folder / "alerting.yaml").write_text(CONFIG.format(url=url))
    lines = []
    for number in range(incidents):
        for kind, minutes in (("opened", number * 10), ("resolved", number * 10 + 5)):
            one = event(kind, minutes, f"a{number}", source=f"s{number}", opened=at(number * 10))
            lines.append(cloud_event(one) + b"\n")
    (folder / "alerts.jsonl").write_bytes(b"".join(lines))
    return [
        "alerting", "--config", str(folder / "alerting.yaml"),
        "--alerts", str(folder / "alerts.jsonl"), "--data", str(folder / "data"),
    ]  # fmt: skip


def _kinds(got: Receiving) -> list[tuple[object, object]]:
    return [(one["type"], one["subject"]) for one in got.events]


def _subject(one: tuple[object, object]) -> str:
    return str(one[1])


def test_alerts_of_a_file_reach_the_receiver_once_also_when_it_is_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as got:
        command = _write(tmp_path, got.url, 3)
        assert main(command) == 0
        assert main(command) == 0
    kinds = [str(kind).rsplit(".", 1)[-1] for kind, _ in sorted(_kinds(got), key=_subject)]
    assert kinds == ["opened", "resolved"] * 3
    assert "all: 6 transitions = 6 handed; 6 messages = 6 delivered" in capsys.readouterr().err


def test_the_end_of_an_incident_never_overtakes_its_beginning(tmp_path: Path) -> None:
    with receiving() as got:
        got.answer = lambda number: Answer(503 if number < 2 else 200)
        assert main(_write(tmp_path, got.url, 1)) == 0
    kinds = [str(kind).rsplit(".", 1)[-1] for kind, _ in _kinds(got)]
    assert kinds == ["opened", "opened", "opened", "resolved"]


def test_a_message_that_a_receiver_refuses_is_dead_with_the_reason_and_can_be_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "data")
    with receiving() as got:
        got.answer = lambda number: Answer(400 if number == 0 else 200, b"no such channel")
        command = _write(tmp_path, got.url, 1)
        assert main(command) == 0
        assert main(["dlq", "list", "--data", data]) == 0
        assert "HTTP 400 no such channel" in capsys.readouterr().out
        assert main(["dlq", "replay", "--all", "--data", data]) == 0
        assert main(command) == 0
    assert len(got.requests) == 3
    assert main(["dlq", "list", "--data", data]) == 0
    assert "0 dead messages" in capsys.readouterr().out


def test_bytes_that_are_no_alert_are_kept_with_the_reason(tmp_path: Path) -> None:
    with receiving() as got:
        command = _write(tmp_path, got.url, 1)
        with (tmp_path / "alerts.jsonl").open("ab") as file:
            file.write(b'{"type": "io.padit.alert.opened"}\n\xff\x00\n[[[[\n')
        assert main(command) == 0
    assert len(got.requests) == 2
    store = SqliteStore(tmp_path / "data", leading=False)
    reasons = store.refused()
    store.close()
    assert len(reasons) == 3
    assert all("it is no transition" in reason for reason in reasons)


def test_a_second_process_stands_by_and_takes_over(tmp_path: Path) -> None:
    with receiving() as got:
        command = [sys.executable, "-m", "padit.cli.main", *_write(tmp_path, got.url, 2)]
        address = f"127.0.0.1:{free_port()}"
        leader = SqliteStore(tmp_path / "data")
        process = subprocess.Popen(
            [*command, "--metrics", address], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        try:
            assert "stands by" in process.stderr.readline()
            assert not got.requests
            assert _get(f"http://{address}/health")  # so a probe leaves it where it is
            leader.close()
            assert process.wait(allowed(60)) == 0
        finally:
            process.kill()
            process.stderr.close()
    assert len(got.requests) == 4


def test_a_dead_receiver_costs_the_others_nothing(tmp_path: Path) -> None:
    with receiving() as got, receiving() as dead:
        dead.answer = lambda number: Answer(404)
        command = _write(tmp_path, got.url, 5)
        (tmp_path / "alerting.yaml").write_text(
            f"receivers: {{ops: {{kind: webhook, url: '{got.url}'}}, "
            f"bad: {{kind: webhook, url: '{dead.url}'}}}}\n"
            "routes: [{name: bad, receiver: bad, go_on: true, settle: 0s}, "
            "{name: all, receiver: ops, settle: 0s}]"
        )
        assert main(command) == 0
    assert len(got.requests) == 10
    store = SqliteStore(tmp_path / "data", leading=False)
    counts = store.counts()
    store.close()
    assert counts["all"]["message delivered"] == 10
    assert counts["bad"]["message dead"] == 10


def test_prometheus_and_probes_are_answered_while_it_runs(tmp_path: Path) -> None:
    with receiving() as got:
        got.answer = lambda number: Answer(500, wait=0.2)
        command = _write(tmp_path, got.url, 3)
        address = f"127.0.0.1:{free_port()}"
        whole = [sys.executable, "-m", "padit.cli.main", *command, "--metrics", address]
        process = subprocess.Popen(whole, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + allowed(30)
            text = ""
            while 'padit_alerting_messages{route="all",state="pending"} ' not in text:
                assert time.monotonic() < deadline, text
                time.sleep(0.2)
                text = _get(f"http://{address}/metrics")
            assert _get(f"http://{address}/health") == "ok\n"
        finally:
            process.terminate()
            process.wait(allowed(30))
    assert 'padit_alerting_transitions_total{reason="handed",route="all"} 6' in text
    assert 'padit_alerting_residue{route="all"} 0' in text
    assert 'padit_alerting_breaker_open{receiver="ops"}' in text
    assert "padit_alerting_store_up 1" in text


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=allowed(5)) as answer:  # noqa: S310  # loopback
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("receivers: {a: {kind: pigeon}}\nroutes: []", "kind is 'pigeon'"),
        ("receivers: {a: {kind: webhook, url: 'http://example.com/'}}", "must begin with https"),
        ("receivers: {}\nroutes: [{name: x, receiver: y}]", "there is no receiver 'y'"),
        ("receivers: {a: {kind: pagerduty, routing_key: /nowhere/key}}", "/nowhere/key cannot"),
        ("receivers: {a: {kind: webhook, url: 'https://x/', colour: red}}", "unknown key colour"),
        ("silences: [{id: s, match: {}, start: 2026-01-01T00:00:00Z, end: 2026-01-02T00:00:00Z}]",
         "needs a pattern"),
        ("incidents: {window: 5}", "a duration is a number and"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_in_plain_words(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(text)
    (tmp_path / "a.jsonl").touch()
    code = main(["alerting", "--config", str(tmp_path / "c.yaml"),
                 "--alerts", str(tmp_path / "a.jsonl"), "--data", str(tmp_path / "d")])  # fmt: skip
    assert code == 2
    assert words in capsys.readouterr().err
