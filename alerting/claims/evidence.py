"""What is known of the alerts of an incident, in the form that sentences are checked against."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from padit.alerting.alert_rows import AlertState
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["NUMBER", "WORD", "Evidence", "evidence_of", "facts_of"]

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?%?(?![\w])")
WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"\w+(?:[-_./:]\w+)+|\b[a-zA-Z]+\d\w*\b")
_MOST = 99


class Evidence(NamedTuple):
    """What is known of one alert of an incident.

    Attributes:
        id: by which it is cited.
        alert: its id.
        source, metric: of its series, in small letters.
        words: of its names, its detector and its summary, in small letters.
        texts: what may be copied word for word: its summary, whole and without its series.
        values, limits: numbers of the summary; a limit stands behind a sign of comparison.
        score, shift, seconds: of it; `seconds` 0: it is still open.
        opened, closed: event times, microseconds; `closed` 0: it is open.
        claims: what may be said of it.
        total: how many alerts there are in all.
    """

    id: str
    alert: str
    source: str
    metric: str
    words: frozenset[str]
    texts: tuple[str, ...]
    values: tuple[float, ...]
    limits: tuple[float, ...]
    score: float
    shift: float
    opened: int
    closed: int
    claims: frozenset[str]
    total: int

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.closed - self.opened) / MICROS if self.closed else 0.0


def evidence_of(view: Mapping[str, Any], rows: Sequence[AlertState]) -> list[Evidence]:
    """Evidence out of an incident, the oldest alert first; of very many the first 99."""
    ordered = sorted(rows, key=lambda one: (one.opened, one.source_id, one.metric_name))
    cause = view["causes"][0] if view.get("causes") and view.get("decided") else None
    named = cause["source"] if isinstance(cause, dict) else cause[0] if cause else ""
    return [
        _evidence(number, one, ordered[0].opened, one.source_id == named, len(ordered))
        for number, one in enumerate(ordered[:_MOST], 1)
    ]


def _evidence(number: int, one: AlertState, first: int, is_cause: bool, total: int) -> Evidence:
    claims = {one.severity, "over" if one.closed else "open", "first" if one.opened == first else
              "late"}  # fmt: skip
    said = set(WORD.findall(one.summary.lower()))
    if one.shift > 0 or ">" in one.summary or "above" in said:
        claims.add("up")
    if one.shift < 0 or "<" in one.summary or "below" in said:
        claims.add("down")
    if is_cause:
        claims.add("cause")
    values, limits = _numbers(one)
    _, _, tail = one.summary.lower().partition(": ")
    text = f"{one.source_id} {one.metric_name} {one.summary} {one.detector}"
    return Evidence(
        f"A{number}", one.id, one.source_id.lower(), one.metric_name.lower(),
        frozenset(word.lower() for word in WORD.findall(text)),
        tuple(part for part in (one.summary.lower(), tail) if len(part) > 3),
        values, limits, one.score, abs(one.shift), one.opened, one.closed, frozenset(claims), total,
    )  # fmt: skip


def _numbers(one: AlertState) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Numbers of a summary that are measured, and those that they are compared with."""
    text = one.summary
    for name in sorted({one.source_id, one.metric_name}, key=len, reverse=True):
        text = text.replace(name, " ")
    text = _NAME.sub(lambda found: " " if any(map(str.isalpha, found[0])) else found[0], text)
    values: list[float] = []
    limits: list[float] = []
    for found in NUMBER.finditer(text):
        before = text[: found.start()].rstrip()
        is_limit = before.endswith(("<", ">", "=")) or bool(_LIMIT.search(before))
        (limits if is_limit else values).append(float(found[0].rstrip("%")))
    return tuple(values), tuple(limits)


_LIMIT = re.compile(r"\b(?:limit|threshold|than|above|below|over|under|outside|and|to|of)$", re.I)


def facts_of(evidence: Sequence[Evidence], rows: Sequence[AlertState]) -> list[dict[str, Any]]:
    """The evidence as plain values: all that the language model is given."""
    by_id = {one.id: one for one in rows}
    found = []
    for one in evidence:
        row = by_id[one.alert]
        fact: dict[str, Any] = {
            "id": one.id, "source": row.source_id, "metric": row.metric_name,
            "summary": row.summary, "severity": row.severity, "score": row.score,
            "detector": row.detector, "opened": format_utc(row.opened),
            "closed": format_utc(row.closed) if row.closed else None,
            "may_be_called": sorted(one.claims),
        }  # fmt: skip
        if row.shift:
            fact["usual_spreads_away"] = round(row.shift, 1)
        found.append(fact)
    return found
