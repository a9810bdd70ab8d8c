"""Answers requests: asks the model, and gives each sentence as soon as it is whole."""

import time
import urllib.error
from collections.abc import Callable

from padit.alerting.claims import sentences_of
from padit.ops.retrying import Breaker
from padit.portal.texts.model import FAILURES, Endpoint, pieces
from padit.portal.texts.records import (
    FAILED,
    MOST_SENTENCES,
    RESULT,
    Failed,
    Request,
    Result,
    State,
    Topics,
    decoded,
    encoded,
)
from padit.portal.texts.shelf import Shelf

__all__ = ["Worker"]

_LONGEST = 2_000
_OLD_SECONDS = 600.0


class Worker:
    """Takes requests, one at a time.

    Args:
        endpoint: of the model.
        topics: for results and failures.
        shelf: of what was written.
        clock: seconds since 1970.
    """

    def __init__(
        self, endpoint: Endpoint, topics: Topics, shelf: Shelf,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._endpoint = endpoint
        self._topics = topics
        self._shelf = shelf
        self._clock = clock
        self.breaker = Breaker("language model")
        self.failed = 0
        self.stopping = False

    def take(self, data: bytes) -> None:
        """Answer a request; never raises for what is in it."""
        one = decoded(data, Request)
        if one is None:
            self._fail(None, data, "it is no request")
            return
        known = self._shelf.get(one.id)
        if known is not None and known.state == "written":
            return
        if one.at < self._clock() - _OLD_SECONDS:
            self._fail(one, data, "nobody waits for it any more")
            return
        if self._shelf.asked(self._clock()) >= self._endpoint.most:
            self._end(one, "capped", f"the {self._endpoint.most} requests of a day are used up")
            self._fail(one, data, "the requests of a day are used up")
            return
        try:
            done = self.breaker.call(lambda: self._write(one))
            why = "" if done else "the model failed too often, and is left alone for a minute"
        except FAILURES as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            why = (str(error) or type(error).__name__)[:300]
        if why:
            self._end(one, "away", why)
            self._fail(one, data, why)

    def _write(self, one: Request) -> bool:
        self._give(one, "begun")
        text, given = "", 0
        for piece in pieces(self._endpoint, one.facts):
            text += piece
            if self.stopping:
                message = "the portal stops"
                raise ConnectionError(message)
            # The last may go on, and ids behind a full stop belong to the one before it.
            for sentence in sentences_of(text)[given:-2]:
                given = self._sentence(one, given, sentence)
        for sentence in sentences_of(text)[given:]:
            given = self._sentence(one, given, sentence)
        self._give(one, "written", n=min(given, MOST_SENTENCES - 1))
        return True

    def _sentence(self, one: Request, n: int, text: str) -> int:
        if n < MOST_SENTENCES:
            self._give(one, "writing", n=n, text=text[:_LONGEST])
        return n + 1

    def _end(self, one: Request, state: State, why: str) -> None:
        self._give(one, state, why=why)

    def _give(
        self, one: Request, state: State, n: int = 0, text: str = "", why: str = ""
    ) -> None:  # fmt: skip
        result = Result(one.id, one.incident, self._clock(), state, n, text, why)
        self._topics.give(RESULT, one.id, encoded(result))

    def _fail(self, one: Request | None, data: bytes, why: str) -> None:
        self.failed += 1
        failed = Failed(why, self._clock(), data[:100_000].decode("utf-8", "replace"))
        self._topics.give(FAILED, one.id if one else "", encoded(failed))
