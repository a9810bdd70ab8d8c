"""A survey as text of 80 columns, and as plain values for programs."""

import re
import shlex
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from padit.analysis.look.survey import SeriesSeen, Survey
from padit.analysis.losses.remedies import seconds_to_allow
from padit.analysis.losses.report import printable
from padit.connectors.file_options import FileOptions
from padit.domain.timestamps import format_utc

__all__ = ["command_of", "page_of", "quoted", "values_of"]

_WIDTH = 80
_MOST_SERIES = 20
_MOST_NAMED = 10
_URI_OPTION = re.compile(r"([a-z_]+)=(\S[^;]*)")
_SHELL = re.compile(r"[\w@%+=:,./-]+")


def page_of(seen: Survey, command: str) -> str:
    """Everything that was found, for people."""
    parts = [_head(seen), *_series(seen.series), *_samples(seen)]
    parts += [*_guessed(seen), *_unwatched(seen), *_lost(seen)]
    parts.append(_next(seen, command))
    return "\n".join(map(printable, "\n\n".join(parts).split("\n"))) + "\n"


def command_of(uri: str, seen: Survey, options: Sequence[str]) -> str:
    """The `padit run` command for this input, with the remedies that a value is known for.

    Args:
        uri: as given.
        seen: of it.
        options: of the job, as given.
    """
    added = _additions(seen)
    if added:
        query = "&".join(f"{name}={quoted(value)}" for name, value in added.items())
        uri = f"{uri}{'&' if '?' in uri else '?'}{query}"
    words = ["padit", "run", "--input", uri, "--output", "alerts.jsonl", *options]
    if seen.behind:
        words.append(f"--out_of_orderness_sec={seconds_to_allow(seen.behind)}")
    return " ".join(one if _SHELL.fullmatch(one) else shlex.quote(one) for one in words)


def quoted(value: str) -> str:
    """A value as it may stand in a URI's query: only what would be read otherwise is encoded."""
    return re.sub(r"%(?=[0-9A-Fa-f]{2})|[&+#]", lambda found: f"%{ord(found[0]):02X}", value)


def _additions(seen: Survey) -> dict[str, str]:
    """Options of the URI that mend what is lost for the commonest reasons."""
    common = [one for one in seen.reasons if 2 * one.amount >= seen.counted.read]
    certain = [one.remedy for one in common if ", if " not in one.remedy]
    found = [match for one in certain if (match := _URI_OPTION.fullmatch(one))]
    known = FileOptions.model_fields.keys() - {"metrics"}  # it would leave out other columns
    return {match[1]: match[2] for match in found if match[1] in known}


def values_of(seen: Survey, command: str) -> dict[str, Any]:
    """The survey as plain values, for JSON."""
    return {
        "input": seen.name,
        "partitions": seen.partitions,
        "present": seen.present,
        "looked_at": seen.looked_at,
        "read": seen.counted.read,
        "usable": seen.counted.scored,
        "late": seen.counted.late,
        "dead_lettered": seen.counted.dead_lettered,
        "series": [_series_values(one) for one in seen.series],
        "samples": [
            {
                "time": format_utc(one.time),
                "source_id": one.series.source_id,
                "metric_name": one.series.metric_name,
                "unit": one.series.unit,
                "value": one.value,
            }
            for one in seen.samples
        ],
        "guesses": [one._asdict() for one in seen.findings.guesses],
        "unwatched": [one._asdict() for one in seen.findings.unwatched],
        "lost": [one._asdict() for one in seen.reasons],
        "command": command,
    }


def _series_values(one: SeriesSeen) -> dict[str, Any]:
    return {
        "source_id": one.series.source_id,
        "metric_name": one.series.metric_name,
        "unit": one.series.unit,
        "samples": one.samples,
        "first": format_utc(one.first),
        "last": format_utc(one.last),
        "interval_sec": one.interval,
        "lowest": one.lowest,
        "highest": one.highest,
    }


def _head(seen: Survey) -> str:
    many = f" in {seen.partitions:,} partitions" if seen.partitions > 1 else ""
    part = "all" if seen.looked_at >= seen.present else f"{seen.looked_at:,} of them"
    lines = [f"{seen.name}: {seen.present:,} records{many}, {part} looked at"]
    counted = seen.counted
    if counted.scored:
        lines.append(
            f"{counted.scored:,} of {counted.read:,} samples are usable, "
            f"of {len(seen.series):,} series"
        )
        first, last = min(one.first for one in seen.series), max(one.last for one in seen.series)
        lines.append(f"from {_moment(first)} to {_moment(last)} UTC")
    elif counted.read:
        lines.append(f"none of {counted.read:,} samples is usable")
    else:
        lines.append("it holds no sample")
    return "\n".join(textwrap.fill(line, _WIDTH, break_on_hyphens=False) for line in lines)


