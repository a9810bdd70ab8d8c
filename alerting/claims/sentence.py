"""Whether one sentence follows from the alerts that it cites."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from padit.alerting.claims.evidence import NUMBER, WORD, Evidence
from padit.alerting.claims.figures import figure_fault
from padit.alerting.claims.words import CLAIMS, COUNTS, NEVER, PLAIN
from padit.domain.timestamps import format_utc

__all__ = ["Checked", "check", "sentences_of"]

_LONGEST = 400
_CITED = re.compile(r"\[(A\d{1,3})\]")
_GROUP = re.compile(r"\[(A\d{1,3}(?:\s*(?:,|and|;)\s*A\d{1,3})+)\]")
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})(?:[t ](?P<at>\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?(?:z|\s?utc)?)?"
    r"|(?<![\w.:])(?P<clock>\d{2}:\d{2}(?::\d{2})?)(?:\.0+)?z?(?![\w:])"
)
_NAME = re.compile(r"\w+(?:[-_./:]\w+)+|\b[a-z]+\d\w*\b")
_BEHIND = re.compile(r"[-+]?[\d.]+%?\s+(?:for|on|of|in)\s+(?:the\s+)?")
_END = re.compile(r"(?<=[.!?])\s+|\n+")
_OPENED = frozenset(
    """
    began begin begins opened opens opening started start starts since from raised triggered
    fired first
    """.split()  # noqa: SIM905
)
_CLOSED = frozenset(["ended", "ends", "closed", "resolved", "finished", "until", "to", "over"])
_SIGNS = frozenset(" .,;:()'-><=%/+")


class Checked(NamedTuple):
    """A sentence, the alerts that it cites, and why it is struck out; empty: it is kept."""

    text: str
    alerts: tuple[str, ...]
    why: str


def sentences_of(text: str) -> list[str]:
    """Sentences of a text, without empty ones; marks of lists are dropped."""
    parts = (re.sub(r"^(?:[-*\u2022]|\d+[.)])\s+", "", one.strip()) for one in _END.split(text))
    found: list[str] = []
    for one in parts:
        if found and _CITED.match(one) and not _CITED.sub("", one).strip(" .;,"):
            found[-1] += f" {one}"  # the ids stood behind the full stop
        elif one.strip():
            found.append(one)
    return found


def check(sentence: str, evidence: Sequence[Evidence]) -> Checked:
    """Whether a sentence follows from what it cites."""
    if len(sentence) > _LONGEST:
        return Checked(sentence[:_LONGEST], (), "it is too long")
    text = _GROUP.sub(lambda one: " ".join(f"[{e}]" for e in re.findall(r"A\d+", one[1])), sentence)
    known = {one.id: one for one in evidence}
    cited = list(dict.fromkeys(_CITED.findall(text)))
    shown = re.sub(r"\s+([.,;!?])", r"\1", " ".join(_CITED.sub(" ", text).split()))
    shown = re.sub(r"[.;,]+([.!?])", r"\1", shown)
    alerts = tuple(known[one].alert for one in cited if one in known)
    if not cited or len(alerts) < len(cited):
        return Checked(shown, alerts, "it cites no evidence, or some that is not there")
    fault = _fault(_CITED.sub(" ", text).lower(), [known[one] for one in cited])
    return Checked(shown, alerts, fault)


def _fault(plain: str, cited: Sequence[Evidence]) -> str:
    """What of a sentence does not follow; empty: all of it does.

    What is checked is overwritten by blanks, so that places in the text stay what they are.
    """
    near = _Near(plain, cited)
    rest = plain
    for text, one in sorted(
        ((text, one) for one in cited for text in one.texts), key=lambda one: (-len(one[0]), one[0])
    ):
        if not NEVER & set(WORD.findall(text)):
            rest = _without_copies(rest, text, lambda place, one=one: one in near.at(place))  # type: ignore[misc]
    for name in near.names:
        rest = _whole(name).sub(_blank, rest)
    rest, fault = _moments(rest, near)
    if fault:
        return fault
    foreign = next((one for one in _NAME.finditer(rest) if any(map(str.isalpha, one[0]))), None)
    if foreign is not None:
        return f"{foreign[0]} is no name of what it cites"
    fault = near.fault or figure_fault(rest, cited, near.at)
    return fault or _word_fault(NUMBER.sub(_blank, rest), cited)


def _without_copies(rest: str, text: str, is_about: Callable[[int], bool]) -> str:
    """The text without what is copied word for word, where that is about the same series."""
    return _whole(text).sub(
        lambda found: _blank(found) if is_about(found.end()) else found[0], rest
    )


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _whole(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w]){re.escape(text)}(?![\w])")


class _Near:
    """Which of the cited alerts a place of the text is about, by the names nearest to it.

    Attributes:
        names: of the cited series, the longest first, without those that turn or claim something.
        fault: a metric and a source are named together, and no cited alert is of both.
    """

    def __init__(self, plain: str, cited: Sequence[Evidence]) -> None:
        self._cited = cited
        self._plain = plain
        found = {name for one in cited for name in (one.source, one.metric)}
        free = {name for name in found if name not in NEVER and name not in CLAIMS}
        self.names = sorted(free, key=lambda one: (-len(one), one))
        self._places: dict[str, list[tuple[int, str]]] = {"source": [], "metric": []}
        text = plain
        for name in self.names:
            for match in _whole(name).finditer(text):
                for kind, places in self._places.items():
                    if any(getattr(one, kind) == name for one in cited):
                        places.append((match.start(), name))
            text = _whole(name).sub(_blank, text)
        for places in self._places.values():
            places.sort()
        spots = {at for places in self._places.values() for at, _ in places}
        apart = next((at for at in sorted(spots) if not self.at(at)), None)
        self.fault = "" if apart is None else "no alert that it cites is of that source and metric"

    def at(self, place: int) -> list[Evidence]:
        """Alerts that a place can be about."""
        found = list(self._cited)
        behind = _BEHIND.match(self._plain, place)  # "0.72 for rpm": of the name that comes
        limit = behind.end() if behind else place
        for kind, places in self._places.items():
            if not places:
                continue
            before = [name for at, name in places if at <= limit]
            one = before[-1] if before else places[0][1]
            found = [each for each in found if getattr(each, kind) == one]
        return found


def _moments(rest: str, near: _Near) -> tuple[str, str]:
    """The text without its times, and what is wrong with one of them."""
    for found in _MOMENT.finditer(rest):
        day, clock = found["day"], found["at"] or found["clock"]
        before = WORD.findall(rest[: found.start()])
        side = next((one for one in reversed(before[-6:]) if one in _OPENED or one in _CLOSED), "")
        times = [
            format_utc(moment)
            for one in near.at(found.start())
            for moment in (
                (one.opened if side not in _CLOSED else 0),
                (one.closed if side not in _OPENED else 0),
            )
            if moment
        ]
        if not any((day is None or one.startswith(day)) and
                   (clock is None or one[11:].startswith(clock)) for one in times):  # fmt: skip
            return rest, f"{found[0].strip()} is no such time of what it cites"
    return _MOMENT.sub(_blank, rest), ""


def _word_fault(rest: str, cited: Sequence[Evidence]) -> str:
    theirs = {word for one in cited for word in one.words}
    signs = {one for one in rest if not one.isalpha()} - _SIGNS
    if signs:
        return f"the sign {min(signs)!r} has no place in it"
    for word in WORD.findall(rest):
        if word in NEVER:
            return f"{word} turns around what is known"
        claim = CLAIMS.get(word)
        if claim is not None and not _HOLDS.get(claim, _each(claim))(cited):
            return f"{word} is not true of what it cites"
        if claim is None and word not in PLAIN and word not in COUNTS and word not in theirs:
            return f"nothing supports the word {word}"
    return ""


def _each(claim: str) -> Callable[[Sequence[Evidence]], bool]:
    return lambda cited: all(claim in one.claims for one in cited)


_HOLDS: dict[str, Callable[[Sequence[Evidence]], bool]] = {
    "all": lambda cited: len(cited) == cited[0].total,
    "two": lambda cited: len(cited) == 2,
    # Of several, those named later have to have come later; of one, another has to be before it.
    "late": lambda cited: (
        _each("late")(cited[-1:])
        if len(cited) == 1
        else all(a.opened < b.opened for a, b in pairwise(cited))
    ),
}
