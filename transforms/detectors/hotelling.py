"""Hotelling's T-squared of moving means, for many sources at once, learning as it goes.

What flows in: rows (S, r, d) of S sources with d metrics each. What flows out: for every row its
T2 over the usual, and what each metric should be given the others. All of a source's memory is
one flat vector, so that many sources are one matrix. Pure functions.

Sums run in a fixed order of elementwise operations (no BLAS), one source at a time, so that equal
rows give equal bytes on every machine, in any company and in every cut of the stream.
"""

from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SLOTS", "SPAN", "Judged", "Layout", "begin", "layout", "room", "step"]

Array = NDArray[np.float64]

SPAN = 32  # rows of the moving mean
SLOTS = 16  # summaries of consecutive stretches
DRIFT = 27.0  # weight of the mean square of what consecutive stretches' means differ by
RIDGE = 1e-3
CLIP = 20.0  # standard deviations from the last stretch; one absurd value must not own the mean
LOST = 10.0  # standard deviations; beyond, the first rows' scale no longer applies
GATE = 0.45  # rows of a higher score are not learnt, only counted
OUTNUMBER = 1.5  # so many times the rows learnt make the unusual usual
LONGEST_UNUSUAL = 4000  # rows, however much was learnt
PEAKS = 8  # stretches whose peaks are remembered
ABOVE_PEAK = 1.5  # a warning is so many times what the peaks reached
REFERENCE = 400.0  # rows for which `warning` holds; fewer need more
LEAST_WARNING = 5.0
SETTLED = 4000.0  # rows after which a source is judged, settled or not
INDEPENDENT = 0.9  # share of independent rows from which one quiet stretch is enough


class Layout(NamedTuple):
    """Places of the parts of a source's memory.

    Attributes:
        metrics: d.
        size: numbers in all.
        parts: first number, number behind the last, and shape, by name. A summary is
            (count, sum, sum of outer products) as 1 + d + d * d numbers, so that adding two
            gives the summary of both.
    """

    metrics: int
    size: int
    parts: dict[str, tuple[int, int, tuple[int, ...]]]

    def view(self, memory: Array, name: str) -> Array:
        """One part (S, ...) of memories (S, size); writing to it changes them."""
        first, last, shape = self.parts[name]
        return memory[:, first:last].reshape(len(memory), *shape)

    def views(self, memory: Array) -> dict[str, Array]:
        """All parts by name."""
        return {name: self.view(memory, name) for name in self.parts}


class Judged(NamedTuple):
    """Scores of rows (S, r, d).

    Attributes:
        level: (S, r), score in [0, 1]; NaN until the source has settled.
        off: (S, r, d), residual of each metric given the others, in standard deviations.
        mean: (S, r, d), moving mean in the metric's unit.
        expected: (S, r, d), what the others imply.
        spread: (S, d), standard deviation around that.
        partner: int64 (S, d), the metric most related to each.
    """

    level: Array
    off: Array
    mean: Array
    expected: Array
    spread: Array
    partner: NDArray[np.int64]


@cache
def layout(d: int) -> Layout:
    """Memory of a source with d metrics."""
    summary = 1 + d + d * d
    shapes: dict[str, tuple[int, ...]] = {
        "mean": (d,),  # of the first rows, and their deviation: the unit of all that follows
        "sd": (d,),
        "centre": (d,),
        "anchor": (d,),  # mean of the last stretch, around which rows are clipped
        "reach": (d,),  # how far from it
        "precision": (d, d),
        "settled": (),  # 1 once a stretch gave no alarm
        "usual": (),  # T2 that 1 % of what was learnt exceeds
        "learnt": (),
        "independent": (),  # share of these that count as independent
        "base": (),  # warning before peaks are looked at
        "warning": (),
        "stretch": (),  # rows of a summary
        "used": (),  # summaries in the bank
        "peak": (),
        "peaks": (PEAKS,),
        "accepted": (summary,),
        "unusual": (summary,),
        "bank": (SLOTS, summary),
        "tail": (SPAN - 1, d),
    }
    parts, at = {}, 0
    for name, shape in shapes.items():
        parts[name] = (at, at + prod(shape), shape)
        at += prod(shape)
    return Layout(d, at, parts)


