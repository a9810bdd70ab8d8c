"""Discord: usual values in an order that a series never had."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.config import Levels
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms import exact
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence
from padit.transforms.detectors.columns import Columns, Field, locate
from padit.transforms.detectors.directions import VerdictParameters, everywhere, limits_of, scored
from padit.transforms.detectors.discord_kernel import (
    BACK,
    DECIDE_EVERY,
    FACTS,
    FIRST,
    HAS,
    LENGTH,
    SLOTS,
    may_begin,
    run,
)
from padit.transforms.detectors.wording import number

__all__ = ["DETECTOR", "DiscordDetector", "DiscordParameters", "Discords"]

_STATE = {"state": Field((SLOTS,), "float64")}
_RING = {"ring": Field((BACK + LENGTH,), "int8")}
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Discords:
    """State: the numbers of all series, and the memories of those that have one.

    Attributes:
        numbers: column `state`, float64 (series, SLOTS).
        memories: column `ring`, int8 (memories, BACK + LENGTH); its `seen` is not used.
    """

    numbers: Columns
    memories: Columns

    def part_of(self, series: Series, oldest: float) -> "Discords":
        """The part of one series; of none if it was not seen since `oldest`, microseconds."""
        numbers = self.numbers.part_of(series, oldest)
        kept = 0 if numbers.row else 1  # `seen` of memories is 0
        return Discords(numbers, self.memories.part_of(series, kept))


class DiscordParameters(VerdictParameters):
    """How easily the detector speaks, and how long it remembers."""


class DiscordDetector:
    """The last 32 samples resemble no 32 of the 4,096 before them, though their beginning does.

    Left discords as of Keogh, Lin & Fu (2005), HOT SAX: finding the most unusual time series
    subsequence, with only the past to compare with; `discord_kernel` has the formula. Looked at is
    every eighth sample of a series that moves smoothly; others cost next to nothing, have no
    memory of samples, and are left alone.

        score = verdict / (verdict + 3/7)    while no alert is open; 0 inside one
        level = share / (share + 3/7)        share of the way from the mean ratio to its limit

    Samples of an alert are remembered too: the same odd shape is news once. An alert that lasts for
    `accept_after` ends, and what ratios are usual is learnt again.

    >>> from padit.domain.metric import Series
    >>> time, noise = np.arange(6000), np.random.default_rng(7).normal(size=6000)
    >>> value = np.sin(np.where(time < 5000, time, time + 9) / 7) + 0.02 * noise
    >>> table = FeatureTable(
    ...     (Series("probe", "flow", "l"),), np.array([6000]) * 1_000_000, np.array([0], np.int32),
    ...     {}, np.array([0, 6000]), time * 1_000_000, value, 6001)
    >>> detector = DiscordDetector(DiscordParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> int(np.flatnonzero(scores.sample >= 0.7)[0])
    5006
    """

    name: ClassVar[str] = "discord"
    version: ClassVar[int] = 1
    Parameters: ClassVar[type[Parameters]] = DiscordParameters
    samples_first: ClassVar[int] = DECIDE_EVERY + FIRST
    budgeted: ClassVar[bool] = False  # its verdicts are calibrated by the series' own past already
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: DiscordParameters, levels: Levels | None = None) -> None:
        self.parameters = parameters
        self.levels = levels or Levels()
        self._limits = limits_of(self.levels, parameters.sensitivity)
        self._retention = int(parameters.retention_sec * 1e6)

    def at(self, levels: Levels) -> "DiscordDetector":
        """The same detector that opens, closes and accepts where the job's alerts do."""
        return DiscordDetector(self.parameters, levels)

    def initial(self) -> Discords:
        """No series yet."""
        return Discords(Columns.empty(_STATE), Columns.empty(_RING))

    def step(self, state: Discords, table: FeatureTable) -> tuple[Discords, Scores]:
        """Judge every eighth sample, then learn from it."""
        numbers, rows = locate(state.numbers, _STATE, table, self._retention)
        of_numbers: dict[str, Any] = numbers.data
        memories = _spare(state.memories, of_numbers["state"], rows, table)
        ring_of = np.array([memories.row.get(one, -1) for one in table.series], np.int64)
        of_memories: dict[str, Any] = memories.data
        rings = of_memories["ring"]
        facts = np.empty((FACTS, len(table)))
        sample = np.empty(len(table.value))
        run(
            of_numbers["state"],
            rings if len(rings) else np.zeros((1, BACK + LENGTH), np.int8),
            rows.take(table.code),
            ring_of.take(table.code),
            table.offset,
            table.time,
            table.value,
            table.window_end,
            self._limits,
            np.empty(BACK + LENGTH, np.int32),
            sample,
            facts,
        )
        memories = _needed(memories, numbers)
        scores = _scores(facts, sample, self.parameters.sensitivity, table)
        return Discords(numbers, memories), scores

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """How far the last samples are from the nearest before."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = {key: float(column[row]) for key, column in (scores.detail or {}).items()}
        series, at = table.series[table.code[row]], int(detail["at"])
        if at < 0 or not np.isfinite(detail["ratio"]):
            return {"text": f"{series.metric_name} goes on as before"}
        value = float(table.value[at])
        seen = f"{series.metric_name} {number(value)} {series.unit}".rstrip()
        times = detail["ratio"] / exact.pow(2.0, detail["limit"])
        return {
            "text": f"{seen}, the last {LENGTH} samples are like none of the "
            f"{int(detail['remembered'])} before, {number(times)} times the limit",
            "what": "an order never seen",
            "value": value,
            "ratio": detail["ratio"],
            "remembered": int(detail["remembered"]),
        }

    def forget(self, state: Discords, gone: Collection[Series]) -> Discords:
        """The state as if these series had never been."""
        return Discords(state.numbers.without(gone), state.memories.without(gone))

    def dump(self, state: Discords) -> bytes:
        """Both parts, series in their canonical order."""
        parts = (state.numbers.dump(self.version), state.memories.dump(self.version))
        return msgspec.msgpack.encode(parts)

    def load(self, data: bytes) -> Discords:
        """Both parts from bytes.

        Raises:
            StateError: damaged, of another version or of other parameters.
        """
        try:
            numbers, memories = msgspec.msgpack.decode(data, type=tuple[bytes, bytes])
        except ValueError as error:
            message = f"detector state is damaged ({error}); restore another savepoint"
            raise StateError(message) from error
        state = Discords(
            Columns.load(numbers, self.version, _STATE),
            Columns.load(memories, self.version, _RING),
        )
        of_numbers: dict[str, Any] = state.numbers.data
        has = of_numbers["state"][:, HAS] > 0
        if {one for one, at in state.numbers.row.items() if has[at]} != set(state.memories.row):
            message = (
                "detector state is damaged (series and their memories do not belong together); "
                "restore another savepoint"
            )
            raise StateError(message)
        return state


def _spare(
    memories: Columns, states: NDArray[np.float64], rows: Ints, table: FeatureTable
) -> Columns:
    """The memories, and one more for each series that may begin one within the table.

    That is decided at each multiple of `DECIDE_EVERY` samples, so of most tables there is none.
    """
    due = may_begin(states, rows, table.offset, table.code)
    new = [
        table.series[i] for i in due.nonzero()[0].tolist() if table.series[i] not in memories.row
    ]
    if not new:
        return memories
    count = len(memories.seen)
    return Columns(
        memories.row | {one: count + k for k, one in enumerate(new)},
        np.concatenate([memories.seen, np.zeros(len(new), np.int64)]),
        {
            "ring": np.concatenate(
                [memories.data["ring"], np.zeros((len(new), BACK + LENGTH), np.int8)]
            )
        },
    )


def _needed(memories: Columns, numbers: Columns) -> Columns:
    """The memories of series that still have one."""
    states = numbers.data["state"]
    gone = [
        one for one in memories.row
        if one not in numbers.row or not states[numbers.row[one], HAS] > 0
    ]  # fmt: skip
    return memories.without(gone) if gone else memories


def _scores(
    facts: NDArray[np.float64], sample: NDArray[np.float64], sensitivity: float, table: FeatureTable
) -> Scores:
    accepted, _ = scored(facts, (1, 2, -1), sample, sensitivity)
    event, level, _, ratio, limit, remembered, at = facts
    return Scores(
        score=event,
        sample=sample,
        detail={"ratio": ratio, "limit": limit, "remembered": remembered, "at": at},
        level=level,
        held=table.once(everywhere),  # it accepts by itself, and says so
        accepted=accepted,
    )


DETECTOR = DiscordDetector
