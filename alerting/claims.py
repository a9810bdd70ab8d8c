"""Checks sentences about an incident against its alerts; what does not check is not shown.

A sentence is kept only if it cites alerts by their ids (`[A1]`), each of its numbers is theirs or
counts what it cites, each of its words is one of theirs or one of a closed list, and each word
that says something of them (above, open, critical, first, cause) is true of them. So text that a
language model wrote can neither invent nor ask for anything: an unlisted word strikes its sentence.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from padit.alerting.overview import AlertState
from padit.domain.timestamps import format_utc

__all__ = ["Checked", "Evidence", "check", "evidence_of", "sentences_of"]

_LONGEST = 400
_CITED = re.compile(r"\[(A\d{1,3})\]")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?%?")
_CLOCK = re.compile(r"\b\d{2}:\d{2}(?::\d{2})?\b")
_WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"\w+(?:[-_./:]\w+)+|\b[a-zA-Z]+\d\w*\b")
_END = re.compile(r"(?<=[.!?])\s+|\n+")
_PLAIN = frozenset(
    """a an and are as at by for from had has have in is it its of on one only or s same the their
    there these this those to two was were which while with also all both each alert alerts series
    machine source sources metric metrics incident value values median mean limit limits score
    scored severity reached shows showed began begin begins opened started start time together
    usual spread spreads range expected than more utc minutes seconds""".split()  # noqa: SIM905
)
_CLAIMS: dict[str, str] = {
    word: claim
    for claim, words in {
        "up": "above higher high rose rise rises rising exceeded exceeds over-limit increased",
        "down": "below lower low fell fall falls falling dropped drops decreased",
        "open": "open ongoing still",
        "over": "resolved ended over closed",
        "CRITICAL": "critical",
        "WARNING": "warning",
        "first": "first earliest",
        "cause": "cause likely",
    }.items()
    for word in words.split()
}


class Evidence(NamedTuple):
    """What is known of one alert of an incident.

    Attributes:
        id: by which it is cited.
        alert: its id.
        words: of its names and its summary, in small letters.
        names: source and metric.
        numbers: of its summary, score and shift.
        clocks: times of day at which it opened and ended.
        claims: what may be said of it.
    """

    id: str
    alert: str
    words: frozenset[str]
    names: frozenset[str]
    numbers: tuple[float, ...]
    clocks: frozenset[str]
    claims: frozenset[str]


class Checked(NamedTuple):
    """A sentence, the alerts that it cites, and why it is struck out; empty: it is kept."""

    text: str
    alerts: tuple[str, ...]
    why: str


def evidence_of(view: Mapping[str, Any], rows: Sequence[AlertState]) -> list[Evidence]:
    """Evidence out of an incident, the oldest alert first."""
    ordered = sorted(rows, key=lambda one: (one.opened, one.source_id, one.metric_name))[:99]
    cause = view["causes"][0]["source"] if view.get("causes") and view.get("decided") else ""
    found = []
    for number, one in enumerate(ordered, 1):
        text = f"{one.source_id} {one.metric_name} {one.summary}"
        claims = {one.severity, "over" if one.closed else "open"}
        if one.shift > 0 or ">" in one.summary:
            claims.add("up")
        if one.shift < 0 or "<" in one.summary:
            claims.add("down")
        if one.opened == ordered[0].opened:
            claims.add("first")
        if one.source_id == cause:
            claims.add("cause")
        clocks = {format_utc(moment)[11:19] for moment in (one.opened, one.closed) if moment}
        plain = _NUMBER.findall(_NAME.sub(_without_names, one.summary))
        found.append(Evidence(
            f"A{number}", one.id, frozenset(word.lower() for word in _WORD.findall(text)),
            frozenset((one.source_id.lower(), one.metric_name.lower())),
            (*(float(each.rstrip("%")) for each in plain), one.score, one.score * 100,
             abs(one.shift)),
            frozenset(clocks | {clock[:5] for clock in clocks}), frozenset(claims),
        ))  # fmt: skip
    return found


def sentences_of(text: str) -> list[str]:
    """Sentences of a text, without empty ones."""
    return [one.strip() for one in _END.split(text) if one.strip()]


def check(sentence: str, evidence: Sequence[Evidence]) -> Checked:
    """Whether a sentence follows from what it cites."""
    known = {one.id: one for one in evidence}
    cited = list(dict.fromkeys(_CITED.findall(sentence)))
    plain = " ".join(_CITED.sub(" ", sentence).split())
    shown = re.sub(r"\s+([.,;!?])", r"\1", plain)[:_LONGEST]
    alerts = tuple(known[one].alert for one in cited if one in known)
    if len(sentence) > _LONGEST:
        return Checked(shown, alerts, "it is too long")
    if not cited or len(alerts) < len(cited):
        return Checked(shown, alerts, "it cites no evidence, or some that is not there")
    return Checked(shown, alerts, _fault(plain, [known[one] for one in cited]))


def _has_letter(text: str) -> bool:
    return any(one.isalpha() for one in text)


def _without_names(found: re.Match[str]) -> str:
    """Nothing instead of a name; a decimal number is none."""
    return " " if _has_letter(found[0]) else found[0]


def _fault(plain: str, cited: Sequence[Evidence]) -> str:
    """What of a sentence does not follow; empty: all of it does."""
    rest = plain.lower()
    for name in sorted({name for one in cited for name in one.names}, key=len, reverse=True):
        rest = rest.replace(name, " ")
    clocks = {clock for one in cited for clock in one.clocks}
    for clock in _CLOCK.findall(rest):
        if clock not in clocks:
            return f"{clock} is no time of what it cites"
    rest = _CLOCK.sub(" ", rest)
    foreign = next((one for one in _NAME.finditer(rest) if _has_letter(one[0])), None)
    if foreign is not None:
        return f"{foreign[0]} is no name of what it cites"
    for number in _NUMBER.findall(rest):
        if not _is_of(number, cited):
            return f"{number} is no number of what it cites"
    return _words(_NUMBER.sub(" ", rest), cited)


def _is_of(text: str, cited: Sequence[Evidence]) -> bool:
    """Whether a number, as precisely as it is given, is one of the evidence, or counts it."""
    digits = text.rstrip("%")
    places = len(digits.partition(".")[2])
    value = abs(float(digits))
    sources = len({name for one in cited for name in one.names})
    counts = (float(len(cited)),) if not text.endswith("%") and sources else ()
    known = (*counts, *(abs(number) for one in cited for number in one.numbers))
    return any(abs(round(number, places) - value) < 1e-9 for number in known)


def _words(rest: str, cited: Sequence[Evidence]) -> str:
    theirs = {word for one in cited for word in one.words}
    signs = set(rest) - set(" .,;:()'-><=%/") - {one for one in rest if one.isalpha()}
    if signs:
        return f"the sign {min(signs)!r} has no place in it"
    for word in _WORD.findall(rest):
        claim = _CLAIMS.get(word)
        if claim is not None:
            if not all(claim in one.claims for one in cited):
                return f"{word} is not true of what it cites"
        elif word not in _PLAIN and word not in theirs:
            return f"nothing supports the word {word}"
    return ""
