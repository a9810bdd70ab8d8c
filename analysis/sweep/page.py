"""Writes the page of a sweep: one HTML file with everything in it, no network."""

import html
import itertools
from collections.abc import Sequence
from importlib.resources import files

from padit.analysis.documents import PAGE, write_document
from padit.analysis.sweep.plots import Axis, Point, axis_of, heat_map, scatter, short, ticks
from padit.analysis.sweep.results import Results, share, short_names, time_text
from padit.domain.timestamps import format_utc

__all__ = ["write_page"]

_LINE = '<span><i class="line"></i>the best score for a value</span>'
_MOST_ROWS = 200
_MOST_CELLS = 24
_MOST_PAIRS = 6
_LABELLED = (
    "An alert is right if it opened while a label of its source and metric lasted, or at most one "
    "window later. Precision: right alerts of all; recall: labels with a right alert of all; F1: "
    "their harmonic mean. Delay: from a label's start to its first right alert. Flap: an alert "
    "that opened within a window of the resolution of the one before on its series. Stability: "
    "agreement with neighbouring configurations and between the halves of the recording."
)
_BLIND = (
    "Without labels it is unknown which alerts are right. Volume: agreement of the alerts a day "
    "with the target, the smaller as a share of the larger. Stability: the mean of the agreement "
    "with neighbouring configurations and between the halves of the recording. Score: their "
    "product."
)


def write_page(path: str, results: Results, config: str) -> None:
    """Write the result of a sweep; `config` is the best as YAML. Raises SinkError."""
    scores = [one.score for one in results.measures]
    values = {
        "title": html.escape("Sweep over " + results.recording.rsplit("/", 1)[-1]),
        "subtitle": html.escape(_subtitle(results)),
        "headline": html.escape(_headline(results)),
        "tiles": _tiles(results),
        "score": "F1" if results.labelled else "score",
        "low": f"{min(scores):.3f}",
        "high": f"{max(scores):.3f}",
        "line": _LINE if results.grid else "",
        "plots": "".join(_plots(results)),
        "table": _table(results),
        "config": html.escape(config),
        "meaning": html.escape(_LABELLED if results.labelled else _BLIND),
    }
    page = files("padit.analysis.sweep").joinpath("page.html").read_text(encoding="utf-8")
    style = files("padit.analysis.report").joinpath("style.html").read_text(encoding="utf-8")
    for name, value in {"style": style, **values}.items():
        page = page.replace(f"{{{{{name}}}}}", value)
    write_document(path, page, PAGE)


def _subtitle(results: Results) -> str:
    first, last = (format_utc(one)[:19].replace("T", " ") for one in results.wish.span)
    windows = len({one.setting for one in results.trials})
    return (
        f"{first} to {last} UTC · {results.rows:,} samples · {len(results.trials):,} "
        f"configurations · {windows} window setting{'s' if windows > 1 else ''}"
    )


def _headline(results: Results) -> str:
    best = results.order[0]
    if not results.varied:
        return "One configuration, nothing varies."
    return "Best: " + _values(results, best)


def _values(results: Results, number: int) -> str:
    values = results.trials[number].values
    names = short_names(results.varied)
    return ", ".join(
        f"{name} {short(values[path])}" for name, path in zip(names, results.varied, strict=True)
    )


def _tiles(results: Results) -> str:
    one = results.measures[results.order[0]]
    tiles = [("alerts", f"{one.alerts:,}", f"{one.per_day:.3g} a day")]
    if one.faults is not None:
        tiles = [
            ("F1", f"{one.score:.3f}", ""),
            ("precision", share(one.precision), ""),
            ("recall", share(one.recall), f"{one.found} of {one.faults} labels"),
            ("median delay", time_text(one.delay_median), f"p95 {time_text(one.delay_p95)}"),
            *tiles,
        ]
    else:
        wish = f"{results.wish.alerts_per_day:g} a day as the target"
        tiles = [("score", f"{one.score:.3f}", ""), ("volume", share(one.volume), wish), *tiles]
    tiles += [("flaps", str(one.flaps), ""), ("stability", share(one.stability), "")]
    return "".join(
        f'<div class="tile"><b>{html.escape(value)}</b><span>{name}</span>'
        f"<small>{html.escape(note)}</small></div>"
        for name, value, note in tiles
    )


def _plots(results: Results) -> list[str]:
    found = [_card("Precision and recall" if results.labelled else "Volume and stability",
                   _trade_off(results))]  # fmt: skip
    names = short_names(results.varied)
    for path, name in zip(results.varied, names, strict=True):
        found.append(_card(f"Effect of {name}", _effect(results, path, name)))
    if results.grid:
        pairs = itertools.combinations(range(len(names)), 2)
        for one, other in itertools.islice(pairs, _MOST_PAIRS):
            plot = _heat(results, (one, other), names)
            if plot:
                found.append(_card(f"{names[one]} and {names[other]}", plot))
    return found


