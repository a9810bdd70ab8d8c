"""`discord` in plain Python: one series, every sample kept, every distance taken in full."""

import math

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors.usual_scale import log2

__all__ = ["nearest_twin", "ratios_of", "verdicts_of"]

Array = NDArray[np.float64]


def nearest_twin(units: list[int]) -> tuple[int, int]:
    """Least squared distance of the last 32 to 32 of the 4,096 last, and of their first 24."""
    kept = units[-4096:]
    last = kept[-32:]
    apart = [
        [(a - b) ** 2 for a, b in zip(kept[i : i + 32], last, strict=True)]
        for i in range(len(kept) - 63)
    ]
    return min(map(sum, apart)), min(sum(one[:24]) for one in apart)


def ratios_of(value: Array) -> dict[int, tuple[float, float]]:
    """By sample that is judged: the ratio, before and without any alert, and the mean D(32)."""
    units: list[int] = []
    found: dict[int, tuple[float, float]] = {}
    scale = near_mean = far_mean = 0.0
    centre = unit = 0.0
    for i, x in enumerate(value.tolist()):
        if not units and (i + 1) % 512 == 0 and _begins(value[: i + 1]):
            centre, scale = _weighted(value[: i + 1])
            unit = scale / 32
        if unit == 0:
            continue
        units.append(int(min(max(math.floor((x - centre) / unit + 0.5), -127), 127)))
        if len(units) % 8 or len(units) < 1024:
            continue
        whole, prefix = nearest_twin(units)
        far, near = math.sqrt(whole / 32), math.sqrt(prefix / 24)
        part = 1 / min(len(found) + 1, 256)
        ratio = far / (near + 0.5 * near_mean + 0.3)
        near_mean += part * (near - near_mean)
        far_mean += part * (far - far_mean)
        found[i] = ratio, far_mean
    return found


def verdicts_of(ratios: dict[int, tuple[float, float]]) -> dict[int, float]:
    """By sample: the verdict, up to the first that is news."""
    found: dict[int, float] = {}
    highest: list[float] = []
    block: list[float] = []
    record = -math.inf
    for i, (ratio, far) in ratios.items():
        x = log2(max(ratio, 1e-3))
        if len(highest) >= 24:
            mean = math.fsum(highest) / len(highest)
            spread = math.sqrt(math.fsum((one - mean) ** 2 for one in highest) / len(highest))
            wide = 4 * (1 + 8 / len(highest)) * spread
            limit = max(mean + wide, record + math.log2(1.1), math.log2(1.3))
            share = (x - mean) / (limit - mean)
            rank = 0.4 * max(2 * share - 1, 0)
            found[i] = 0.0 if far >= 8 else min(share, 3.8) if share >= 1 else rank
            if found[i] >= 1:
                return found
        block.append(x)
        if len(block) == 8:
            record = max(record - 0.002, max(block))
            highest.append(max(block))
            block = []
    return found


def _begins(value: Array) -> bool:
    first, second = np.diff(value), np.diff(value, 2)
    a, b = _faded(first[1:] ** 2), _faded(second**2)
    return bool(b < 0.6 * a and 32 * math.sqrt(a) >= 2 * _weighted(value)[1])


def _faded(squares: Array) -> float:
    """Mean of squares that forgets over 1,024 samples; the first is of the third sample."""
    mean = 0.0
    for n, one in enumerate(squares.tolist(), 2):
        mean += (one - mean) / min(n, 1024)
    return mean


def _weighted(value: Array) -> tuple[float, float]:
    """Mean and deviation; all samples weigh the same up to 4,096."""
    return float(value.mean()), float(value.std())
