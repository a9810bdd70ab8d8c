"""The share of the strongest frequency of a segment, without any function of the C library.

The Fourier transform of any length n is a convolution with a chirp (Bluestein 1970), done by
transforms whose length is a power of two, so a segment costs O(n log n), primes too. An even number
of samples is transformed as half as many complex ones. Sines and cosines are polynomials after an
exact reduction to an eighth of the circle (`_turn`), so all bits are ours.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel

__all__ = ["seasonality"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SHORTEST_CYCLE = 8
_HUGE = 1e100
_DOWN = 2.0**-700
_FLAT = 1e-12  # a spread at the rounding error of the values has no frequency
_TINY = 1e-300
_TWO_PI = 6.283185307179586


def seasonality(value: Floats, start: Ints, count: Ints) -> Floats:
    """Fisher's g of k segments; arguments as of `features.compute_features`, which checks them."""
    result = np.zeros(len(start))
    for length in np.unique(count[count >= _SHORTEST_CYCLE]).tolist():
        chosen = np.flatnonzero(count == length)
        _strongest(value, start, chosen, length, *_plan(length), result)
    return result


@lru_cache(maxsize=64)
def _plan(length: int) -> tuple[Floats, Floats, Floats, Floats]:
    """What all segments of one length share, each (2, .) of real and imaginary parts.

    Roots of unity, the chirp, the transform of its filter, and the turns that bring the two halves
    of an even length together.
    """
    points = length // 2 if length % 2 == 0 else length
    size = 1 << (2 * points - 2).bit_length()
    root, chirp, filtered = np.empty((2, size - 1)), np.empty((2, points)), np.zeros((2, size))
    turn = np.empty((2, points if length % 2 == 0 else 0))
    _fill(root, chirp, filtered, turn)
    for shared in (root, chirp, filtered, turn):
        shared.flags.writeable = False
    return root, chirp, filtered, turn


