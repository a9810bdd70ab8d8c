"""What was written so far, by request: out of the results, whoever gave them."""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from padit.portal.texts.records import Result, State

__all__ = ["Shelf", "Text"]

_MOST_KEPT = 1_000
_MOST_BEGUN = 10_000
_DAY = 86_400.0


@dataclass
class Text:
    """An answer so far.

    Attributes:
        state: of it.
        heard: when something was last heard of it, seconds since 1970.
        sentences: raw, by number.
        why: of an end that is none of `written`.
    """

    state: State
    heard: float
    sentences: dict[int, str] = field(default_factory=dict)
    why: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ("written", "away", "capped")


class Shelf:
    """Texts by request, the latest thousand; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: OrderedDict[str, Text] = OrderedDict()
        self._begun: deque[tuple[float, str]] = deque(maxlen=_MOST_BEGUN)

    def take(self, one: Result) -> None:
        """Put a result where it belongs."""
        with self._lock:
            known = self._texts.get(one.request)
            if one.state == "begun":
                self._begun.append((one.at, one.request))
            if known is None or one.state == "begun":
                known = self._texts[one.request] = Text(one.state, one.at)
                self._texts.move_to_end(one.request)
            elif known.state == "written":
                return
            known.state, known.heard, known.why = one.state, one.at, one.why
            if one.text:
                known.sentences[one.n] = one.text
            while len(self._texts) > _MOST_KEPT:
                self._texts.popitem(last=False)

    def get(self, request: str) -> Text | None:
        """A copy of a text."""
        with self._lock:
            one = self._texts.get(request)
            return None if one is None else Text(one.state, one.heard, dict(one.sentences), one.why)

    def asked(self, now: float) -> int:
        """How often the model was asked within a day, by every portal that shares the topics."""
        with self._lock:
            return sum(at > now - _DAY for at, _ in self._begun)