def begin(rows: Array, warning: float) -> Array:
    """Memory (size,) after the first rows (n, d); n at least 64."""
    count, d = rows.shape
    where = layout(d)
    memory = np.zeros((1, where.size))
    part = where.views(memory)
    mean = _sum(rows) / count
    off = rows - mean
    sd = np.sqrt(_sum(off * off) / count)
    part["mean"][0] = mean
    part["sd"][0] = np.maximum(sd, np.maximum(1e-9 * np.abs(mean), 1e-12))
    z = np.clip((rows - mean) / part["sd"][0], -CLIP, CLIP)
    moving = _moving(z[None])
    quarter = moving.shape[1] // 4
    for i in range(4):
        stretch = moving[:, i * quarter : (i + 1) * quarter]
        part["bank"][:, i] = _add(part["bank"][:, i], stretch, np.ones(stretch.shape[:2]))
    part["used"][:] = 4
    part["stretch"][:] = count // 4
    part["tail"][0] = z[1 - SPAN :]
    _fit(part, warning)
    first: Array = memory[0]
    return first


def room(memory: Array, where: Layout) -> NDArray[np.int64]:
    """Rows (S,) that each source may take until what it learnt counts."""
    accepted = where.view(memory, "stretch") - where.view(memory, "accepted")[:, 0]
    free = np.minimum(accepted, _limit(memory, where) - where.view(memory, "unusual")[:, 0])
    return free.astype(np.int64)


def step(
    memory: Array, rows: Array, count: NDArray[np.int64], warning: float, memory_rows: int
) -> tuple[Judged, NDArray[np.bool_]]:
    """Judge rows, then learn them; `memory` is changed.

    Args:
        memory: (S, size).
        rows: (S, r, d); only the first count[s] rows of source s count.
        count: (S,), at most `room`.
        warning: see `MultivariateParameters`.
        memory_rows: rows after which what was learnt is forgotten.

    Returns:
        The scores, and for each source whether its metrics moved so far away that it has to
        restart.
    """
    where = layout(rows.shape[2])
    part = where.views(memory)
    z = (rows - part["mean"][:, None]) / part["sd"][:, None]
    low, high = part["anchor"] - part["reach"], part["anchor"] + part["reach"]
    z = np.minimum(np.maximum(z, low[:, None]), high[:, None])
    together = np.concatenate([part["tail"], z], axis=1)
    moving = _moving(together)
    judged, ratio = _judge(part, moving)
    valid = np.arange(rows.shape[1]) < count[:, None]
    settled = part["settled"][:, None] > 0
    usual = valid & ((judged.level < GATE) | ~settled)
    part["accepted"][:] = _add(part["accepted"], moving, usual.astype(np.float64))
    part["unusual"][:] = _add(part["unusual"], moving, (valid & ~usual).astype(np.float64))
    quiet = valid & ((judged.level < 0.7) | ~settled)
    peak = np.where(quiet, ratio, 0.0).max(axis=1, initial=0.0)
    part["peak"][:] = np.maximum(part["peak"], peak / part["base"])
    last = count[:, None, None] + np.arange(SPAN - 1)[None, :, None]
    part["tail"][:] = np.take_along_axis(together, last, axis=1)
    judged = judged._replace(level=np.where(settled, judged.level, np.nan))
    return judged, _learn(memory, where, warning, memory_rows)


def _limit(memory: Array, where: Layout) -> Array:
    limit: Array = np.minimum(
        np.ceil(OUTNUMBER * where.view(memory, "learnt")), float(LONGEST_UNUSUAL)
    )
    return limit


