"""Whether one sentence follows from the alerts that it cites."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from padit.alerting.claims.evidence import NUMBER, WORD, Evidence
from padit.alerting.claims.figures import figure_fault
from padit.alerting.claims.words import (
    ACTORS,
    ACTS,
    CLAIMS,
    COUNTS,
    LEFT,
    NEVER,
    NORMS,
    PLAIN,
    REPORTED,
    STANDS,
)
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
    return fault or _word_fault(NUMBER.sub(_blank, rest), cited, near)


def _without_copies(rest: str, text: str, is_about: Callable[[int], bool]) -> str:
    """The text without what is copied word for word, where that is about the same series."""
    return _whole(text).sub(
        lambda found: _of_a_copy(found) if is_about(found.end()) else found[0], rest
    )


def _of_a_copy(found: re.Match[str]) -> str:
    """Blanks, but for words that what follows may lean on."""
    return re.sub(r"[^\s]+", lambda one: one[0] if one[0] in LEFT else _blank(one), found[0])


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
        self._bare = text
        for places in self._places.values():
            places.sort()
        spots = {at for places in self._places.values() for at, _ in places}
        apart = next((at for at in sorted(spots) if not self.at(at)), None)
        self.fault = "" if apart is None else "no alert that it cites is of that source and metric"

    def of_all(self, place: int) -> list[Evidence]:
        """As `at`, and those that are joined to it by "and": "torque and rpm rose" is of both."""
        found = list(self._cited)
        for kind, places in self._places.items():
            before = [one for one in places if one[0] <= place]
            if not before:
                names = {name for _, name in places[:1]}
            else:
                names = {before[-1][1]}
                for (start, name), (end, _) in reversed(list(pairwise(before))):
                    if set(WORD.findall(self._bare[start:end])) - _JOINS:
                        break
                    names.add(name)
            found = [one for one in found if not names or getattr(one, kind) in names]
        return found

    def mentioned(self) -> list[Evidence]:
        """What is cited, in the order in which it is named; else in the order of the ids."""
        order: list[Evidence] = []
        for kind in ("metric", "source"):
            names = list(dict.fromkeys(name for _, name in self._places[kind]))
            if len(names) == len(self._cited) == len({getattr(c, kind) for c in self._cited}):
                order = [one for name in names for one in self._cited if getattr(one, kind) == name]
                break
        return order or list(self._cited)

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


def _word_fault(rest: str, cited: Sequence[Evidence], near: _Near) -> str:
    theirs = {word for one in cited for word in one.words}
    signs = {one for one in rest if not one.isalpha()} - _SIGNS
    if signs:
        return f"the sign {min(signs)!r} has no place in it"
    found = list(WORD.finditer(rest))
    words = [one[0] for one in found]
    for at, word in enumerate(words):
        if word in NEVER:
            return f"{word} turns around what is known"
        claim = CLAIMS.get(word)
        if claim is None and word not in PLAIN and word not in COUNTS and word not in theirs:
            return f"nothing supports the word {word}"
        if (
            claim is not None
            and not _holds(claim, words, at, cited, near.of_all(found[at].start()), near)
        ) or (not _is_placed(words, at)):
            return f"{word} is not true of what it cites"
    return ""


def _is_placed(words: Sequence[str], at: int) -> bool:
    """Whether a word stands where it says nothing that is not known."""
    word = words[at]
    if word in NORMS:
        before = next((w for w in reversed(words[:at]) if w not in STANDS and w not in NORMS), "")
        states = before in _STATES and not any(w in _FALSE_STATES for w in words[:at])
        return before in LEFT or before == "" or (states and word in _LIMIT_NOUNS)
    if word in ACTS:
        behind = words[at + 1 : at + 4]
        return (at > 0 and words[at - 1] in ACTORS) or bool(set(behind[:2]) & REPORTED)
    return True


def _holds(
    claim: str,
    words: Sequence[str],
    at: int,
    cited: Sequence[Evidence],
    mine: Sequence[Evidence],
    near: _Near,
) -> bool:
    if claim == "all":
        return len(cited) == cited[0].total
    if claim == "two":
        return len(cited) == 2
    if claim == "same":
        return len({one.opened for one in cited}) == 1
    if claim == "order":
        return _in_order(words, at, near.mentioned())
    return bool(mine) and all(claim in one.claims for one in mine)


def _in_order(words: Sequence[str], at: int, mentioned: Sequence[Evidence]) -> bool:
    """Whether alerts came in the order that a word says, as they are named in the sentence."""
    word, by = words[at], words[at + 1 : at + 2] == ["by"]
    if len(mentioned) == 1:
        return word != "before" and not by and "late" in mentioned[0].claims
    backwards = (word in ("after", "following", "later") or (word == "followed" and not by)) == (
        at > 0
    )
    if word in ("then", "next", "subsequently") or by:
        backwards = False
    if word == "before":
        backwards = at == 0
    rows = mentioned[::-1] if backwards else mentioned
    return all(a.opened < b.opened for a, b in pairwise(rows))


_JOINS = frozenset(["and", "or", "of", "on", "from", "the", "both", "as", "well"])
_LIMIT_NOUNS = frozenset(["limit", "limits", "threshold", "thresholds", "bound", "bounds"])
_STATES = frozenset(["with", "reached", "reaches", "against"])
_FALSE_STATES = frozenset(["in", "at"])
