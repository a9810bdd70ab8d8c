"""Writes the page: one HTML file with everything in it, no network."""

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec

from padit.analysis.documents import PAGE, write_document
from padit.analysis.report.charts import chart, span_of, window_length
from padit.analysis.report.table import duration_text, first_delays, headline
from padit.analysis.report.truth import Episode, Features, Match, Truth, match
from padit.domain.rows import Rows
from padit.domain.timestamps import format_utc

__all__ = ["write_report"]

_MILLI = 1000
_MOST_SOURCES = 24
_COUNTS = ("scored", "late", "duplicate", "dead_lettered", "waiting", "in_flight")


def write_report(
    path: str,
    *,
    rows: Rows,
    alerts: Sequence[Episode],
    features: Mapping[tuple[str, str], Features] | None = None,
    labels: Sequence[Truth] | None = None,
    summary: Mapping[str, Any] | None = None,
    title: str = "PADIT report",
) -> None:
    """Write the result of a run as one HTML page.

    Args:
        path: file to write; its folders are made.
        rows: input samples of the job, in any order.
        alerts: from `read_alerts`.
        features: from `read_features`; without them only series and alerts are drawn.
        labels: from `read_labels`; None where no truth is known.
        summary: the conservation line of the run.
        title: of the page.

    Raises:
        SinkError: the page cannot be written.
    """
    window = window_length(alerts)
    lines = match(alerts, labels, window)
    span = span_of(rows, alerts, labels or ())
    data = {
        "span": [span[0] // _MILLI, -(-span[1] // _MILLI)],
        "window": window // _MILLI,
        "known": labels is not None,
        "lanes": _lanes(rows, lines, span),
        "sources": _sources(rows, lines, span, features or {}),
        "alerts": [_line(line) for line in lines],
    }
    page = _fill(
        {
            "title": html.escape(title),
            "subtitle": html.escape(_subtitle(rows, span, window)),
            "headline": html.escape(headline(lines) if lines else "no alerts"),
            "tiles": _tiles(rows, lines, summary or {}),
            "conservation": _conservation(summary or {}),
            # "</script>" inside a string would end the script element.
            "data": msgspec.json.encode(data).decode().replace("<", "\\u003c"),
        }
    )
    write_document(path, page, PAGE)


def _fill(values: Mapping[str, str]) -> str:
    folder = files("padit.analysis.report")
    page = folder.joinpath("page.html").read_text(encoding="utf-8")
    for part in ("style", "drawing", "behaviour"):
        page = page.replace(
            f"{{{{{part}}}}}", folder.joinpath(f"{part}.html").read_text(encoding="utf-8")
        )
    for name, value in values.items():
        page = page.replace(f"{{{{{name}}}}}", value)
    return page


def _sources(
    rows: Rows,
    lines: Sequence[Match],
    span: tuple[int, int],
    features: Mapping[tuple[str, str], Features],
) -> list[dict[str, Any]]:
    """Sources that have an alert or a fault, in the order of their first one."""
    names = list(dict.fromkeys(_source(line) for line in lines))
    found = []
    for name in names[:_MOST_SOURCES]:
        mine = [line for line in lines if _source(line) == name]
        metrics = {line.episode.metric_name for line in mine if line.episode}
        known = {series.metric_name for series in rows.series if series.source_id == name}
        for line in mine:
            metrics |= set(line.truth.metrics) & known if line.truth else set()
        ranked = sorted(metrics, key=lambda metric: _first(mine, metric))
        found.append(
            {
                "id": name,
                "faults": _faults(mine),
                "charts": [
                    chart(rows, (name, metric), span, features.get((name, metric)), mine)
                    for metric in ranked
                ],
            }
        )
    return found


def _first(lines: Sequence[Match], metric: str) -> tuple[float, str]:
    times = [line.time for line in lines if line.episode and line.episode.metric_name == metric]
    return (min(times, default=float("inf")), metric)


def _source(line: Match) -> str:
    if line.episode is not None:
        return line.episode.source_id
    return line.truth.source_id if line.truth is not None else ""


def _faults(lines: Sequence[Match]) -> list[dict[str, Any]]:
    missed = {line.truth for line in lines if line.verdict == "missed"}
    truths = dict.fromkeys(line.truth for line in lines if line.truth is not None)
    return [
        {
            "fault": truth.fault,
            "start": truth.start // _MILLI,
            "end": truth.end // _MILLI,
            "failure": truth.failure // _MILLI if truth.failure is not None else None,
            "metrics": truth.metrics,
            "missed": truth in missed,
        }
        for truth in truths
    ]


def _lanes(rows: Rows, lines: Sequence[Match], span: tuple[int, int]) -> list[dict[str, Any]]:
    """One lane for each source; those with something to show come first if there are many."""
    busy = list(dict.fromkeys(_source(line) for line in lines))
    quiet = sorted({series.source_id for series in rows.series} - set(busy))
    shown = sorted((busy + quiet)[:_MOST_SOURCES])
    return [
        {
            "id": name,
            "faults": _faults([line for line in lines if _source(line) == name]),
            "alerts": [
                {
                    "metric": one.metric_name,
                    "levels": [[time // _MILLI, severity] for time, severity in one.levels],
                    "end": (one.resolved if one.resolved is not None else span[1]) // _MILLI,
                    "id": one.id,
                }
                for one in (line.episode for line in lines if _source(line) == name)
                if one is not None
            ],
        }
        for name in shown
    ]


def _line(line: Match) -> dict[str, Any]:
    one, truth = line.episode, line.truth
    item: dict[str, Any] = {
        "verdict": line.verdict,
        "time": line.time // _MILLI,
        "source": _source(line),
        "fault": truth.fault if truth is not None else None,
        "delay": duration_text(line.delay) if line.delay is not None else None,
    }
    if one is None:
        return item
    end = one.resolved
    return item | {
        "id": one.id,
        "metric": one.metric_name,
        "severity": one.severity,
        "score": round(one.score, 4),
        "lasted": duration_text(end - one.opened) if end is not None else "open",
        "end": end // _MILLI if end is not None else None,
        "text": str(one.evidence.get("text") or one.summary),
        "summary": one.summary,
        "detector": one.detector,
        "unit": one.evidence.get("unit", ""),
        "window": one.evidence.get("window"),
        "samples": one.evidence.get("samples"),
        "crossed": one.evidence.get("crossed") or [],
        "features": one.evidence.get("features") or {},
    }


def _subtitle(rows: Rows, span: tuple[int, int], window: int) -> str:
    first, last = format_utc(span[0])[:19], format_utc(span[1])[:19]
    sources = len({series.source_id for series in rows.series})
    text = (
        f"{first.replace('T', ' ')} to {last.replace('T', ' ')} UTC · "
        f"{sources} sources · {len({series.key for series in rows.series})} series"
    )
    return text + (f" · windows of {duration_text(window)}" if window else "")


def _tiles(rows: Rows, lines: Sequence[Match], summary: Mapping[str, Any]) -> str:
    alerts = [line.episode for line in lines if line.episode is not None]
    critical = sum(one.severity == "CRITICAL" for one in alerts)
    tiles = [
        ("samples read", f"{int(summary.get('read', len(rows))):,}", ""),
        ("windows", f"{int(summary['windows']):,}", "") if "windows" in summary else None,
        ("alerts", f"{len(alerts):,}", f"{critical} critical"),
    ]
    if any(line.verdict is not None for line in lines):
        faults = {line.truth for line in lines if line.truth is not None}
        missed = sum(line.verdict == "missed" for line in lines)
        false = sum(line.verdict == "false" for line in lines)
        delays = sorted(first_delays(lines).values())
        note = "none missed" if not missed else f"{missed} missed"
        tiles.append(("faults found", f"{len(faults) - missed} of {len(faults)}", note))
        tiles.append(("false alerts", f"{false:,}", ""))
        if delays:
            typical = duration_text(delays[len(delays) // 2])
            tiles.append(("typical delay", typical, f"at most {duration_text(delays[-1])}"))
    return "".join(
        f'<div class="tile"><b>{html.escape(value)}</b><span>{name}</span>'
        f"<small>{html.escape(note)}</small></div>"
        for name, value, note in filter(None, tiles)
    )


def _conservation(summary: Mapping[str, Any]) -> str:
    """The conservation line, and whether it balances."""
    if "read" not in summary:
        return ""
    counts = {name: int(summary[name]) for name in _COUNTS if name in summary}
    parts = [
        f"<b>{value:,}</b> {name.replace('_', ' ')}"
        for name, value in counts.items()
        if value or name not in ("waiting", "in_flight")
    ]
    balanced = sum(counts.values()) == int(summary["read"])
    verdict = "balanced" if balanced else "NOT balanced"
    seconds = f" · {summary['seconds']:.1f} s" if "seconds" in summary else ""
    return (
        f'<p class="conservation {"good" if balanced else "bad"}">'
        f"<b>{int(summary['read']):,}</b> read = {' + '.join(parts)}"
        f"<em>{verdict}</em>{seconds}</p>"
    )