def _judge(part: dict[str, Array], moving: Array) -> tuple[Judged, Array]:
    z = moving - part["centre"][:, None]
    precision = part["precision"]
    pulled = np.zeros_like(z)
    for j in range(z.shape[2]):
        pulled = pulled + z[:, :, j : j + 1] * precision[:, None, j]
    squared = np.zeros(z.shape[:2])
    for j in range(z.shape[2]):
        squared = squared + z[:, :, j] * pulled[:, :, j]
    ratio = np.maximum(squared, 0.0) / part["usual"][:, None]
    level = ratio / (ratio + 3 / 7 * part["warning"][:, None])
    own = np.diagonal(precision, axis1=1, axis2=2)
    mean, sd = part["mean"][:, None], part["sd"][:, None]
    expected = (moving - pulled / own[:, None]) * sd + mean
    link = np.abs(precision) / np.sqrt(own[:, :, None] * own[:, None])
    link[:, np.arange(z.shape[2]), np.arange(z.shape[2])] = -1.0
    off = pulled / np.sqrt(own)[:, None]
    spread = part["sd"] / np.sqrt(own)
    partner = link.argmax(axis=2)
    return Judged(level, off, moving * sd + mean, expected, spread, partner), ratio


def _learn(memory: Array, where: Layout, warning: float, memory_rows: int) -> NDArray[np.bool_]:
    """Where a stretch is full, or the unusual outnumbers the usual, learn it and fit again."""
    part = where.views(memory)
    full = part["accepted"][:, 0] >= part["stretch"]
    adopted = part["unusual"][:, 0] >= _limit(memory, where)
    d = where.metrics
    centre = part["unusual"][:, 1 : 1 + d] / np.maximum(part["unusual"][:, :1], 1.0)
    lost = adopted & (np.abs(centre) > LOST).any(axis=1)
    for name, done in (("accepted", full), ("unusual", adopted)):
        rows = np.flatnonzero(done & ~lost)
        if rows.size:
            some = memory[rows]  # a copy
            _take(where.views(some), name, memory_rows)
            _fit(where.views(some), warning)
            memory[rows] = some
    return lost


