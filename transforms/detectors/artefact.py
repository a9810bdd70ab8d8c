"""The artefact of a trained model: JSON with a version and a digest, never a pickle.

Equal recordings and parameters give equal bytes. The digest is part of every alert that the model
causes, and a file that was changed by hand is refused.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.errors import ConfigurationError
from padit.transforms.detectors.channels import SPANS, Channel, Corner, Feature, Relation, measure

__all__ = [
    "VERSION",
    "WARNING",
    "Artefact",
    "Judged",
    "Metric",
    "Recording",
    "decode",
    "encode",
    "judge",
    "read",
]

Array = NDArray[np.float64]

VERSION = 1
WARNING = 0.2  # tail widths beyond the recording's range; 0.7 stands there
_KIND = "padit-model"


class Metric(msgspec.Struct, frozen=True, order=True):
    """A metric by name and unit."""

    name: str
    unit: str


class Recording(msgspec.Struct, frozen=True):
    """The recording that a model was made from."""

    digest: str
    rows: int
    sources: list[str]
    first: str
    last: str


class Artefact(msgspec.Struct, frozen=True, kw_only=True, tag=_KIND, tag_field="kind"):
    """A trained model.

    Attributes:
        version: of the format.
        valid_from: event time in microseconds from which on windows are judged by it.
        metrics: d metrics that a source must have.
        channels: what it looks at.
        recording: what it was made from.
        parameters: how it was made.
        quality: its results on the part of the recording it was not made from.
        digest: SHA-256 of all that, as it stands in the file.
    """

    version: int
    valid_from: int
    metrics: list[Metric]
    channels: list[Channel]
    recording: Recording
    parameters: dict[str, Any]
    quality: dict[str, float]
    digest: str = ""


class Judged(msgspec.Struct):
    """The scores of a model for rows (u, d).

    Attributes:
        score: float64 (u, d), in [0, 1], of each metric; NaN where there is none yet.
        channel: int64 (u, d), which channel gave that score.
        value: float64 (u, d), what that channel measured.
        own: float64 (u, d), the metric's value, averaged as the channel does.
        expected: float64 (u, d), what the other metrics imply, where the channel is a relation.
    """

    score: Array
    channel: NDArray[np.int64]
    value: Array
    own: Array
    expected: Array


def encode(model: Artefact) -> bytes:
    """The file, with its digest."""
    plain = msgspec.structs.replace(model, digest="")
    return _write(msgspec.structs.replace(model, digest=_digest(plain)))


def decode(data: bytes, place: str) -> Artefact:
    """A model from the bytes of its file; `place` names it in errors.

    Raises:
        ConfigurationError: damaged, changed by hand, or of a version this code does not know.
    """
    try:
        head = msgspec.json.decode(data, type=dict[str, Any])
        if head.get("kind") != _KIND:
            message = f"{place} is no trained model (kind {head.get('kind')!r}): see padit train"
            raise ConfigurationError(message)
        if head.get("version") != VERSION:
            message = (
                f"the model {place} has version {head.get('version')}, this code reads {VERSION}: "
                "train it again with padit train"
            )
            raise ConfigurationError(message)
        model = msgspec.json.decode(data, type=Artefact)
    except msgspec.DecodeError as error:
        message = f"the model {place} is damaged ({error}): train it again with padit train"
        raise ConfigurationError(message) from error
    if model.digest != _digest(msgspec.structs.replace(model, digest="")):
        message = f"the model {place} is not what was trained: its digest does not fit its content"
        raise ConfigurationError(message)
    _check(model, place)
    return model


def read(path: Path) -> Artefact:
    """A model from its file.

    Raises:
        ConfigurationError: it cannot be read; see also `decode`.
    """
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        message = f"the model {path} cannot be read: {error.strerror or error}"
        raise ConfigurationError(message) from error


def judge(model: Artefact, rows: Array, moving: Array) -> Judged:
    """Score rows (u, d), given also the means `moving` (u, d) of 32; NaN where unknown.

    >>> power = Channel(Feature("product", (0, 1)), 1, 4.0, 8.0, 1.0, 1.0)
    >>> together = Channel(Relation([2.0, 3.0], [1.0, 1.0], [[1.0, 0.0], [0.0, 1.0]]),
    ...                    32, None, 9.0, 1.0, 1.0)
    >>> model = Artefact(version=1, valid_from=0, metrics=[Metric("speed", "1/s"),
    ...     Metric("torque", "Nm")], channels=[power, together], quality={}, parameters={},
    ...     recording=Recording("", 0, [], "", ""))
    >>> rows = np.array([[2.0, 3.0], [2.1, 3.9], [2.2, 4.0]])  # 6, 8.19 and 8.8 W
    >>> judge(model, rows, np.full((3, 2), np.nan)).score.round(2)
    array([[0.  , 0.  ],
           [0.  , 0.69],
           [0.  , 0.9 ]])
    """
    nothing = (np.full(rows.shape, np.nan) for _ in range(4))
    score, value, own, expected = nothing
    judged = Judged(score, np.zeros(rows.shape, np.int64), value, own, expected)
    inputs = dict(zip(SPANS, (rows, moving), strict=True))
    relation = next(one.what for one in model.channels if isinstance(one.what, Relation))
    for number, channel in enumerate(model.channels):
        _look(judged, number, channel, inputs[channel.span], relation)
    return judged


def _look(judged: Judged, number: int, channel: Channel, given: Array, unit: Relation) -> None:
    """Score one channel, and keep its score where it is higher than that of the channels before."""
    value, residual = measure(channel.what, given)
    value = np.where(np.isnan(given).any(axis=1), np.nan, value)  # only what is complete is judged
    level = excess(channel, value)
    level = level / (level + 3 / 7 * WARNING)
    far = (given - np.array(unit.mean)) / np.array(unit.sd) if residual is None else residual
    metrics = _metrics_of(channel)
    # The score stands at the metric that is farthest off; the channel's others get none.
    worst = np.array(metrics)[np.argmax(np.nan_to_num(np.abs(far[:, metrics])), axis=1)]
    for i in metrics:
        mine = np.where(np.isnan(value), np.nan, np.where(worst == i, level, 0.0))
        old = judged.score[:, i]
        better = np.flatnonzero((mine > old) | (np.isnan(old) & ~np.isnan(mine)))
        judged.score[better, i] = mine[better]
        judged.channel[better, i] = number
        judged.value[better, i] = value[better]
        judged.own[better, i] = given[better, i]
        judged.expected[better, i] = np.nan
        if residual is not None and isinstance(channel.what, Relation):
            spread = channel.what.sd[i] / float(np.sqrt(channel.what.precision[i][i]))
            judged.expected[better, i] = given[better, i] - residual[better, i] * spread


def excess(channel: Channel, value: Array) -> Array:
    """How many tail widths a value lies outside the recording's range; 0 inside."""
    over = np.zeros(len(value))
    with np.errstate(over="ignore"):
        if channel.high is not None:
            over = np.fmax(over, (value - channel.high) / channel.high_tail)
        if channel.low is not None:
            over = np.fmax(over, (channel.low - value) / channel.low_tail)
    return np.minimum(over, 1e12)


def _metrics_of(channel: Channel) -> tuple[int, ...]:
    if isinstance(channel.what, Feature):
        return channel.what.metrics
    if isinstance(channel.what, Corner):
        return tuple(sorted({*channel.what.first.metrics, *channel.what.second.metrics}))
    return tuple(range(len(channel.what.mean)))


def _check(model: Artefact, place: str) -> None:
    """Sizes that fit each other, so that a worker never fails on a model."""
    d = len(model.metrics)
    good = d >= 2 and any(isinstance(one.what, Relation) for one in model.channels)
    for one in model.channels:
        good = good and one.span in SPANS and one.low_tail > 0 and one.high_tail > 0
        good = good and all(0 <= i < d for i in _metrics_of(one))
        if isinstance(one.what, Relation):
            matrix = one.what.precision
            good = good and len(matrix) == d == len(one.what.sd)
            good = good and all(len(row) == d for row in matrix)
    if not good:
        message = f"the model {place} contradicts itself: train it again with padit train"
        raise ConfigurationError(message)


def _digest(plain: Artefact) -> str:
    return hashlib.sha256(_write(plain)).hexdigest()


def _write(model: Artefact) -> bytes:
    return msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n"
