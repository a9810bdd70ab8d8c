"""The loop behind every store: whatever fails, and when, each record is written once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.domain.errors import ConfigurationError, SinkError
from tests.stores.faking import FakeStore, FakeTopics, loop_of

_GOOD = [b'{"n":%d}' % n for n in range(40)]


def _run(topics: FakeTopics, store: FakeStore) -> object:
    loop = loop_of(topics, store)
    loop.run(threading.Event(), topics.caught_up)
    return loop


@settings(deadline=None, max_examples=60)
@given(
    failing=st.sets(st.integers(0, 40), max_size=12),
    keeps=st.booleans(),
    lag=st.integers(0, 3),
    bad=st.sets(st.integers(0, 39), max_size=3),
)
def test_every_record_is_written_once_whatever_fails(
    failing: set[int], keeps: bool, lag: int, bad: set[int]
) -> None:
    steps = iter(range(10_000))

    def trouble(step: str) -> None:
        del step
        if next(steps) in failing:
            raise SinkError("away")

    values = [b'{"bad":1}' if n in bad else one for n, one in enumerate(_GOOD)]
    topics = FakeTopics([values[:25], [*values[25:], b"no JSON"]])
    store = FakeStore(trouble, keeps=keeps, lag=0 if keeps else lag)
    loop = loop_of(topics, store)
    loop.run(threading.Event(), topics.caught_up)
    places = [(0, n) for n in range(25)] + [(1, n) for n in range(15)]
    good = [one for n, one in enumerate(places) if n not in bad]
    assert sorted(store.rows) == good
    refused = {one for n, one in enumerate(places) if n in bad}
    if keeps:
        assert sorted(store.dead) == sorted(refused | {(1, 15)})
    assert set(store.dead) == refused | {(1, 15)}
    assert loop.counts.holds
    assert topics.committed == store.at


def test_a_store_restored_from_a_backup_is_filled_again() -> None:
    topics = FakeTopics([_GOOD])
    steps = iter(range(1000))

    def trouble(step: str) -> None:
        if next(steps) == 6:
            store.rows, store.at = [], {}
            raise SinkError("away")

    store = FakeStore(trouble, keeps=True)
    _run(topics, store)
    assert store.rows == [(0, n) for n in range(40)]


def test_a_store_that_can_never_be_written_ends_the_process() -> None:
    def trouble(step: str) -> None:
        raise ConfigurationError("wrong password")

    with pytest.raises(ConfigurationError, match="wrong password"):
        _run(FakeTopics([_GOOD]), FakeStore(trouble, keeps=True))


def test_a_store_that_is_away_is_left_alone_by_the_breaker() -> None:
    calls = []
    stop = threading.Event()

    def trouble(step: str) -> None:
        calls.append(step)
        raise SinkError("away")

    topics = FakeTopics([_GOOD])
    loop = loop_of(topics, FakeStore(trouble, keeps=True))
    loop._breaker = type(loop._breaker)("x", 60.0)
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    stop.wait(0.3)
    stop.set()
    thread.join()
    assert calls == ["open"] * 5
    assert topics.polls == 0
    assert not loop.healthy