def _take(part: dict[str, Array], name: str, memory_rows: int) -> None:
    """Append a summary to the bank; where that is full, stretches become twice as long."""
    sources = np.arange(len(part["used"]))
    used = part["used"].astype(np.int64)
    part["bank"][sources, used] = part[name]
    used = used + 1
    part[name][:] = 0.0
    part["unusual"][:] = 0.0  # it was not the new normal
    part["peaks"][:] = np.concatenate([part["peaks"][:, 1:], part["peak"][:, None]], axis=1)
    enough = part["learnt"] + part["stretch"] >= SETTLED
    quiet = (part["peak"] <= 1) & (part["independent"] >= INDEPENDENT)
    part["settled"][:] = (part["settled"] > 0) | quiet | enough
    part["peak"][:] = 0.0
    for i in np.flatnonzero(used == SLOTS).tolist():  # rare, and less so with every time
        bank = part["bank"][i]
        if part["stretch"][i] * SLOTS < memory_rows:
            bank[: SLOTS // 2] = bank[::2] + bank[1::2]
            bank[SLOTS // 2 :] = 0.0
            used[i] = SLOTS // 2
            part["stretch"][i] *= 2
        else:
            bank[:-1] = bank[1:].copy()
            bank[-1] = 0.0
            used[i] = SLOTS - 1
    part["used"][:] = used


def _fit(part: dict[str, Array], warning: float) -> None:
    """Centre, precision and usual T2, from the bank."""
    d = part["centre"].shape[1]
    bank, used = part["bank"], part["used"]
    total = _sum(np.swapaxes(bank, 0, 1))
    count = np.maximum(total[:, :1], 2.0)
    centre = total[:, 1 : 1 + d] / count
    outer = total[:, 1 + d :].reshape(-1, d, d) / count[:, :, None]
    scatter = outer - centre[:, :, None] * centre[:, None]
    means = bank[:, :, 1 : 1 + d] / np.maximum(bank[:, :, :1], 1.0)
    wander = np.zeros_like(scatter)
    for i in range(1, SLOTS):
        change = np.where((i < used)[:, None], means[:, i] - means[:, i - 1], 0.0)
        wander = wander + change[:, :, None] * change[:, None]
    wander = wander * (DRIFT / np.maximum(used - 1, 1.0))[:, None, None]
    precision = _invert(scatter + wander + RIDGE * np.eye(d))
    freedom = np.zeros(len(used))
    for i in range(d):
        for j in range(d):
            freedom = freedom + precision[:, i, j] * scatter[:, i, j]
    part["centre"][:] = centre
    latest = np.maximum(used.astype(np.int64) - 1, 0)
    part["anchor"][:] = means[np.arange(len(means)), latest]
    own = np.diagonal(scatter, axis1=1, axis2=2)
    part["reach"][:] = CLIP * np.maximum(1.0, np.sqrt(np.maximum(own, 0.0)))
    part["precision"][:] = precision
    part["usual"][:] = _chi_square_99(np.maximum(freedom, 0.5))
    part["learnt"][:] = count[:, 0]
    part["independent"][:] = _independence(means, bank[:, :, :1], used, centre, scatter)
    base = np.maximum(LEAST_WARNING, warning * REFERENCE / (count[:, 0] * part["independent"]))
    part["base"][:] = base
    part["warning"][:] = base * np.maximum(1.0, ABOVE_PEAK * part["peaks"].max(axis=1))


def _independence(means: Array, rows: Array, used: Array, centre: Array, scatter: Array) -> Array:
    """Share of a source's rows that count as independent, from how its stretches differ: 0.05 to 1.

    Of rows that do not depend on each other a third of the moving means' variance lies between
    stretches of 100 rows, which counts in full, as does a half; where nearly all lies there, few
    states were seen, each for long.
    """
    between = np.zeros_like(centre)
    for i in range(SLOTS):
        away = means[:, i] - centre
        between = between + np.where((i < used)[:, None], rows[:, i] * away * away, 0.0)
    total = _sum(np.swapaxes(rows, 0, 1))
    own = np.diagonal(scatter, axis1=1, axis2=2)
    share = np.where(own > 1e-12, between / (np.maximum(own, 1e-12) * np.maximum(total, 1.0)), 0.0)
    mean = _sum(np.swapaxes(share, 0, 1)) / share.shape[1]
    kept: Array = np.clip((1 - mean) * 2, 0.05, 1.0)
    return kept


def _chi_square_99(freedom: Array) -> Array:
    """99 % quantile, by Wilson and Hilferty (1931)."""
    share = 2 / (9 * freedom)
    root = 1 - share + 2.326 * np.sqrt(share)
    return freedom * root * root * root


def _add(summary: Array, moving: Array, weight: Array) -> Array:
    """Summaries (S, 1 + d + d * d) with the rows (S, r, d) in it that weigh 1, in order."""
    d = moving.shape[2]
    weighted = moving * weight[:, :, None]
    parts = [weight[:, :, None], weighted]
    parts += [weighted * moving[:, :, j : j + 1] for j in range(d)]
    edges = np.cumsum([0, *(part.shape[2] for part in parts)])
    result = np.empty_like(summary)
    for part, first, last in zip(parts, edges[:-1], edges[1:], strict=True):
        begun = np.concatenate([summary[:, None, first:last], part], axis=1)
        result[:, first:last] = np.cumsum(begun, axis=1)[:, -1]
    return result


def _moving(z: Array) -> Array:
    """Means of SPAN consecutive rows, (S, r + SPAN - 1, d) to (S, r, d)."""
    span = 1
    while span < SPAN:
        z = z[:, span:] + z[:, :-span]
        span *= 2
    moving: Array = z / SPAN
    return moving


def _sum(rows: Array) -> Array:
    total: Array = np.cumsum(rows, axis=0)[-1]  # in order, unlike sum
    return total


def _invert(matrix: Array) -> Array:
    """Gauss-Jordan over (S, d, d), symmetric and positive definite."""
    sources, d, _ = matrix.shape
    work = np.concatenate([matrix, np.broadcast_to(np.eye(d), (sources, d, d))], axis=2)
    for i in range(d):
        pivot = work[:, i] / work[:, i, i : i + 1]
        work = work - work[:, :, i : i + 1] * pivot[:, None]
        work[:, i] = pivot
    inverse = work[:, :, d:]
    symmetric: Array = (inverse + np.swapaxes(inverse, 1, 2)) / 2
    return symmetric
