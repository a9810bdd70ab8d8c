"""Hotelling's T-squared of moving means: fit on rows, judge rows. Pure functions.

Sums run in a fixed order of elementwise operations (no BLAS), so that equal rows give equal bytes
on every machine and in every cut of the stream.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPAN", "Model", "dump", "fit", "judge", "load"]

Array = NDArray[np.float64]

SPAN = 32  # rows of the moving mean
DRIFT = 9.0  # weight of what the quarters' means differ by
RIDGE = 1e-3
CLIP = 20.0  # standard deviations; one absurd value must not own the mean


class Model(NamedTuple):
    """What was learnt of d metrics.

    Attributes:
        mean, sd: (d,) of the raw rows.
        centre: (d,) of the standardised moving means.
        precision: (d, d), inverse of their covariance with drift.
        usual: the T2 that 1 % of the learnt rows exceed.
    """

    mean: Array
    sd: Array
    centre: Array
    precision: Array
    usual: float


def fit(rows: Array) -> Model:
    """A model of the rows (n, d)."""
    rows = np.clip(rows, -1e150, 1e150)
    count, d = rows.shape
    mean = _sum(rows) / count
    sd = np.sqrt(_sum((rows - mean) ** 2) / count)
    sd = np.maximum(sd, np.maximum(1e-9 * np.abs(mean), 1e-12))
    moving = _moving(np.clip((rows - mean) / sd, -CLIP, CLIP))
    centre = _sum(moving) / len(moving)
    covariance = _outer(moving - centre) / (len(moving) - 1)
    quarter = len(moving) // 4
    means = np.stack([_sum(moving[i * quarter : (i + 1) * quarter]) / quarter for i in range(4)])
    covariance = covariance + DRIFT * _outer(np.diff(means, axis=0)) + RIDGE * np.eye(d)
    model = Model(mean, sd, centre, _invert(covariance), 1.0)
    squared = _squared(model, moving)[0]
    return model._replace(usual=max(float(np.sort(squared)[int(0.99 * len(squared))]), 1e-9))


def judge(model: Model, rows: Array) -> tuple[Array, Array]:
    """For rows[SPAN - 1:] T2 over the usual, and each metric's residual given the others."""
    rows = np.clip(rows, -1e150, 1e150)
    moving = _moving(np.clip((rows - model.mean) / model.sd, -CLIP, CLIP))
    squared, off = _squared(model, moving)
    return squared / model.usual, off


def dump(model: Model) -> bytes:
    """Numbers one after the other, little-endian."""
    return np.concatenate([np.ravel(part) for part in model]).astype("<f8").tobytes()


def load(data: bytes, d: int) -> Model:
    """A model of d metrics."""
    flat = np.frombuffer(data, "<f8")
    mean, sd, centre, precision, usual = np.split(flat, np.cumsum([d, d, d, d * d]))
    return Model(mean, sd, centre, precision.reshape(d, d), float(usual[0]))


def _squared(model: Model, moving: Array) -> tuple[Array, Array]:
    z = moving - model.centre
    pulled = np.zeros_like(z)
    for j in range(z.shape[1]):
        pulled = pulled + z[:, j : j + 1] * model.precision[j]
    squared = np.zeros(len(z))
    for j in range(z.shape[1]):
        squared = squared + z[:, j] * pulled[:, j]
    return np.maximum(squared, 0.0), pulled / np.sqrt(np.diag(model.precision))


def _moving(z: Array) -> Array:
    span = 1
    while span < SPAN:
        z = z[span:] + z[:-span]
        span *= 2
    moving: Array = z / SPAN
    return moving


def _sum(rows: Array) -> Array:
    total: Array = np.cumsum(rows, axis=0)[-1]  # in order, unlike sum
    return total


def _outer(z: Array) -> Array:
    return np.stack([_sum(z * z[:, j : j + 1]) for j in range(z.shape[1])])


def _invert(matrix: Array) -> Array:
    """Gauss-Jordan; the matrix is symmetric and positive definite."""
    d = len(matrix)
    work = np.concatenate([matrix, np.eye(d)], axis=1)
    for i in range(d):
        work[i] = work[i] / work[i, i]
        for j in range(d):
            if j != i:
                work[j] = work[j] - work[j, i] * work[i]
    inverse = work[:, d:]
    symmetric: Array = (inverse + inverse.T) / 2
    return symmetric