def _card(title: str, plot: str) -> str:
    return f'<section class="card"><h2>{html.escape(title)}</h2>{plot}</section>'


def _colours(results: Results) -> list[float]:
    """Scores, stretched to [0, 1]."""
    scores = [one.score for one in results.measures]
    low, high = min(scores), max(scores)
    return [1.0 if high == low else (one - low) / (high - low) for one in scores]


def _text(results: Results, number: int) -> str:
    one = results.measures[number]
    parts = [_values(results, number), f"score {one.score:.3f}"]
    if results.labelled:
        parts.append(f"precision {share(one.precision)}, recall {share(one.recall)}")
    parts.append(f"{one.alerts} alerts, {one.flaps} flaps, stability {one.stability:.3f}")
    return "\n".join(part for part in parts if part)


def _trade_off(results: Results) -> str:
    best, colours = results.order[0], _colours(results)
    points = []
    for number, one in enumerate(results.measures):
        x, y = (one.recall, one.precision) if results.labelled else (one.stability, one.volume)
        if x is not None and y is not None:  # without alerts there is no precision
            points.append(Point(x, y, colours[number], _text(results, number), number == best))
    marks = [(one, f"{one:.1f}") for one in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    x_name, y_name = ("recall", "precision") if results.labelled else ("stability", "volume")
    return scatter(Axis(x_name, -0.03, 1.03, marks), Axis(y_name, -0.03, 1.03, marks), points)


def _effect(results: Results, path: str, name: str) -> str:
    best, colours = results.order[0], _colours(results)
    axis, place = axis_of(name, [one.values[path] for one in results.trials])
    points, highest = [], dict[float, float]()
    for number, one in enumerate(results.measures):
        x = place[results.trials[number].values[path]]
        points.append(Point(x, one.score, colours[number], _text(results, number), number == best))
        highest[x] = max(one.score, highest.get(x, 0.0))
    line = [Point(x, y) for x, y in sorted(highest.items())] if results.grid else []
    wide = (axis.high - axis.low) * 0.03
    axis = axis._replace(low=axis.low - wide, high=axis.high + wide)
    return scatter(axis, _score_axis(results), points, line)


def _score_axis(results: Results) -> Axis:
    scores = [one.score for one in results.measures]
    extra = (max(scores) - min(scores)) * 0.06 or 0.05
    low, high = min(scores) - extra, max(scores) + extra
    places = ticks(low, high)
    digits = max(len(f"{one:.4g}".partition(".")[2]) for one in places)
    name = "F1" if results.labelled else "score"
    return Axis(name, low, high, [(one, f"{one:.{digits}f}") for one in places])


def _heat(results: Results, pair: tuple[int, int], names: Sequence[str]) -> str | None:
    """The best score for each two values, over all values of the other parameters."""
    paths = [results.varied[one] for one in pair]
    axes = []
    for one, path in zip(pair, paths, strict=True):
        values = list(dict.fromkeys(trial.values[path] for trial in results.trials))
        if len(values) > _MOST_CELLS:
            return None
        if all(isinstance(value, int | float) for value in values):
            values.sort()
        place = {value: float(number) for number, value in enumerate(values)}
        every = -(-len(values) // 8)
        marks = [(place[value], short(value)) for value in values[::every]]
        axes.append((Axis(names[one], -0.5, len(values) - 0.5, marks), place))
    (x, across), (y, up) = axes
    colours, best = _colours(results), results.order[0]
    cells: dict[tuple[float, float], Point] = {}
    for number in reversed(results.order):  # the best comes last, and is kept
        values = [results.trials[number].values[path] for path in paths]
        at = (across[values[0]], up[values[1]])
        label = f"{results.measures[number].score:.2f}"
        cells[at] = Point(*at, colours[number], _text(results, number), number == best, label)
    return heat_map(x, y, list(cells.values()))


def _table(results: Results) -> str:
    names = ["precision", "recall"] if results.labelled else ["volume"]
    head = ["", *short_names(results.varied), "F1" if results.labelled else "score", *names]
    head += [*(["delay"] if results.labelled else []), "alerts", "a day", "flaps", "stability"]
    rows = ["<tr>" + "".join(f'<th class="n">{html.escape(one)}</th>' for one in head) + "</tr>"]
    for place, number in enumerate(results.order[:_MOST_ROWS], 1):
        one = results.measures[number]
        values = results.trials[number].values
        cells = [str(place), *(short(values[path]) for path in results.varied)]
        cells += [f"{one.score:.3f}", *(share(getattr(one, name)) for name in names)]
        if results.labelled:
            cells.append(time_text(one.delay_median))
        cells += [f"{one.alerts:,}", f"{one.per_day:.4g}", str(one.flaps), share(one.stability)]
        kind = ' class="win"' if place == 1 else ""
        rows.append(
            f"<tr{kind}>" + "".join(f'<td class="n">{html.escape(c)}</td>' for c in cells) + "</tr>"
        )
    return "".join(rows)
