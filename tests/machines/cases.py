"""What is computed on every machine: codecs, features, detectors, exact functions.

A new codec, preset, feature or detector joins by its registry. The input is made of whole numbers
and divisions, which are exact everywhere; sines and normal deviates are not.
"""

import json
import struct
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.presets import PRESETS
from padit.codecs.record_batches import headers_of, walk
from padit.codecs.records import Decoded, decode
from padit.domain.features import FEATURES
from padit.domain.metric import Series
from padit.pipelines import kernels
from padit.transforms import exact
from padit.transforms.detectors import registry
from padit.transforms.features import compute_features
from tests.codecs.payloads import MESSAGES
from tests.laws.codecs import SEEDS, decode_all, outcome
from tests.laws.machine import SECOND, Log, Result, Sample, run, setting
from tests.laws.streams import START
from tests.laws.test_laws import PARAMETERS

__all__ = ["CASES", "canonical"]

Floats = NDArray[np.float64]
_LENGTH = 500


def canonical(column: Any) -> bytes:
    """Bytes of numbers, with one kind of NaN: processors give it either sign."""
    values = np.asarray(column, np.float64)
    return np.where(np.isnan(values), np.nan, values).tobytes()


def _codec(name: str) -> bytes:
    values: list[bytes | None] = [*SEEDS[name]]
    return repr(outcome(decode_all(values))).encode()


def _preset(name: str) -> bytes:
    mapping = Mapping(format_of("test", PRESETS[name]))
    found = [mapping.decode([json.dumps(one).encode()], 1 << 20) for one in MESSAGES[name]]
    return repr([_plain(one) for one in found]).encode()


def _plain(decoded: Decoded) -> Any:
    rows = decoded.rows
    return rows.series, rows.code.tolist(), rows.time.tolist(), rows.value.tobytes()


def _numbers() -> bytes:
    """Decimal numbers of every length and size, as JSON has them."""
    chance = np.random.default_rng(11)
    texts = [
        f"{digits}e{power}"
        for digits, power in zip(
            chance.integers(1, 2**62, 3000) >> chance.integers(0, 60, 3000),
            chance.integers(-340, 300, 3000),
            strict=True,
        )
    ]
    line = '{"timestamp":1767323045,"source_id":"a","metric_name":"b","value":%s}'
    return decode([(line % one).encode() for one in texts], 1 << 20).rows.value.tobytes()


def _record_batch() -> bytes:
    found = walk(list(headers_of(memoryview(kernels.record_batch(b'{"a":1}')))), 0)
    return repr((list(found.values), found.offset.tolist(), found.time.tolist())).encode()


def _wave(chance: np.random.Generator, length: int) -> Floats:
    """A triangle with noise, of thirds and sixty-fourths."""
    period = int(chance.integers(5, 60))
    place = (np.arange(length) + int(chance.integers(60))) % period
    triangle = np.minimum(place, period - place) / 3.0
    noise: Floats = (chance.integers(-50, 50, length) + chance.integers(-50, 50, length)) / 64.0
    return triangle + noise


@cache
def _features() -> Any:
    chance = np.random.default_rng(12)
    count = np.array([*range(1, 60), *chance.integers(60, 700, 60).tolist()], np.int64)
    value = np.concatenate([
        wave * scale
        for wave, scale in zip(
            (_wave(chance, int(n)) for n in count),
            [1.0, 1e-3 / 7, 1e9 / 3, 1e300] * 30,
            strict=False,
        )
    ])  # fmt: skip
    return compute_features(value, np.cumsum(count) - count, count)


def _feature(name: str) -> bytes:
    return canonical(_features()[name])


@cache
def _log() -> Log:
    """Two sources of four metrics with jumps, gaps, plateaus and huge values."""
    chance = np.random.default_rng(13)
    found = []
    for source in "ab":
        common = _wave(chance, _LENGTH)
        for metric in "wxyz":
            values = 5 + common + _wave(chance, _LENGTH) / 4
            values[300:330] += 80
            values[380:400] = values[380]
            values[430] = 1e200
            kept = np.ones(_LENGTH, np.bool_)
            kept[340:360] = source == "b"
            series = Series(source, metric)
            found += [
                Sample(START + second * SECOND, series, float(value))
                for second, value in enumerate(values)
                if kept[second]
            ]
    return sorted(found)


@cache
def _run(detector: str) -> Result:
    return run([_log()], setting(detector, PARAMETERS.get(detector)))


def _scores(detector: str) -> bytes:
    return b"".join(canonical(one) for one in _run(detector).scores)


def _alerts(detector: str) -> bytes:
    found = _run(detector)
    return repr((found.alerts, [int(one) for one in found.counts])).encode()


def _arguments() -> Iterator[float]:
    chance = np.random.default_rng(14)
    yield from (0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf"), float("nan"), 5e-324)
    for bits in chance.integers(-(2**63), 2**63, 1500).tolist():
        yield struct.unpack("<d", struct.pack("<q", bits))[0]
    yield from (chance.integers(-(2**52), 2**52, 1500) / 2.0**44).tolist()


def _exact(function: Callable[[float], float]) -> bytes:
    return canonical([function(x) for x in _arguments()])


def _power() -> bytes:
    values = list(_arguments())
    return canonical([exact.pow(x, y) for x, y in zip(values, values[::-1], strict=True)])


CASES: dict[str, Callable[[], bytes]] = (
    {f"codec: {name}": partial(_codec, name) for name in SEEDS}
    | {f"preset: {name}": partial(_preset, name) for name in MESSAGES}
    | {"decimal numbers": _numbers, "record batches": _record_batch}
    | {f"feature: {name}": partial(_feature, name) for name in FEATURES}
    | {f"scores: {name}": partial(_scores, name) for name in registry()}
    | {f"alerts: {name}": partial(_alerts, name) for name in registry()}
    | {"exact: log": partial(_exact, exact.log), "exact: exp": partial(_exact, exact.exp)}
    | {"exact: pow": _power}
)
