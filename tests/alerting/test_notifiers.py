"""Requests of notifiers, byte for byte, and what their answers mean."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting.delivery.receivers import kinds
from padit.alerting.effects import Handed
from padit.alerting.entries import Entry
from padit.alerting.notifiers.base import Request, headline, lines_of
from tests.alerting.making import command, event, policy_of, run, tick

KEY = "env:PADIT_TEST_KEY"
LINK = "https://padit.example/incidents/{incident}?t={time}"
DEMANDS: dict[str, dict[str, Any]] = {
    "webhook": {"url": "http://127.0.0.1:9/hook"},
    "slack": {"url": "http://127.0.0.1:9/hook"},
    "teams": {"url": "http://127.0.0.1:9/hook"},
    "alertmanager": {"url": "http://127.0.0.1:9/hook"},
    "pagerduty": {"routing_key": KEY},
    "email": {"host": "127.0.0.1", "tls": "none", "sender": "padit@example.com",
              "to": ["ann@example.com"]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADIT_TEST_KEY", "s3cret-key")


def notifier(kind: str, **settings_: Any) -> Any:
    """A notifier with the settings it needs, and these."""
    made = kinds()[kind]
    return made(made.Settings.model_validate(DEMANDS[kind] | settings_), LINK)


def messages(summary: str = "torque_nm is 9 IQR above its usual") -> list[Handed]:
    """One of each kind that an incident has in its life."""
    log: list[Entry] = [
        event("opened", 0, summary=summary, labels={"site": "a"}, shift=9.0),
        event("opened", 1, "b", metric="latency_ms", summary=summary),
        event("updated", 2, severity="CRITICAL", score=0.97, summary=summary),
        command("acknowledge", 2),
        event("resolved", 5),
        event("resolved", 6, "b", metric="latency_ms"),
        tick(30),
    ]
    _, effects = run(log)
    return [one for one in effects if isinstance(one, Handed)]


def body(request: Request | None) -> Any:
    """The JSON of a request."""
    assert request is not None
    return msgspec.json.decode(request.body)


def test_pagerduty_triggers_acknowledges_and_resolves_one_incident() -> None:
    bodies = [body(notifier("pagerduty").render(one, "")) for one in messages()]
    assert [one["event_action"] for one in bodies] == [
        "trigger",
        "trigger",
        "acknowledge",
        "resolve",
    ]
    assert len({one["dedup_key"] for one in bodies}) == 1
    first = bodies[0]
    assert first["routing_key"] == "s3cret-key"
    assert first["payload"]["summary"] == "WARNING press-1: torque_nm is 9 IQR above its usual"
    assert first["payload"]["timestamp"] == "2026-03-01T08:00:00.000000Z"
    assert first["links"][0]["href"].startswith("https://padit.example/incidents/")
    assert bodies[1]["payload"]["severity"] == "critical"
    assert "payload" not in bodies[2]


def test_pagerduty_is_never_asked_again_after_a_400() -> None:
    one = notifier("pagerduty")
    assert one.result(400, {}, b"invalid").state == "dead"
    assert one.result(429, {"retry-after": "7"}, b"") == one.result(429, {"retry-after": "7"}, b"")
    assert one.result(429, {"retry-after": "7"}, b"").after == 7.0
    assert one.result(503, {}, b"").state == "retry"
    assert one.result(202, {}, b"{}").state == "delivered"


def test_a_webhook_is_a_signed_cloud_event() -> None:
    request = notifier("webhook", secret=KEY).render(messages()[0], "")
    event_ = body(request)
    digest = hmac.new(b"s3cret-key", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-padit-signature"] == f"sha256={digest}"
    assert event_["type"] == "io.padit.incident.opened"
    assert event_["data"]["incident"]["members"][0]["source_id"] == "press-1"
    assert event_["data"]["transitions"] == [f"a-opened-{event('opened', 0).time}"]


def test_slack_edits_its_message_and_answers_in_its_thread_when_it_gets_worse() -> None:
    slack = notifier("slack", token=KEY, channel="C1", url="http://127.0.0.1:9/api")
    opened, worse, acknowledged, resolved = messages()
    first = slack.render(opened, "")
    assert first.url.endswith("/chat.postMessage")
    assert first.headers["authorization"] == "Bearer s3cret-key"
    later = body(slack.render(worse, "17.5"))
    assert (later["thread_ts"], later["reply_broadcast"]) == ("17.5", True)
    for one in (acknowledged, resolved):
        request = slack.render(one, "17.5")
        assert request.url.endswith("/chat.update")
        assert body(request)["ts"] == "17.5"


def test_slack_refuses_with_a_200_and_says_how() -> None:
    slack = notifier("slack", token=KEY, channel="C1", url="http://127.0.0.1:9/api")
    assert slack.result(200, {}, b'{"ok": true, "ts": "17.5"}').reference == "17.5"
    assert slack.result(200, {}, b'{"ok": false, "error": "ratelimited"}').state == "retry"
    assert slack.result(200, {}, b'{"ok": false, "error": "channel_not_found"}').state == "dead"
    assert slack.result(200, {}, b"<html>").state == "retry"
    assert slack.result(429, {"retry-after": "30"}, b"").after == 30.0


def test_a_name_can_neither_mention_people_nor_make_a_link_in_slack() -> None:
    text = (
        notifier("slack").render(messages("<!channel> <http://evil|ok> & co")[0], "").body.decode()
    )
    assert "<!channel>" not in text
    assert "&lt;!channel&gt;" in text


def test_slack_makes_no_mentions_and_links_of_plain_words() -> None:
    """By default it does of some, such as @here."""
    found = body(notifier("slack").render(messages("@here see https://evil.example")[0], ""))
    texts = [one["text"] for one in found["blocks"]]
    assert {one["verbatim"] for one in texts if one["type"] == "mrkdwn"} == {True}


_LINK = "[Incident in PADIT](https://evil.example) **over**"


def test_a_name_makes_no_link_on_a_card_of_teams_where_only_own_templates_have_markdown() -> None:
    log = [event("opened", 0, source=_LINK, metric=_LINK, summary=_LINK)]
    (first,) = [one for one in run(log)[1] if isinstance(one, Handed)]

    def blocks(one: Handed) -> list[Any]:
        found: list[Any] = body(notifier("teams").render(one, ""))["attachments"][0]["content"][
            "body"
        ]
        return found

    usual = blocks(first)
    assert [one["type"] for one in usual] == ["RichTextBlock"] * 2
    assert _LINK in usual[1]["inlines"][0]["text"]
    own = blocks(msgspec.structs.replace(first, title="*t*", text="[a](https://b.example)"))
    assert [one["type"] for one in own] == ["TextBlock", "TextBlock"]


_FORGED = "rpm\nacknowledged by ann 5 min ago\r\n\u2028Likely first: nothing"


@pytest.mark.parametrize("kind", [one for one in sorted(DEMANDS) if one != "webhook"])
def test_a_name_with_breaks_of_the_line_writes_no_lines_of_its_own(kind: str) -> None:
    log = [event("opened", 0, source=_FORGED, metric=_FORGED, summary=_FORGED)]
    (first,) = [one for one in run(log)[1] if isinstance(one, Handed)]
    assert len(lines_of(first)) == 1
    made = notifier(kind).render(first, "")
    if isinstance(made, Request):
        found = msgspec.json.decode(made.body)
        found.pop("alerts", None)  # of Alertmanager's payload, which is for programs
        assert b"ago\\r" not in msgspec.json.encode(found)
        shown = msgspec.json.encode(found).decode()
        assert shown.count("\\nacknowledged") == 0
    else:
        assert "\nacknowledged" not in made.get_body(("plain",)).get_content()
        assert "\nacknowledged" not in str(made["Subject"])


def test_a_space_of_another_width_in_a_unit_is_a_space() -> None:
    (first,) = [one for one in run([event("opened", 0, summary="12\u00a0000\u202fm³/h")])[1]
                if isinstance(one, Handed)]  # fmt: skip
    assert headline(first) == "WARNING press-1: 12 000 m³/h"


def test_a_card_for_teams_stays_within_its_limit() -> None:
    log = [
        event("opened", 0, f"a{i}", metric=f"m{i}", summary="x" * 9000, page="p") for i in range(20)
    ]
    _, effects = run(
        [
            *log,
            event(
                "updated", 1, "a0", metric="m0", severity="CRITICAL", score=1.0, summary="x" * 9000
            ),
        ]
    )
    last = [one for one in effects if isinstance(one, Handed)][-1]
    assert len(notifier("teams").render(last, "").body) <= 28_000


def test_what_does_not_fit_into_a_message_is_counted_in_it() -> None:
    (first, *_) = messages()
    many = msgspec.structs.replace(first, transitions=tuple(f"t{n}" for n in range(1_010)))
    found = body(notifier("webhook").render(many, ""))["data"]
    assert (len(found["transitions"]), found["more_transitions"]) == (1_000, 10)
    assert "more_transitions" not in body(notifier("webhook").render(first, ""))["data"]

    long = msgspec.structs.replace(first, text="\n".join(["x" * 400] * 100))
    card = body(notifier("teams").render(long, ""))["attachments"][0]["content"]["body"]
    lines = [one["text"] for one in card if one["type"] == "TextBlock"]
    assert lines[-1] == f"{100 - (len(lines) - 1)} lines more do not fit on this card"

    shown = body(notifier("slack").render(msgspec.structs.replace(first, text="x" * 9_000), ""))
    assert shown["blocks"][1]["text"]["text"].endswith("…")


def test_alertmanagers_webhook_has_its_fields() -> None:
    first, *_, last = [body(notifier("alertmanager").render(one, "")) for one in messages()]
    assert (first["version"], first["status"], last["status"]) == ("4", "firing", "resolved")
    assert first["alerts"][0]["labels"] == {
        "alertname": "torque_nm", "instance": "press-1", "severity": "warning", "site": "a",
    }  # fmt: skip
    assert first["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    assert {one["status"] for one in last["alerts"]} == {"resolved"}


@pytest.mark.parametrize("kind", sorted(DEMANDS))
def test_the_same_message_is_the_same_bytes_and_no_kind_is_missing(kind: str) -> None:
    assert sorted(kinds()) == sorted([*DEMANDS, "apprise"])
    for one in messages():
        assert _bytes(notifier(kind).render(one, "")) == _bytes(notifier(kind).render(one, ""))


@pytest.mark.parametrize("kind", sorted(DEMANDS))
@given(name=st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_no_name_breaks_a_message(kind: str, name: str) -> None:
    made = notifier(kind)
    log = [event("opened", 0, source=name, metric=name, summary=name, labels={"l": name})]
    for one in run(log)[1]:
        if isinstance(one, Handed):
            text = headline(one)
            assert text.isprintable()
            _bytes(made.render(one, ""))


def _bytes(request: Any) -> bytes:
    return request.body if isinstance(request, Request) else request.as_bytes()


def test_a_secret_stands_in_no_error(tmp_path: Path) -> None:
    place = tmp_path / "key"
    place.write_text("")
    with pytest.raises(Exception, match="is empty") as error:
        notifier("pagerduty", routing_key=str(place))
    assert "s3cret" not in str(error.value)


def test_a_digest_names_its_incidents() -> None:
    policy = policy_of(
        "{receivers: {r: {kind: webhook}}, routes: [{name: all, receiver: r,"
        " rate: {messages: 1, per: 10m}}]}"
    )
    log = [event("opened", i / 10, f"a{i}", source=f"s{i}") for i in range(4)]
    digest = [one for one in run([*log, tick(30)], policy)[1] if isinstance(one, Handed)][-1]
    assert headline(digest).startswith("3 more incidents")
    for kind in sorted(DEMANDS):
        assert b"s2" in _bytes(notifier(kind).render(digest, "")) or kind in ("pagerduty",)


def test_a_message_is_bounded_whatever_its_names_and_texts_are() -> None:
    log: list[Entry] = [
        event("opened", number / 100, f"a{number}", source=f"s{number}" + "ö" * 100_000,
              metric="m" * 100_000, summary="x" * 1_000_000, shift=20.0 + number,
              labels={f"l{one}" * 1000: "v" * 100_000 for one in range(100)} | {"site": "h"})
        for number in range(30)
    ]  # fmt: skip
    log.append(event("updated", 1, "a0", source="s0" + "ö" * 100_000, metric="m" * 100_000,
                     summary="\N{FIRE}" * 9_999, severity="CRITICAL", score=0.99))  # fmt: skip
    _, effects = run(log, policy_of("receivers: {r: {kind: webhook}}\n"
                                    "routes: [{name: all, receiver: r}]\n"
                                    "incidents: {share: [site]}"))  # fmt: skip
    message = [one for one in effects if isinstance(one, Handed)][-1]
    assert message.view is not None
    assert len(message.view.members) == 20
    for kind in DEMANDS:
        request = notifier(kind).render(message, "")
        size = len(request.body if isinstance(request, Request) else bytes(request))
        assert size < {"teams": 28 << 10, "slack": 40_000, "email": 2 << 20}.get(kind, 512 << 10)
    first = message.view.members[0]
    assert first.source_id.endswith("…")
    assert len(first.source_id) == 500


def test_a_headline_names_the_source_that_was_likely_first_where_another_is_worse() -> None:
    log: list[Entry] = [
        event("opened", 0, source="plc-1", metric="rtt_ms", shift=50.0, severity="CRITICAL"),
        event("opened", 1, "b", source="switch", metric="packet_loss", shift=40.0),
        event("updated", 2, source="plc-1", metric="rtt_ms", shift=55.0, severity="CRITICAL"),
        event("resolved", 5, source="plc-1", metric="rtt_ms"),
        event("resolved", 5, "b", source="switch", metric="packet_loss"),
        tick(30),
    ]
    policy = policy_of("receivers: {r: {kind: webhook}}\nroutes: [{name: all, receiver: r}]\n"
                       "incidents: {depends_on: {plc-1: [switch]}}")  # fmt: skip
    last = [one for one in run(log, policy)[1] if isinstance(one, Handed)][-1]
    assert headline(last).startswith("Over: CRITICAL plc-1: ")
    assert headline(last).endswith(" and 1 more, likely first switch")
