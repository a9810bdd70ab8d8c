"""Writes a trained model, and the page that shows it."""

import html
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.analysis.documents import PAGE, refuse_other, write_document
from padit.analysis.training.train import Trained
from padit.connectors.archive_place import place_of
from padit.connectors.uris import parse_address
from padit.domain.errors import SinkError, SourceError
from padit.transforms.detectors.artefact import WARNING, Artefact, encode
from padit.transforms.detectors.channels import Channel, Corner, Feature, feature
from padit.transforms.detectors.words import name_of

__all__ = ["page", "save", "write_report"]

Array = NDArray[np.float64]

_WIDTH, _HEIGHT, _BARS = 620, 120, 80
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;
border-bottom:1px solid #8884}td:first-child,th:first-child{text-align:left}
.bar{fill:#56b4e9}.limit{stroke:#d55e00;stroke-width:2}.line{fill:none;stroke:#0072b2}
text{font-size:12px;fill:currentColor}.muted{opacity:.7}"""


def save(model: Artefact, output: str) -> Path | str:
    """Write a model to a file, or into a folder under a name of its own; where it is now.

    The file appears complete or not at all, so that a running job never reads half of it. The
    folder may be one of an object store (`s3://bucket/models`).

    Raises:
        SinkError: it cannot be written.
    """
    if "://" in output:
        return _save_remotely(model, output)
    path = Path(output)
    data = encode(model)
    try:
        if path.suffix != ".json":
            path = path / _name_of(model, data)
        refuse_other(path, '"kind"')
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        message = f"the model {path} cannot be written: {error.strerror or error}"
        raise SinkError(message) from error
    return path


def _save_remotely(model: Artefact, output: str) -> str:
    data = encode(model)
    try:
        place = place_of(parse_address(output))
        name = _name_of(model, data)
        place.write(name, data)
    except SourceError as error:
        message = f"the model cannot be written: {error}"
        raise SinkError(message) from error
    return f"{place.scheme}://{place.root}/{name}"


def _name_of(model: Artefact, data: bytes) -> str:
    return f"model-{model.valid_from:020d}-{_digest_of(data)[:12]}.json"


def write_report(path: str, trained: Trained) -> None:
    """Write the page.

    Raises:
        SinkError: it cannot be written.
    """
    write_document(path, page(trained), PAGE)


def page(trained: Trained) -> str:
    """One HTML page that needs no network."""
    model = trained.model
    quality = model.quality
    parts = [
        f"<h1>Trained model of {len(model.metrics)} metrics</h1>",
        f"<p>{model.recording.rows:,} rows of {len(model.recording.sources)} sources, "
        f"{_text(model.recording.first)} to {_text(model.recording.last)}.</p>",
        f"<p>A model of the first three quarters gives {quality['warnings']:.0f} warnings and "
        f"{quality['criticals']:.0f} critical ones in the last quarter, {quality['rows']:,.0f} "
        "rows. If nothing was wrong then, these are false alarms.</p>",
        "<h2>The last quarter, judged by the first three</h2>",
        *(_scores(name, score) for name, score in trained.checked.items()),
        "<h2>Metrics and what is made of them</h2>",
        *_histograms(trained),
        "<h2>All channels</h2>",
        _table(model),
    ]
    if trained.left_out:
        parts.append(
            f"<p>Left out, as they lack a metric: {_text(', '.join(trained.left_out))}</p>"
        )
    body = "\n".join(parts)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Trained model</title>'
        f'<meta name="color-scheme" content="light dark"><style>{_STYLE}</style>{body}</html>\n'
    )


def _histograms(trained: Trained) -> Iterator[str]:
    """Distribution of each plain feature, with its warning limits."""
    rows = np.concatenate(list(trained.sources.values()))
    for channel in trained.model.channels:
        if isinstance(channel.what, Feature) and channel.span == 1:
            name = name_of(trained.model, channel.what)
            yield _histogram(name, feature(channel.what, rows), _limits(channel))


def _limits(channel: Channel) -> list[float]:
    """Values that score 0.7."""
    limits = []
    if channel.low is not None:
        limits.append(channel.low - WARNING * channel.low_tail)
    if channel.high is not None:
        limits.append(channel.high + WARNING * channel.high_tail)
    return limits


def _histogram(name: str, value: Array, limits: Sequence[float]) -> str:
    low, high = min([*limits, float(value.min())]), max([*limits, float(value.max())])
    width = (high - low) or 1.0
    count, _ = np.histogram(value, _BARS, (low, low + width))
    height = np.sqrt(count / max(int(count.max()), 1)) * (_HEIGHT - 24)  # tails stay visible
    bars = "".join(
        f'<rect class="bar" x="{i * _WIDTH / _BARS:.1f}" y="{_HEIGHT - 20 - size:.1f}" '
        f'width="{_WIDTH / _BARS - 1:.1f}" height="{size:.1f}"/>'
        for i, size in enumerate(height.tolist())
    )
    for limit in limits:
        x = (limit - low) / width * _WIDTH
        bars += f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT - 20}"/>'
    labels = (
        f'<text x="0" y="{_HEIGHT - 4}">{low:,.5g}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end">{high:,.5g}</text>'
    )
    return _figure(f"{name}; the lines mark score 0.7, heights are square roots", bars + labels)


def _scores(name: str, score: Array) -> str:
    """The highest score of each piece of time."""
    if not len(score):
        return ""
    pieces = np.array_split(np.nan_to_num(score), min(_WIDTH, len(score)))
    top = [float(piece.max()) for piece in pieces]
    points = " ".join(
        f"{i * _WIDTH / max(len(top) - 1, 1):.1f},{(1 - one) * (_HEIGHT - 24) + 2:.1f}"
        for i, one in enumerate(top)
    )
    y = 0.3 * (_HEIGHT - 24) + 2
    drawn = (
        f'<line class="limit" x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}"/>'
        f'<polyline class="line" points="{points}"/>'
    )
    return _figure(f"{name}: score over the last quarter; the line is 0.7", drawn)


def _figure(caption: str, drawn: str) -> str:
    return (
        f"<figure><figcaption>{_text(caption)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
        f"<title>{_text(caption)}</title>{drawn}</svg></figure>"
    )


def _table(model: Artefact) -> str:
    lines = ["<tr><th>channel<th>rows averaged<th>lowest<th>highest<th>0.7 below<th>0.7 above</tr>"]
    for channel in model.channels:
        limits = [f"{one:,.5g}" for one in _limits(channel)]
        if channel.low is None:
            limits = ["", *limits]
        ends = ["" if one is None else f"{one:,.5g}" for one in (channel.low, channel.high)]
        name = name_of(model, channel.what)
        if isinstance(channel.what, Corner):
            name += " (" + ", ".join("high" if up else "low" for up in channel.what.high) + ")"
        cells = [_text(name), str(channel.span), *ends, *limits]
        lines.append("<tr>" + "".join(f"<td>{cell}" for cell in cells) + "</tr>")
    return f"<table>{''.join(lines)}</table>"


def _digest_of(data: bytes) -> str:
    return str(msgspec.json.decode(data)["digest"])


def _text(text: str) -> str:
    return html.escape(text)
