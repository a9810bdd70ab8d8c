"""Draws one alert: its series, its window, and the crossed limits. No network."""

import html
import re
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from padit.analysis.documents import PAGE, write_document
from padit.analysis.explain.alert_record import DecidingDetector, ParsedAlert
from padit.analysis.explain.figures import gauge, score_bar, series_figure
from padit.analysis.explain.recompute import Check
from padit.analysis.explain.settings import conditions_of
from padit.domain.rows import Rows
from padit.domain.timestamps import format_utc

__all__ = ["write_page"]

_SIGNS = {"equal": "✓", "different": "✗", "unknown": "?"}
_CLASS = {"equal": "found", "different": "missed", "unknown": "muted"}


def write_page(
    path: str,
    steps: Sequence[ParsedAlert],
    *,
    verdict: str,
    sections: Sequence[tuple[str, Sequence[Check]]],
    notes: Sequence[str],
    rows: Rows | None,
) -> None:
    """Write the page of one alert.

    Args:
        path: file to write; its folders are made.
        steps: its transitions, at least one.
        verdict: of the explanation, in one line.
        sections: the checks, under a heading each.
        notes: changes since, and limits of the result.
        rows: of the series around the alert; None: those of the evidence.

    Raises:
        SinkError: the page cannot be written.
    """
    parsed = _shown(steps)
    fields = {
        "title": html.escape(parsed.alert.summary),
        "style": _part("style.html"),
        "severity": f'<span class="chip {parsed.alert.severity}">{parsed.alert.severity}</span>',
        "subtitle": html.escape(_subtitle(parsed)),
        "verdict": html.escape(verdict),
        "notes": "".join(f"<li>{html.escape(one)}</li>" for one in notes),
        "figure": series_figure(parsed, steps, rows),
        "crossed": _crossed(parsed),
        "scores": _scores(parsed),
        "checks": "".join(_section(title, checks) for title, checks in sections),
        "features": _features(parsed),
        "settings": html.escape(_settings(parsed)),
        "alert": html.escape(parsed.alert.id),
    }
    page = (files("padit.analysis.explain") / "page.html").read_text(encoding="utf-8")
    # In one pass, so that braces in a name of the alert are not taken for a field.
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: fields[found[1]], page)
    write_document(path, page, PAGE)


def _part(name: str) -> str:
    return (files("padit.analysis.report") / name).read_text(encoding="utf-8")


def _shown(steps: Sequence[ParsedAlert]) -> ParsedAlert:
    """The step whose window is drawn: the latest that a window caused."""
    caused = [one for one in steps if one.kind != "resolved"]
    return caused[-1] if caused else steps[-1]


def _subtitle(parsed: ParsedAlert) -> str:
    start, end = (format_utc(moment)[:19].replace("T", " ") for moment in parsed.window)
    name = parsed.alert.detector["name"]
    return (
        f"{parsed.kind} {format_utc(parsed.time)[:19].replace('T', ' ')} UTC · window {start} to "
        f"{end[11:]} · {parsed.evidence.samples} samples · detector {name} "
        f"{parsed.alert.detector['version']}"
    )


def _crossed(parsed: ParsedAlert) -> str:
    decided = msgspec.convert(parsed.alert.detector, DecidingDetector)
    conditions = conditions_of([decided], parsed.series)
    if not conditions:
        text = html.escape(parsed.evidence.text or "The detector gives no limits.")
        return f"<p>{text}</p>"
    return "".join(
        gauge(one, parsed.evidence.features[one["feature"]], parsed.evidence.unit)
        for one in conditions
    )


def _scores(parsed: ParsedAlert) -> str:
    lines = parsed.evidence.thresholds
    return "".join(score_bar(one.name, one.score, lines) for one in parsed.evidence.detectors)


def _section(title: str, checks: Sequence[Check]) -> str:
    rows = "".join(
        f'<tr><td class="tight"><span class="chip {_CLASS[one.state]}">{_SIGNS[one.state]} '
        f"{'not checked' if one.state == 'unknown' else one.state}</span></td>"
        f'<td class="tight">{html.escape(one.what)}</td><td class="wrap">'
        f"{html.escape(one.text)}</td></tr>"
        for one in checks
    )
    return f"<h3>{html.escape(title)}</h3><div class='scroll'><table>{rows}</table></div>"


def _features(parsed: ParsedAlert) -> str:
    return "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{value:.6g}</dd></div>"
        for name, value in parsed.evidence.features.items()
    )


def _settings(parsed: ParsedAlert) -> str:
    shown = {
        "window": parsed.evidence.window,
        "thresholds": parsed.evidence.thresholds,
        "detectors": parsed.detectors,
    }
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
