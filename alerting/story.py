"""The story of an incident in plain words: what began it, what failed first, what it reaches.

Every sentence follows from alerts, and names them; nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from padit.alerting.alert_rows import AlertState
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["story_of"]

_FIRST_WITHIN = 60 * MICROS
_MOST = 5


def story_of(view: Mapping[str, Any], rows: Sequence[AlertState]) -> dict[str, Any]:
    """Three lists of sentences, each with its facts and the ids of its alerts, the first 20.

    Args:
        view: of the incident, as `Overview.incident` gives it.
        rows: its alerts.
    """
    ordered = sorted(rows, key=lambda one: (one.opened, one.source_id, one.metric_name))
    return {
        "cause": _cause(view, ordered),
        "first": _first(ordered),
        "impact": _impact(ordered),
    }


def _first(ordered: Sequence[AlertState]) -> list[dict[str, Any]]:
    early = [one for one in ordered if _early(one, ordered)]
    found = [_opening(one) for one in early[:_MOST]]
    rest = early[_MOST:]
    if rest:
        words = f"{len(rest)} more within the first minute."
        found.append(_sentence("first_more", {"n": len(rest)}, words, rest))
    return found


def _early(one: AlertState, ordered: Sequence[AlertState]) -> bool:
    return one.opened - ordered[0].opened <= _FIRST_WITHIN


def _sentence(
    kind: str, values: dict[str, Any], text: str, alerts: Sequence[AlertState]
) -> dict[str, Any]:
    """A sentence in English, and the facts that other languages make theirs of."""
    named = [one.id for one in alerts[:20]]
    return {"kind": kind, "values": values, "text": text, "alerts": named}


def _opening(one: AlertState) -> dict[str, Any]:
    values: dict[str, Any] = {
        "time": format_utc(one.opened)[11:19], "what": one.summary or one.metric_name
    }  # fmt: skip
    words = f"{values['time']} {values['what']}"
    if not one.shift:
        return _sentence("first", values, words, [one])
    way, spreads = "above" if one.shift > 0 else "below", f"{abs(one.shift):.1f}"
    words += f", {spreads} usual spreads {way}"
    return _sentence(f"first_{way}", values | {"n": spreads}, words, [one])


def _cause(view: Mapping[str, Any], ordered: Sequence[AlertState]) -> list[dict[str, Any]]:
    causes = view["causes"]
    if not causes:
        return []
    first = causes[0]
    source, why = first["source"], first["why"]
    values: dict[str, Any] = {"source": source, "speaks": first["speaks"]}
    alerts = [one for one in ordered if one.source_id == source]
    if len(view["sources"]) == 1:
        return [_sentence("all_on", values, f"All of it is on {source}: {why}.", alerts)]
    if view["decided"]:
        values["share"] = f"{first['score']:.0%}"
        words = f"Most likely {source} ({values['share']} of the evidence): {why}."
        return [_sentence("likely", values, words, alerts)]
    names = ", ".join(one["source"] for one in causes)
    words = f"It cannot be told which was first: {names} are close."
    return [_sentence("unclear", {"names": names}, words, ordered)]


def _impact(ordered: Sequence[AlertState]) -> list[dict[str, Any]]:
    still = [one for one in ordered if not one.closed]
    found = [_reach(ordered)]
    if still:
        values: dict[str, Any] = {"n": len(still), "all": len(ordered)}
        words = f"{len(still)} of {len(ordered)} alerts still open."
        found.append(_sentence("still_open", values, words, still))
    elif ordered:
        last = max(one.closed for one in ordered)
        minutes = f"{(last - ordered[0].opened) / MICROS / 60:.0f}"
        words = f"It was over after {minutes} minutes."
        found.append(_sentence("over", {"n": minutes}, words, ordered))
    return found


def _reach(ordered: Sequence[AlertState]) -> dict[str, Any]:
    sources = sorted({one.source_id for one in ordered})
    series = len({(one.source_id, one.metric_name) for one in ordered})
    values: dict[str, Any] = {"n": series, "names": ", ".join(sources[:_MOST])}
    words = f"{series} series of {values['names']}"
    if len(sources) <= _MOST:
        return _sentence("reach", values, f"{words}.", ordered)
    more = len(sources) - _MOST
    return _sentence("reach_more", values | {"more": more}, f"{words} and {more} more.", ordered)
