"""Alerts as a text table, with the truth beside them."""

from collections.abc import Sequence

from padit.analysis.report.truth import Match
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["alerts_table", "duration_text", "headline"]

_HEAD = ("", "opened (UTC)", "source", "metric", "severity", "score", "lasted", "truth", "delay")
_EVIDENCE = "evidence"
_SIGNS = {"found": "✓", "false": "✗", "missed": "○", None: " "}


def alerts_table(lines: Sequence[Match]) -> str:
    """One line for each alert and each missed fault, and a summary line.

    Args:
        lines: from `match`.
    """
    if not lines:
        return "no alerts\n"
    rows = [(*_HEAD, _EVIDENCE), *(_cells(line) for line in lines)]
    if all(line.verdict is None for line in lines):  # nothing is known about the truth
        rows = [(*row[:7], row[-1]) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    text.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join([*text, "", headline(lines)]) + "\n"


def headline(lines: Sequence[Match]) -> str:
    """One sentence: faults found and missed, false alerts, delays."""
    alerts = sum(line.episode is not None for line in lines)
    if all(line.verdict is None for line in lines):
        return f"{alerts} alerts"
    faults = {line.truth for line in lines if line.truth is not None}
    missed = sum(line.verdict == "missed" for line in lines)
    false = sum(line.verdict == "false" for line in lines)
    text = (
        f"{len(faults) - missed} of {len(faults)} faults found, "
        f"{false} false {'alert' if false == 1 else 'alerts'} among {alerts}"
    )
    delays = list(first_delays(lines).values())
    if delays:
        text += f"; found after {duration_text(min(delays))} to {duration_text(max(delays))}"
    return text


def first_delays(lines: Sequence[Match]) -> dict[object, int]:
    """Time from a fault's start to its first alert, microseconds, by fault."""
    delays: dict[object, int] = {}
    for line in lines:
        if line.delay is not None:
            delays[line.truth] = min(line.delay, delays.get(line.truth, line.delay))
    return delays


def duration_text(micros: int) -> str:
    """A duration for people.

    >>> duration_text(261_000_000), duration_text(7_500_000), duration_text(7_260_000_000)
    ('4 min 21 s', '7.5 s', '2 h 1 min')
    """
    seconds = micros / MICROS
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _cells(line: Match) -> tuple[str, ...]:
    truth = line.truth.fault if line.truth is not None else ""
    sign = _SIGNS[line.verdict]
    time = format_utc(line.time)[:19].replace("T", " ")
    if line.episode is None:
        source = line.truth.source_id if line.truth is not None else ""
        return (sign, time, source, "-", "-", "-", "-", truth, "missed", "no alert")
    one = line.episode
    lasted = "open" if one.resolved is None else duration_text(one.resolved - one.opened)
    delay = "" if line.delay is None else duration_text(line.delay)
    return (
        sign,
        time,
        one.source_id,
        one.metric_name,
        one.severity,
        f"{one.score:.2f}",
        lasted,
        truth or ("false alert" if line.verdict == "false" else ""),
        delay,
        one.evidence.get("text") or one.summary,
    )
