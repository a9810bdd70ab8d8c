"""Alerting configurations that somebody wrote in a hurry: each is refused in words that help."""

from pathlib import Path

import msgspec
import pytest

from padit.alerting.policy import AlertingConfig, never_taken
from padit.cli.main import main
from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError
from tests.alerting.making import cloud_event, event
from tests.alerting.receiving import receiving

_HOOK = "receivers: {hook: {kind: webhook, url: 'http://127.0.0.1:1/'}}\n"
_SERIES = ["--source", "s", "--metric", "m"]
_PAST = ["--alerts", "a.jsonl"]
_ROUTE = "routes: [{name: all, receiver: hook}]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_ROUTE + _ROUTE, "the key 'routes' stands twice"),
        (_ROUTE + "timezone: Mars/Olympus", "there is no time zone 'Mars/Olympus'"),
        (_ROUTE + "timezone: ../../etc/passwd", "there is no time zone"),
        (_ROUTE + "keep: 1s", "keep: it has to be at least 1d"),
        (_ROUTE + "keep: 999999999w", "keep: a duration is at most 36525d, 100 years"),
        (
            _ROUTE
            + f"silences: [{{id: a, match: {{source: s}}, start: 2026-01-05, end: {10**20}}}]",
            "a time in microseconds lies between the years 1970 and 9999",
        ),
        (_ROUTE + "heartbeat: {route: all, every: 1s}", "every: it has to be at least 10s"),
        (_ROUTE + "silent_job: {route: all, after: 1s}", "after: it has to be at least 1m"),
        (_ROUTE + "link: 'https://x/{name}'", "only {incident} and {time} can stand in braces"),
        ("routes: [{name: a, receiver: hok}]", "c.yaml: route 'a': there is no receiver 'hok'"),
        ("routes: " + "[" * 5000 + "]" * 5000, "nested too deep"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_words_of_the_file(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(_HOOK + text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_model(str(path), AlertingConfig)
    assert said in str(error.value)
    assert "Value error" not in str(error.value)
    asked = ["routes", "test", "--config", str(path), "--source", "s", "--metric", "m"]
    assert main(asked) == 2


def test_a_link_with_its_two_places_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(_HOOK + _ROUTE + "link: 'https://x/{incident}?t={time}'", encoding="utf-8")
    assert load_model(str(path), AlertingConfig).link == "https://x/{incident}?t={time}"


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ("[{name: a, receiver: hook}, {name: b, receiver: hook, routes: [{name: c}]}]",
         [("b", "a"), ("c", "a")]),
        ("[{name: a, receiver: hook, go_on: true}, {name: b, receiver: hook}]", []),
        ("[{name: a, receiver: hook, match: {source: x}}, {name: b, receiver: hook}]", []),
        ("[{name: top, receiver: hook, routes: [{name: a}, {name: b}]}]", [("b", "a")]),
    ],
)  # fmt: skip
def test_a_route_behind_one_that_takes_everything_is_named(
    routes: str, said: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"{_HOOK}routes: {routes}\n", encoding="utf-8")
    assert never_taken(load_model(str(path), AlertingConfig).routes) == said
    assert main(["routes", "test", "--config", str(path), "--source", "s", "--metric", "m"]) == 0
    shown = capsys.readouterr().out
    for name, taker in said:
        assert f"no alert reaches the route {name}: {taker} before it takes everything" in shown
    assert shown.count("no alert reaches") == len(said)


def test_a_receiver_of_no_kind_is_named_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("receivers: {hook: {kind: hok}}\n" + _ROUTE, encoding="utf-8")
    assert main(["routes", "test", "--config", str(path), "--source", "s", "--metric", "m"]) == 2
    assert "receivers.hook: kind is 'hok'; there are" in capsys.readouterr().err


def test_what_came_in_vain_is_said_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = {"time": "2026-03-01T08:01:00Z", "by": "ann", "kind": "feedback",
               "target": {"source": "press-1"}}  # fmt: skip
    lines = [
        {**command, "id": "1", "note": "real"},
        {**command, "id": "2", "note": "super"},  # no verdict
        {**command, "id": "3", "note": "real", "target": {}},
        {**command, "id": "4", "kind": "explode"},
    ]
    with receiving() as got:
        config = tmp_path / "c.yaml"
        text = f"receivers: {{hook: {{kind: webhook, url: '{got.url}'}}}}\n{_ROUTE}"
        config.write_text(text, encoding="utf-8")
        alerts, commands = tmp_path / "a.jsonl", tmp_path / "cmd.jsonl"
        alerts.write_bytes(cloud_event(event("opened", 0)) + b"\nnull\n")
        commands.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
        asked = ["alerting", "--config", str(config), "--alerts", str(alerts),
                 "--commands", str(commands), "--data", str(tmp_path / "d")]  # fmt: skip
        assert main(asked) == 0
    said = capsys.readouterr().err
    assert "a.jsonl: 1 record refused (table `refused`), one as: it is no transition" in said
    assert "cmd.jsonl: 1 record refused (table `refused`), one as: it is no command" in said
    assert "commands in vain: 1 no_match + 1 no_target" in said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["routes", "test", "--at", "yesterday", *_SERIES], "--at 'yesterday' is not a time"),
        (["why-not", "s", "m", "--at", "9e99", *_PAST], "--at '9e99' is not a time"),
        (["whatif", "--since", "2026-02-30Z", *_PAST], "--since '2026-02-30Z' is not a time"),
        (["whatif", "--alerts", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (
            ["alerting", "--alerts", "kafka://127.0.0.1:1", "--data", "d"],
            "a topic is written kafka://host",
        ),
        (["alerting", "--alerts", "nowhere.jsonl", "--data", "d"], "nowhere.jsonl cannot be read"),
    ],
)
def test_an_option_that_cannot_be_read_is_named_and_nothing_runs(
    command: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(_HOOK + _ROUTE, encoding="utf-8")
    Path("a.jsonl").write_bytes(cloud_event(event("opened", 0)) + b"\n")
    assert main([*command, "--config", "c.yaml"]) == 2
    assert said in capsys.readouterr().err