@kernel
def _turn(part: int, whole: int) -> tuple[float, float]:
    """Cosine and sine of part / whole of a full turn, 0 <= part < whole, each within 1 ulp.

    The angle is brought between 0 and an eighth of a turn by integers, so exactly; there both are
    Taylor polynomials whose first term left out is below 1e-19.
    """
    eighths = 8 * part // whole
    place = part * 4 - whole * ((eighths + 1) // 2)  # from the nearest quarter, in 1 / 4 whole
    x = _TWO_PI * abs(place) / (4.0 * whole)
    y = x * x
    sine = 1.0
    cosine = 1.0
    for k in range(8, 0, -1):
        sine = 1.0 - y / (2 * k * (2 * k + 1)) * sine
    for k in range(9, 0, -1):
        cosine = 1.0 - y / ((2 * k - 1) * (2 * k)) * cosine
    sine *= x
    if place < 0:
        sine = -sine
    quarter = (eighths + 1) // 2 % 4
    if quarter == 1:
        return -sine, cosine
    if quarter == 2:
        return -cosine, -sine
    if quarter == 3:
        return sine, -cosine
    return cosine, sine


@kernel
def _fill(root: Floats, chirp: Floats, filtered: Floats, turn: Floats) -> None:
    """Write what `_plan` returns.

    The roots exp(-pi i k / h), k < h, of the step over halves of h begin at h - 1; the chirp is
    exp(-pi i k^2 / n). The transform is in bit-reversed order, and divided by the size.
    """
    size, n = filtered.shape[1], chirp.shape[1]
    half = 1
    while half < size:
        for k in range(half):
            cosine, sine = _turn(k, 2 * half)
            root[0, half - 1 + k], root[1, half - 1 + k] = cosine, -sine
        half *= 2
    for k in range(n):
        cosine, sine = _turn(k * k % (2 * n), 2 * n)
        chirp[0, k], chirp[1, k] = cosine, -sine
        filtered[0, k], filtered[1, k] = cosine, sine
        if k:
            filtered[0, size - k], filtered[1, size - k] = cosine, sine
    _forward(filtered[0], filtered[1], root)
    for k in range(size):
        filtered[0, k] /= size
        filtered[1, k] /= size
    for k in range(turn.shape[1]):
        cosine, sine = _turn(k, 2 * n)
        turn[0, k], turn[1, k] = cosine, -sine


@kernel
def _forward(re: Floats, im: Floats, root: Floats) -> None:
    """Transform in place (decimation in frequency); the result is in bit-reversed order."""
    half = len(re) // 2
    while half >= 1:
        w_re, w_im = root[0, half - 1 : 2 * half - 1], root[1, half - 1 : 2 * half - 1]
        for first in range(0, len(re), 2 * half):
            # Parts as arrays of their own: their loop is then compiled to vector instructions.
            a_re, b_re = re[first : first + half], re[first + half : first + 2 * half]
            a_im, b_im = im[first : first + half], im[first + half : first + 2 * half]
            for j in range(half):
                d_re, d_im = a_re[j] - b_re[j], a_im[j] - b_im[j]
                a_re[j] += b_re[j]
                a_im[j] += b_im[j]
                b_re[j] = d_re * w_re[j] - d_im * w_im[j]
                b_im[j] = d_re * w_im[j] + d_im * w_re[j]
        half //= 2


@kernel
def _backward(re: Floats, im: Floats, root: Floats) -> None:
    """Undo `_forward` but for the division by the size (decimation in time)."""
    half = 1
    while half < len(re):
        w_re, w_im = root[0, half - 1 : 2 * half - 1], root[1, half - 1 : 2 * half - 1]
        for first in range(0, len(re), 2 * half):
            a_re, b_re = re[first : first + half], re[first + half : first + 2 * half]
            a_im, b_im = im[first : first + half], im[first + half : first + 2 * half]
            for j in range(half):
                v_re = b_re[j] * w_re[j] + b_im[j] * w_im[j]
                v_im = b_im[j] * w_re[j] - b_re[j] * w_im[j]
                b_re[j], b_im[j] = a_re[j] - v_re, a_im[j] - v_im
                a_re[j] += v_re
                a_im[j] += v_im
        half *= 2


@kernel
def _detrend(value: Floats, first: int, n: int, rest: Floats) -> float:
    """Write what the least-squares line leaves of a segment.

    Returns:
        The largest absolute value, in the scale of `rest`; -1 if `rest` is rounding error.
    """
    low = high = value[first]
    for i in range(n):
        low = min(low, value[first + i])
        high = max(high, value[first + i])
    size = max(abs(low), abs(high))
    scale = _DOWN if size > _HUGE else 1.0
    total = 0.0
    for i in range(n):
        rest[i] = value[first + i] * scale
        total += rest[i]
    mean = min(max(total / n, low * scale), high * scale)
    middle = (n - 1) / 2
    squares = slope = 0.0
    for i in range(n):
        rest[i] -= mean
        squares += rest[i] * rest[i]
        slope += (i - middle) * rest[i]
    trend = slope / (n * (n * float(n) - 1.0) / 12.0)
    for i in range(n):
        rest[i] -= trend * (i - middle)
    size *= scale
    return size if np.sqrt(squares / n) > _FLAT * size else -1.0


@kernel
def _transform(re: Floats, im: Floats, root: Floats, chirp: Floats, filtered: Floats) -> None:
    """The Fourier transform of the first n of (re, im), in place; n is the chirp's length."""
    n = chirp.shape[1]
    for i in range(n):
        x = re[i]
        re[i] = x * chirp[0, i] - im[i] * chirp[1, i]
        im[i] = x * chirp[1, i] + im[i] * chirp[0, i]
    re[n:] = 0.0
    im[n:] = 0.0
    _forward(re, im, root)
    for i in range(len(re)):
        x = re[i]
        re[i] = x * filtered[0, i] - im[i] * filtered[1, i]
        im[i] = x * filtered[1, i] + im[i] * filtered[0, i]
    _backward(re, im, root)
    for i in range(n):
        x = re[i]
        re[i] = x * chirp[0, i] - im[i] * chirp[1, i]
        im[i] = x * chirp[1, i] + im[i] * chirp[0, i]


@kernel
def _power(re: Floats, im: Floats, turn: Floats, k: int) -> float:
    """Power at frequency k, from the transform of all samples or of both halves."""
    if not turn.shape[1]:
        return re[k] * re[k] + im[k] * im[k]  # type: ignore[no-any-return]
    other = turn.shape[1] - k
    even_re, even_im = (re[k] + re[other]) / 2, (im[k] - im[other]) / 2
    odd_re, odd_im = (im[k] + im[other]) / 2, (re[other] - re[k]) / 2
    x = even_re + (odd_re * turn[0, k] - odd_im * turn[1, k])
    y = even_im + (odd_re * turn[1, k] + odd_im * turn[0, k])
    return x * x + y * y  # type: ignore[no-any-return]


@kernel
def _strongest(
    value: Floats, start: Ints, chosen: Ints, n: int, root: Floats, chirp: Floats,
    filtered: Floats, turn: Floats, result: Floats,
) -> None:  # fmt: skip
    """Fisher's g of the chosen segments, all of n samples; `result` (k,) is written."""
    rest, re, im = np.empty(n), np.empty(filtered.shape[1]), np.empty(filtered.shape[1])
    for segment in chosen:
        largest = _detrend(value, start[segment], n, rest)
        if largest < 0:
            continue
        if turn.shape[1]:
            for i in range(n // 2):
                re[i], im[i] = rest[2 * i], rest[2 * i + 1]
        else:
            re[:n] = rest
            im[:n] = 0.0
        _transform(re, im, root, chirp, filtered)
        most = total = 0.0
        for k in range(1, (n + 1) // 2):
            power = _power(re, im, turn, k)
            most = max(most, power)
            total += power
        if max(np.sqrt(total) / n, _TINY) > _FLAT * largest:
            result[segment] = most / max(total, _TINY)
