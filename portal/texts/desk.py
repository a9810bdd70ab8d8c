"""Where the page asks for the text of an incident: asks once, and checks all that comes."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from padit.alerting.alert_rows import AlertState
from padit.alerting.claims import Checked, Evidence, check, facts_of
from padit.portal.texts.model import Endpoint
from padit.portal.texts.records import REQUEST, Request, Result, Topics, decoded, encoded
from padit.portal.texts.shelf import Shelf, Text
from padit.portal.texts.worker import Worker

__all__ = ["Desk", "Story"]

_AGAIN_SECONDS = 60.0
_AHEAD_SECONDS = 300.0
_MOST_INCIDENTS = 5_000


class Story(NamedTuple):
    """State (off, writing, written, away, capped), checked sentences, and why there are no more."""

    state: str
    checked: list[Checked]
    why: str = ""


class Desk:
    """Requests and answers.

    Args:
        endpoint: of the model.
        topics: that requests and results go over.
        clock: seconds since 1970.

    Raises:
        ConfigurationError: the address of the model is none.
    """

    def __init__(
        self, endpoint: Endpoint, topics: Topics, clock: Callable[[], float] = time.time
    ) -> None:
        self._endpoint = endpoint.checked()
        self._topics = topics
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, list[str]] = OrderedDict()
        self._given: dict[str, float] = {}
        self._changed: Callable[[str], None] = lambda incident: None
        self.shelf = Shelf()
        self.worker = Worker(endpoint, topics, self.shelf, clock)

    def start(self, changed: Callable[[str], None]) -> None:
        """Begin; `changed` is called with an incident of which something was written."""
        self._changed = changed
        self._topics.start(self.worker.take, self._receive)

    def stop(self) -> None:
        """Stop."""
        self.worker.stopping = True
        self._topics.stop()

    @property
    def figures(self) -> dict[str, object]:
        """For the view Health."""
        return {
            "asked": self.shelf.asked(self._clock()), "most": self._endpoint.most,
            "failed": self.worker.failed, "left_alone": self.worker.breaker.open,
            "trouble": self._topics.trouble,
        }  # fmt: skip

    def look(
        self, incident: str, evidence: Sequence[Evidence], rows: Sequence[AlertState]
    ) -> Story:
        """The text of an incident so far; it is asked for unless that was done of late.

        Args:
            incident: its id.
            evidence: of it.
            rows: its alerts.
        """
        facts = facts_of(evidence, rows)
        body = encoded([self._endpoint.model, facts])
        name = sha256(body).hexdigest()
        now = self._clock()
        with self._lock:
            history = self._asked.setdefault(incident, [])
            self._asked.move_to_end(incident)
            give = self._wanted(name, self._given.get(incident, 0.0), now)
            if give:
                self._given[incident] = now
                if name not in history:
                    history.append(name)
                    del history[:-2]
            while len(self._asked) > _MOST_INCIDENTS:
                self._given.pop(self._asked.popitem(last=False)[0], None)
            names, since = [name, *reversed(history)], self._given.get(incident, 0.0)
        if give:
            request = Request(name, incident, now, facts)
            self._topics.give(REQUEST, name, encoded(request))
        return self._story(names, evidence, since)

    def _wanted(self, name: str, before: float, now: float) -> bool:
        """Whether to ask: it was not written, and nothing of the incident was asked of late."""
        known = self.shelf.get(name)
        if known is not None and known.state == "written":
            return False
        if known is not None and now - known.heard < _AGAIN_SECONDS:
            return False
        return now - before >= _AGAIN_SECONDS

    def _story(self, names: Sequence[str], evidence: Sequence[Evidence], since: float) -> Story:
        """The latest text that has sentences, and the state of what was asked for at `since`."""
        texts = [one for one in map(self.shelf.get, names) if one is not None]
        latest = texts[0] if texts else None
        best = next((one for one in texts if one.sentences), latest)
        checked = [] if best is None else _checked(best, evidence)
        waits = latest is not None and latest.state != "written" and latest.heard < since
        if latest is None or not latest.ended or waits:
            return Story("writing", checked)
        return Story(latest.state, checked, latest.why)

    def _receive(self, data: bytes) -> None:
        one = decoded(data, Result)
        if one is not None and one.at < self._clock() + _AHEAD_SECONDS:
            self.shelf.take(one)
            self._changed(one.incident)


def _checked(text: Text, evidence: Sequence[Evidence]) -> list[Checked]:
    return [check(text.sentences[n], evidence) for n in sorted(text.sentences)]
