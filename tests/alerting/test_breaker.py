"""When a receiver is left alone, and when it is tried again: the figures of the circuit breaker."""

import time

import pytest

from padit.alerting.delivery.breaker import Breaker
from padit.alerting.notifiers.base import Result
from padit.ops import retrying
from tests.limits import allowed

_WAIT = 0.05
_GOOD, _BAD = Result("delivered"), Result("retry", "HTTP 503")


def _call(breaker: Breaker, results: list[Result]) -> list[Result | None]:
    return [breaker.call(lambda one=one: one) for one in results]  # type: ignore[misc]


def _opened() -> Breaker:
    breaker = Breaker("ops", _WAIT)
    _call(breaker, [_BAD] * 5)
    assert breaker.open
    return breaker


def _tried_again(breaker: Breaker, first: Result) -> None:
    """Its first call after the wait."""
    end = time.monotonic() + allowed(10)
    while breaker.call(lambda: first) is None:
        assert time.monotonic() < end
        time.sleep(_WAIT / 5)


def test_half_of_the_latest_calls_may_fail_and_one_more_opens_it() -> None:
    breaker = Breaker("ops")
    _call(breaker, [_GOOD, _BAD] * 10)
    assert not breaker.open
    _call(breaker, [_BAD, _BAD])  # each takes the place of one that is older
    assert breaker.open


def test_while_it_is_open_nothing_is_called_for_a_minute() -> None:
    assert retrying.OPEN_SECONDS == 60.0
    breaker = Breaker("ops")
    _call(breaker, [_BAD] * 5)
    called: list[int] = []

    def attempt() -> Result:
        called.append(1)
        return _GOOD

    assert breaker.call(attempt) is None
    assert not called


def test_few_failures_and_a_message_that_is_refused_for_good_open_nothing() -> None:
    breaker = Breaker("ops")
    _call(breaker, [_BAD] * 4)
    assert not breaker.open
    breaker = Breaker("ops")
    _call(breaker, [Result("dead", "HTTP 400")] * 20)  # the receiver works
    assert not breaker.open


@pytest.mark.parametrize(
    ("first", "rest", "open_again"),
    [
        (_GOOD, [_GOOD, _BAD], False),
        (_BAD, [_GOOD, _GOOD], False),
        (_GOOD, [_BAD, _BAD], True),
        (_BAD, [_BAD, _GOOD], True),
    ],
)
def test_after_the_wait_more_than_60_percent_of_three_calls_close_it(
    first: Result, rest: list[Result], open_again: bool
) -> None:
    breaker = _opened()
    _tried_again(breaker, first)
    _call(breaker, rest)
    assert breaker.open == open_again
