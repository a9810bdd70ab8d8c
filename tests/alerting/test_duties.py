"""Heartbeats, weekly test pages, and word of a job that is silent."""

import pytest
from pydantic import ValidationError

from padit.alerting.effects import Handed
from padit.alerting.entries import Entry, Progress
from padit.alerting.notifiers.base import headline
from padit.alerting.preview import preview
from tests.alerting.making import SIMPLE, at, config_of, event, policy_of, run, sent, tick

HEARTBEAT = SIMPLE + "heartbeat: {route: all, every: 5m}"
SILENT = SIMPLE + "silent_job: {route: all, after: 10m}"
WEEKLY = SIMPLE + "weekly_test: {route: all, day: mon, at: '09:30', timezone: Europe/Berlin}"


def _progress(first: int, last: int) -> list[Entry]:
    return [Progress(at(minute), "r") for minute in range(first, last + 1)]


def test_a_heartbeat_is_sent_while_the_job_reports() -> None:
    _, effects = run(_progress(0, 16), policy_of(HEARTBEAT))
    assert sent(effects) == [("all", "heartbeat", minute) for minute in (5, 10, 15)]


def test_no_heartbeat_is_sent_while_the_job_is_silent_and_none_is_made_up_for() -> None:
    log = [*_progress(0, 6), *(tick(minute) for minute in range(7, 60)), *_progress(60, 66)]
    _, effects = run(log, policy_of(HEARTBEAT))
    assert [minute for _, _, minute in sent(effects)] == [5, 60, 65]


def test_without_an_audit_log_a_heartbeat_shows_that_alerting_itself_works() -> None:
    _, effects = run([tick(minute) for minute in range(12)], policy_of(HEARTBEAT))
    assert [minute for _, _, minute in sent(effects)] == [5, 10]


def test_a_job_that_is_silent_is_one_message_and_one_when_it_is_back() -> None:
    for death in range(20, 30):
        ticks: list[Entry] = [tick(minute) for minute in range(death + 1, 100)]
        log = [*_progress(0, death), *ticks, *_progress(100, 140)]
        _, effects = run(log, policy_of(SILENT))
        (_, first, said), (_, second, back) = sent(effects)
        assert (first, second, back) == ("job_silent", "job_back", 100)
        assert 10 <= said - death <= 15


def test_a_job_that_reports_rarely_and_one_that_never_did_are_not_called_silent() -> None:
    _, effects = run([Progress(at(minute), "r") for minute in range(0, 500, 60)],
                     policy_of(SILENT))  # fmt: skip
    assert sent(effects) == []
    _, effects = run([tick(minute) for minute in range(500)], policy_of(SILENT))
    assert sent(effects) == []


def test_a_test_page_comes_once_a_week_in_local_time() -> None:
    days = 60 * 24
    _, effects = run([tick(minute * 60) for minute in range(24 * 22)], policy_of(WEEKLY))
    # The tests begin on a Sunday at 08:00 UTC; Berlin is an hour ahead, and two from 29 March on.
    first = days - 8 * 60 + 8 * 60 + 30
    assert [minute for _, _, minute in sent(effects)] == [
        first,
        first + 7 * days,
        first + 14 * days,
    ]


def test_what_is_about_no_incident_has_words_and_is_no_page_of_a_preview() -> None:
    log = [*_progress(0, 30), *(tick(minute) for minute in range(31, 60)), event("opened", 60)]
    found = preview(config_of(SILENT + "\nheartbeat: {route: all}"), log)
    kinds = [one.kind for one in found.pages]
    assert kinds == ["job_silent", "opened"]
    for one in found.effects:
        if isinstance(one, Handed):
            assert "{" not in headline(one)


@pytest.mark.parametrize("duty", ["heartbeat", "weekly_test", "silent_job"])
def test_a_duty_on_a_route_that_is_not_there_is_refused(duty: str) -> None:
    with pytest.raises(ValidationError, match=f"{duty}: there is no route 'x'"):
        config_of(f"{SIMPLE}{duty}: {{route: x}}")


def test_a_time_of_day_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="no hours of a day"):
        config_of(SIMPLE + "weekly_test: {route: all, at: '25:00'}")
