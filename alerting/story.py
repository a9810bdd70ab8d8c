"""The story of an incident in plain words: what began it, what failed first, what it reaches.

Every sentence follows from alerts, and names them; nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from padit.alerting.overview import AlertState
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["story_of"]

_FIRST_WITHIN = 60 * MICROS
_MOST = 5


def story_of(view: Mapping[str, Any], rows: Sequence[AlertState]) -> dict[str, Any]:
    """Three lists of sentences, each with the ids of its alerts.

    Args:
        view: of the incident, as `Overview.incident` gives it.
        rows: its alerts.
    """
    ordered = sorted(rows, key=lambda one: (one.opened, one.source_id, one.metric_name))
    return {
        "cause": _cause(view, ordered),
        "first": [_opening(one) for one in ordered if _early(one, ordered)][:_MOST],
        "impact": _impact(view, ordered),
    }


def _early(one: AlertState, ordered: Sequence[AlertState]) -> bool:
    return one.opened - ordered[0].opened <= _FIRST_WITHIN


def _sentence(text: str, alerts: Sequence[AlertState]) -> dict[str, Any]:
    return {"text": text, "alerts": [one.id for one in alerts[:20]]}


def _opening(one: AlertState) -> dict[str, Any]:
    words = f"{format_utc(one.opened)[11:19]} {one.summary or one.metric_name}"
    if one.shift:
        words += f", {abs(one.shift):.1f} usual spreads {'above' if one.shift > 0 else 'below'}"
    return _sentence(words, [one])


def _cause(view: Mapping[str, Any], ordered: Sequence[AlertState]) -> list[dict[str, Any]]:
    causes = view["causes"]
    if not causes:
        return []
    first = causes[0]
    source, score, why = (
        (first["source"], first["score"], first["why"]) if isinstance(first, dict) else first
    )
    alerts = [one for one in ordered if one.source_id == source]
    if len(view["sources"]) == 1:
        return [_sentence(f"All of it is on {source}: {why}.", alerts)]
    if view["decided"]:
        return [_sentence(f"Most likely {source} ({score:.0%} of the evidence): {why}.", alerts)]
    names = ", ".join(one["source"] if isinstance(one, dict) else one[0] for one in causes)
    return [_sentence(f"It cannot be told which was first: {names} are close.", ordered)]


def _impact(view: Mapping[str, Any], ordered: Sequence[AlertState]) -> list[dict[str, Any]]:
    still = [one for one in ordered if not one.closed]
    sources = sorted({one.source_id for one in ordered})
    named = ", ".join(sources[:_MOST]) + (
        f" and {len(sources) - _MOST} more" if len(sources) > _MOST else ""
    )
    series = len({(one.source_id, one.metric_name) for one in ordered})
    words = f"{series} series of {named}."
    found = [_sentence(words, ordered)]
    if still:
        found.append(_sentence(f"{len(still)} of {len(ordered)} alerts are still open.", still))
    elif ordered:
        last = max(one.closed for one in ordered)
        length = (last - ordered[0].opened) / MICROS / 60
        found.append(_sentence(f"It was over after {length:.0f} minutes.", ordered))
    return found
