"""Usual: what is usual for a series, on several time scales, and when it has left that."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.ops.parts import in_parts
from padit.transforms.detectors import usual_state as state_of
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence
from padit.transforms.detectors.columns import Columns, Field, locate
from padit.transforms.detectors.directions import (
    VerdictParameters,
    directions_of,
    everywhere,
    kinds_of,
    limits_of,
    scored,
)
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.detectors.usual_evidence import FEW
from padit.transforms.detectors.usual_kernel import run
from padit.transforms.detectors.usual_season import SLOTS_OF_SEASON
from padit.transforms.detectors.usual_unseen import PLACES_OF_UNSEEN, SLOTS_OF_UNSEEN
from padit.transforms.detectors.wording import number, span

__all__ = ["DETECTOR", "UsualDetector", "UsualParameters"]

_PLACES = (2, 4, 16)  # among the facts: the level, whether it is accepted, what is severe
_WORDS = (
    "above its usual", "below its usual", "higher than usual", "lower than usual",
    "between its usual values", "noisier or calmer than usual", "stuck",
    "not usual at this time",
)  # fmt: skip
_FIELDS = {
    "state": Field(
        (state_of.SLOTS,),
        "float64",
        places=((state_of.STASHED, state_of.STASH), (state_of.CHANNEL_OF, len(_WORDS) - 1)),
    ),
    "season": Field((SLOTS_OF_SEASON,), "float32", np.nan),
    "unseen": Field((SLOTS_OF_UNSEEN,), "float64", places=PLACES_OF_UNSEEN),
}
_EXTREMES = ("highest", "lowest")


class UsualParameters(VerdictParameters):
    """How easily the detector speaks, and how long it remembers."""


class UsualDetector(PerSeries):
    """Cumulative evidence that a series has left what is usual for it.

    A series is judged sample by sample, in event-time order, by compiled code. Its value (of a
    counter its increase a second) and its activity (log2 of the size of its steps) are channels,
    each with a memory on five time scales (`usual_scale`); `usual_evidence` adds up what lies
    outside of them, `usual_season` what does not belong to this time of the day or week, and a
    value that is repeated for longer than 2.5 times the longest run before, plus 8, is stuck. Each
    gives a verdict, 1 where it is news; the highest counts:

        score = verdict / (verdict + 3/7)    while no alert is open; 0 inside one
        level = verdict / (verdict + 3/7)    always

    What lies inside an alert is not learnt until it has lasted for `accept_after` and stays where
    it is; then half of the memory becomes the new normal. It is never accepted of an availability
    (only its fall is news), of an error rate (only its rise is) or of a stuck value. An excursion
    of another kind that comes a third time, or the second time if such excursions take a seventh
    of all time, is learnt as routine.

    The sums are those of Page (1954), Continuous inspection schemes.

    >>> from padit.domain.metric import Series
    >>> value = np.random.default_rng(7).normal(size=2000)
    >>> value[1500:1600] += 8.0
    >>> table = FeatureTable(
    ...     (Series("probe", "rtt", "ms"),), np.array([2000]) * 1_000_000, np.array([0], np.int32),
    ...     {}, np.array([0, 2000]), np.arange(2000) * 1_000_000, value, 3000)
    >>> detector = UsualDetector(UsualParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> np.flatnonzero(scores.sample >= 0.7)
    array([1502])
    >>> detector.explain(table, scores, 0)["text"]
    'rtt 8.507 ms, above its usual -2.255 to 2.829'
    """

    name: ClassVar[str] = "usual"
    version: ClassVar[int] = 14
    fields = _FIELDS
    Parameters: ClassVar[type[Parameters]] = UsualParameters
    samples_first: ClassVar[int] = FEW  # without a score
    budgeted: ClassVar[bool] = False  # its verdicts are calibrated by the series' own past already
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: UsualParameters, levels: Levels | None = None) -> None:
        self.parameters = parameters
        self.levels = levels or Levels()
        self._limits = limits_of(self.levels, parameters.sensitivity)
        self._retention = int(parameters.retention_sec * 1e6)

    def at(self, levels: Levels) -> "UsualDetector":
        """The same detector that opens, closes and accepts where the job's alerts do."""
        return UsualDetector(self.parameters, levels)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Judge every new sample, then learn from it."""
        state, rows = locate(state, _FIELDS, table, self._retention)
        facts = np.zeros((state_of.FACTS, len(table)))
        verdict = np.zeros(len(table.value))
        data: dict[str, Any] = state.data
        mine = rows.take(table.code)
        sides = table.once(directions_of) | table.once(kinds_of)

        def judge(part: int, parts: int) -> None:
            run(
                data["state"],
                data["season"],
                data["unseen"],
                mine if parts == 1 else np.where(mine % parts == part, mine, -1),
                table.offset,
                table.time,
                table.value,
                sides,
                self._limits,
                verdict,
                facts,
            )

        in_parts(judge, len(table.value))
        return state, _scores(facts, verdict, self.parameters.sensitivity, table)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """What left its usual range, and the range."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = {key: float(column[row]) for key, column in (scores.detail or {}).items()}
        series = table.series[table.code[row]]
        channel = int(detail["channel"])
        what = _WORDS[channel]
        at = int(detail.pop("at"))
        if not detail["counter"] and at >= 0:
            detail["value"] = float(table.value[at])  # the kernel's is bounded
        unit = f"{series.unit}/s" if detail["counter"] and series.unit else series.unit
        seen = f"{series.metric_name} {number(detail['value'])} {unit}".rstrip()
        text = f"{seen}, {what}"
        if channel == state_of.STUCK:
            lasts = int(detail["run"] * detail["interval"])
            text = f"{seen}, the same for {span(lasts)}"
        elif channel < state_of.BETWEEN or channel == state_of.SEASONAL:
            low, high = detail["expected_low"], detail["expected_high"]
            if not np.isfinite(low):
                text = f"{seen}, {_EXTREMES[channel % 2]} in {int(detail['seen'])} samples"
            elif channel < state_of.BETWEEN:
                text += f" {number(low)} to {number(high)}"
        names = ("value", "expected_low", "expected_high", "median", "iqr", "seen")
        found = {name: detail[name] for name in names if np.isfinite(detail[name])}
        return {"text": text, "what": what, **found}


def _scores(
    facts: NDArray[np.float64],
    verdict: NDArray[np.float64],
    sensitivity: float,
    table: FeatureTable,
) -> Scores:
    """What the kernel found out about each window, and the verdict of each sample, as scores."""
    taken, severe = scored(facts, _PLACES, verdict, sensitivity)
    (
        event, at, level, _, accepted, channel, low, high, median, iqr, seen, shift, interval,
        value, counter, run_length, _,
    ) = facts  # fmt: skip
    return Scores(
        score=event,
        sample=verdict,
        detail={
            "value": value, "channel": channel, "median": median, "iqr": iqr, "seen": seen,
            "interval": interval, "counter": counter, "run": run_length, "expected_low": low,
            "expected_high": high, "accepted": accepted, "at": at,
        },
        ongoing=severe,
        level=level,
        expected_low=low,
        expected_high=high,
        baseline={"median": median, "iqr": iqr, "n": seen},
        shift=shift,
        held=table.once(everywhere),  # it accepts by itself, and says so
        accepted=taken,
    )  # fmt: skip


DETECTOR = UsualDetector
