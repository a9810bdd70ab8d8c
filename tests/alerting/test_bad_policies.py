"""Alerting configurations that somebody wrote in a hurry: each is refused in words that help."""

from pathlib import Path

import pytest

from padit.alerting.policy import AlertingConfig
from padit.cli.main import main
from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError

_HOOK = "receivers: {hook: {kind: webhook, url: 'http://127.0.0.1:1/'}}\n"
_ROUTE = "routes: [{name: all, receiver: hook}]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_ROUTE + _ROUTE, "the key 'routes' stands twice"),
        (_ROUTE + "timezone: Mars/Olympus", "there is no time zone 'Mars/Olympus'"),
        (_ROUTE + "timezone: ../../etc/passwd", "there is no time zone"),
        (_ROUTE + "keep: 1s", "keep: it has to be at least 1d"),
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