def _series(series: Sequence[SeriesSeen]) -> Iterator[str]:
    if not series:
        return
    shown = series[:_MOST_SERIES]
    part = _telling({_moment(moment) for one in shown for moment in (one.first, one.last)})
    table = [("source", "metric", "unit", "samples", "every", "first", "last")]
    table += [
        (
            one.series.source_id,
            one.series.metric_name,
            one.series.unit,
            f"{one.samples:,}",
            _span(one.interval),
            _moment(one.first)[part],
            _moment(one.last)[part],
        )
        for one in shown
    ]
    text = _table(table, right=(3, 4))
    if len(series) > len(shown):
        text += f"\nand {len(series) - len(shown):,} more series"
    yield text


def _samples(seen: Survey) -> Iterator[str]:
    if not seen.samples:
        return
    table = [("time (UTC)", "source", "metric", "value", "unit")]
    table += [
        (
            format_utc(one.time).replace("T", " ")[:23],
            one.series.source_id,
            one.series.metric_name,
            f"{one.value:.10g}",
            one.series.unit,
        )
        for one in seen.samples
    ]
    yield f"The first samples\n{_table(table, right=(3,))}"


def _guessed(seen: Survey) -> Iterator[str]:
    lines = [
        f"{_of(seen, one.place)}{one.what}" + (f" (the option: {one.option})" if one.option else "")
        for one in seen.findings.guesses
    ]
    yield from _section("Guessed", lines, "guesses")


def _unwatched(seen: Survey) -> Iterator[str]:
    lines = [
        f"{_of(seen, one.place)}{one.what} ({one.amount:,} {one.unit}): {one.reason}"
        + (f"; {one.remedy}" if one.remedy else "")
        for one in seen.findings.unwatched
    ]
    yield from _section("Not watched", lines, "like them")


def _of(seen: Survey, place: str) -> str:
    return "" if place == seen.name else f"{place}: "


def _lost(seen: Survey) -> Iterator[str]:
    lines = []
    for one in seen.reasons:
        text = f"{one.amount:,} {one.what}"
        text += f"\nexample: {one.example}" if one.example else ""
        lines.append(text + (f"\nremedy: {one.remedy}" if one.remedy else ""))
    yield from _section("Lost", lines, "reasons")


def _section(title: str, lines: Sequence[str], rest: str) -> Iterator[str]:
    if not lines:
        return
    shown = list(lines[:_MOST_NAMED])
    if len(lines) > len(shown):
        shown.append(f"and {len(lines) - len(shown):,} more {rest}")
    yield "\n".join([title, *(_filled(line) for line in shown)])


def _filled(text: str) -> str:
    """Lines of one item; those behind the first are indented."""
    return "\n".join(
        textwrap.fill(
            line,
            _WIDTH,
            initial_indent="      " if number else "  ",
            subsequent_indent="      ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        for number, line in enumerate(text.splitlines())
    )


def _wrapped_command(command: str) -> str:
    """The command on lines that a shell reads as one."""
    lines = [" "]
    for word in _words(command):
        if len(lines[-1]) + 1 + len(word) > _WIDTH - 2 and lines[-1].strip():
            lines[-1] += " \\"
            lines.append("     ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _words(command: str) -> list[str]:
    """Words as they are quoted; an option stays with its value."""
    found = re.findall(r"(?:'[^']*'|[^\s'])+", command)
    joined: list[str] = []
    for word in found:
        if joined and joined[-1] in ("--input", "--output", "padit"):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def _next(seen: Survey, command: str) -> str:
    if seen.counted.scored:
        return f"Go on with\n{_wrapped_command(command)}"
    if not seen.counted.read:
        return "There is nothing to read."
    guess = f" Try\n{_wrapped_command(command)}" if _additions(seen) else ""
    return f"Nothing can be read as it is.{guess}"


def _table(rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    """Columns as wide as their cells; names and units are shortened until a line fits."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    names = [n for n, title in enumerate(rows[0]) if title in ("source", "metric", "unit")]
    while sum(widths) + 2 * len(widths) > _WIDTH and max(widths[n] for n in names) > 8:
        widths[max(names, key=lambda n: widths[n])] -= 1
    lines = []
    for row in rows:
        cells = [
            _short(cell, width).rjust(width) if n in right else _short(cell, width).ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def _short(text: str, width: int) -> str:
    """A text cut in its middle: names that are alike often differ at their end.

    >>> _short("temperature_of_sensor_17", 12)
    'temper…or_17'
    """
    if len(text) <= width:
        return text
    return f"{text[: width // 2]}…{text[width // 2 + 1 - width :]}"


def _telling(moments: Collection[str]) -> slice:
    """The part of moments that tells them apart: time of day, month to second, or the date."""
    if len({moment[:10] for moment in moments}) == 1:
        return slice(11, 19)
    return slice(5, 19) if len({moment[:4] for moment in moments}) == 1 else slice(10)


def _moment(micros: int) -> str:
    return format_utc(micros).replace("T", " ")[:19]


def _span(seconds: float | None) -> str:
    """A sampling interval.

    >>> _span(60.0), _span(0.001), _span(7200.0), _span(None)
    ('60 s', '1 ms', '2 h', '-')
    """
    if seconds is None:
        return "-"
    if seconds >= 3600:
        return f"{seconds / 3600:.4g} h"
    return f"{seconds:.4g} s" if seconds >= 1 else f"{seconds * 1000:.4g} ms"
