"""Templates of receivers: bounded in time and size; one that fails falls back and says so."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.effects import Handed
from padit.alerting.notifiers.base import headline, lines_of
from padit.alerting.templates import Templates
from padit.domain.errors import ConfigurationError
from tests.alerting.making import SIMPLE, config_of, event, policy_of, run
from tests.alerting.receiving import receiving
from tests.limits import allowed


@pytest.fixture
def message() -> Handed:
    """The beginning of an incident."""
    (made,) = [one for one in run([event("opened", 0)])[1] if isinstance(one, Handed)]
    return made


@pytest.fixture
def apply(message: Handed) -> Iterator[object]:
    """Renders a text by a template."""
    used: list[Templates] = []

    def render(text: str, title: str = "") -> Handed:
        used.append(Templates({"title": title, "text": text}, ""))
        return used[-1].apply(message, "https://x/1")

    yield render
    for one in used:
        one.close()


def test_a_template_makes_title_and_text(apply: object) -> None:
    found = apply(  # type: ignore[operator]
        "{% for m in incident.members %}{{ m.source_id }}/{{ m.metric_name }}\n{% endfor %}"
        "{{ link }}",
        "{{ message.kind }}: {{ headline }}",
    )
    assert headline(found) == "opened: WARNING press-1: torque_nm of press-1"
    assert lines_of(found) == ["press-1/torque_nm", "https://x/1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ incident.nothing.at.all }}", "UndefinedError"),
        ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
         "more than 2 s"),
        ("{% for a in range(100000) %}0123456789{% endfor %}", "longer than 20000"),
        ("{{ 'x' * 3000000000 }}", "MemoryError"),
        ("{{ 9 ** (9 ** 9) }}", "more than 2 s"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{{ message.__init__.__globals__ }}", "rror"),
        ("{% include '/etc/passwd' %}", "rror"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
    ],
)  # fmt: skip
def test_a_template_that_fails_or_loops_gives_the_usual_text_and_says_so(
    text: str, words: str, apply: object, message: Handed
) -> None:
    began = time.monotonic()
    found = apply(text)  # type: ignore[operator]
    assert time.monotonic() - began < allowed(8)
    assert headline(found) == headline(message)
    assert lines_of(found)[:-1] == lines_of(message)
    assert "the template of this receiver failed" in lines_of(found)[-1]
    assert words in lines_of(found)[-1]


def test_a_secret_of_the_process_is_not_in_reach_of_a_template(
    apply: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGERDUTY_KEY", "s3cret")
    found = apply("{{ lipsum.__globals__['os'].environ }}")  # type: ignore[operator]
    assert "failed" in found.note
    templates = Templates({"text": "x"}, "")
    templates.apply(found, "")
    assert templates._process is not None
    environment = Path(f"/proc/{templates._process.pid}/environ").read_bytes()
    templates.close()
    assert b"s3cret" not in environment  # not even beyond the sandbox


def test_a_template_that_is_none_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigurationError, match=r"text is no template: line 1"):
        Templates({"text": "{% for %}"}, "")
    with pytest.raises(ConfigurationError, match="templates of text"):
        receivers_of(config_of(SIMPLE.replace("kind: webhook", "kind: webhook, text: [1]")))


def test_a_receiver_that_failed_once_goes_on(message: Handed) -> None:
    text = "{% for a in range(n) %}{% for b in range(n) %}{% endfor %}{% endfor %}fine"
    templates = Templates({"text": "{% set n = 1 if incident else 100000 %}" + text}, "")
    other = msgspec.structs.replace(message, view=None)
    for _ in range(2):
        assert "more than 2 s" in templates.apply(other, "").note
        assert templates.apply(message, "").text == "fine"
    templates.close()


@pytest.mark.parametrize("kind", ["webhook", "teams", "slack", "alertmanager"])
def test_the_text_reaches_the_receiver(kind: str, message: Handed) -> None:
    with receiving() as got:
        text = SIMPLE.replace("kind: webhook", f"kind: {kind}, text: 'Hello {{{{ link }}}}'")
        config = config_of(
            text.replace("http://127.0.0.1:1/", got.url) + "link: https://padit/{incident}"
        )
        receiver = receivers_of(config)["ops"]
        assert receiver.attempt(message, "").state == "delivered"
        receiver.close()
    assert message.view is not None
    assert f"Hello https://padit/{message.view.id}" in got.requests[0][2].decode()


def test_apprise_sends_to_a_service(message: Handed, tmp_path: Path) -> None:
    with receiving() as got:
        (tmp_path / "address").write_text(got.url.replace("http", "json"))
        text = SIMPLE.replace(
            'kind: webhook, url: "http://127.0.0.1:1/"',
            f"kind: apprise, address: '{tmp_path}/address'",
        )
        receiver = receivers_of(config_of(text))["ops"]
        assert receiver.attempt(message, "").state == "delivered"
        receiver.close()
    sent = got.events[0]
    assert sent["title"] == "WARNING press-1: torque_nm of press-1"
    assert "press-1 torque_nm since 2026-03-01T08:00:00" in str(sent["message"])
    (tmp_path / "address").write_text("no-such-service:// x")
    with pytest.raises(ConfigurationError, match="none of a service of Apprise"):
        receivers_of(config_of(text))
    assert policy_of(text).routes[0].receiver == "ops"
