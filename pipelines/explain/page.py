"""One alert drawn: its series, its window, and which feature crossed which line. No network."""

import html
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import msgspec

from domain.errors import SinkError
from domain.rows import Rows
from domain.timestamps import format_utc
from pipelines.explain.figures import gauge, score_bar, series_figure
from pipelines.explain.recompute import Check
from pipelines.explain.settings import conditions_of
from pipelines.explain.told import Decided, Told

__all__ = ["write_page"]

_SIGNS = {"equal": "✓", "different": "✗", "unknown": "?"}
_CLASS = {"equal": "found", "different": "missed", "unknown": "muted"}


def write_page(
    path: str,
    steps: Sequence[Told],
    *,
    verdict: str,
    sections: Sequence[tuple[str, Sequence[Check]]],
    notes: Sequence[str],
    rows: Rows | None,
) -> None:
    """Write the page of one alert.

    Args:
        path: where to; folders are made.
        steps: its transitions, at least one.
        verdict: of the explanation, in one line.
        sections: what was checked, under a heading each.
        notes: what changed since, and what limits the result.
        rows: of the series around the alert; None: those that the evidence holds.

    Raises:
        SinkError: the page cannot be written.
    """
    told = _shown(steps)
    fields = {
        "title": html.escape(told.alert.summary),
        "style": _part("style.html"),
        "severity": f'<span class="chip {told.alert.severity}">{told.alert.severity}</span>',
        "subtitle": html.escape(_subtitle(told)),
        "verdict": html.escape(verdict),
        "notes": "".join(f"<li>{html.escape(one)}</li>" for one in notes),
        "figure": series_figure(told, steps, rows),
        "crossed": _crossed(told),
        "scores": _scores(told),
        "checks": "".join(_section(title, checks) for title, checks in sections),
        "features": _features(told),
        "settings": html.escape(_settings(told)),
        "alert": html.escape(told.alert.id),
    }
    page = (files("pipelines.explain") / "page.html").read_text(encoding="utf-8")
    # In one pass, so that braces in a name of the alert are not taken for a field.
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: fields[found[1]], page)
    try:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        message = f"the page {path} cannot be written: {error.strerror or error}"
        raise SinkError(message) from error


def _part(name: str) -> str:
    return (files("pipelines.report") / name).read_text(encoding="utf-8")


def _shown(steps: Sequence[Told]) -> Told:
    """The step whose window is drawn: the latest that a window caused."""
    caused = [one for one in steps if one.kind != "resolved"]
    return caused[-1] if caused else steps[-1]


def _subtitle(told: Told) -> str:
    start, end = (format_utc(moment)[:19].replace("T", " ") for moment in told.window)
    name = told.alert.detector["name"]
    return (
        f"{told.kind} {format_utc(told.time)[:19].replace('T', ' ')} UTC · window {start} to "
        f"{end[11:]} · {told.evidence.samples} samples · detector {name} "
        f"{told.alert.detector['version']}"
    )


def _crossed(told: Told) -> str:
    decided = msgspec.convert(told.alert.detector, Decided)
    conditions = conditions_of([decided], told.series)
    if not conditions:
        text = html.escape(told.evidence.text or "The detector gives no limits.")
        return f"<p>{text}</p>"
    return "".join(
        gauge(one, told.evidence.features[one["feature"]], told.evidence.unit) for one in conditions
    )


def _scores(told: Told) -> str:
    lines = told.evidence.thresholds
    return "".join(score_bar(one.name, one.score, lines) for one in told.evidence.detectors)


def _section(title: str, checks: Sequence[Check]) -> str:
    rows = "".join(
        f'<tr><td class="tight"><span class="chip {_CLASS[one.state]}">{_SIGNS[one.state]} '
        f"{'not checked' if one.state == 'unknown' else one.state}</span></td>"
        f'<td class="tight">{html.escape(one.what)}</td><td class="wrap">'
        f"{html.escape(one.text)}</td></tr>"
        for one in checks
    )
    return f"<h3>{html.escape(title)}</h3><div class='scroll'><table>{rows}</table></div>"


def _features(told: Told) -> str:
    return "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{value:.6g}</dd></div>"
        for name, value in told.evidence.features.items()
    )


def _settings(told: Told) -> str:
    shown = {
        "window": told.evidence.window,
        "thresholds": told.evidence.thresholds,
        "detectors": told.detectors,
    }
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
