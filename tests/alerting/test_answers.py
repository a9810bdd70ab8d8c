"""Answers of receivers that nobody would expect."""

import tracemalloc

import pytest

from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.effects import Handed
from padit.alerting.notifiers.base import by_status
from tests.alerting.making import SIMPLE, config_of, event, run
from tests.alerting.receiving import Answer, receiving


def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    (message,) = [one for one in run([event("opened", 0)])[1] if isinstance(one, Handed)]
    with receiving() as got:
        answer = Answer(200, b"x" * 50_000_000)
        got.answer = lambda number: answer
        receiver = receivers_of(config_of(SIMPLE.replace("http://127.0.0.1:1/", got.url)))["ops"]
        try:
            tracemalloc.start()
            assert receiver.attempt(message, "").state == "delivered"
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()
            receiver.close()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "9" * 400}, 3600.0),
        ({"retry-after": "Sun, 01 Mar 2026 08:01:30 GMT", "date": "Sun, 01 Mar 2026 08:00:00 GMT"},
         90.0),
        ({"retry-after": "Sun, 01 Mar 2026 07:00:00 GMT", "date": "Sun, 01 Mar 2026 08:00:00 GMT"},
         0.0),
        ({"retry-after": "Sun, 01 Mar 2026 08:01:30 GMT"}, 0.0),
        ({"retry-after": "1 Mar 2026 08:01:30 -0000", "date": "1 Mar 2026 08:00:00 GMT"},
         0.0),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_nothing_else_is_taken_for_it(
    headers: dict[str, str], seconds: float
) -> None:
    assert by_status(429, headers, b"").after == seconds
