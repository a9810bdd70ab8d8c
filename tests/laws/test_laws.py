"""Every registered detector is crossed with every law; a broken one fails the law it breaks."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from padit.domain.attributes import AttributeColumn
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.rows import Rows
from padit.transforms import arranging, detectors, windows
from padit.transforms.attributes import learn
from padit.transforms.detectors import registry
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.windows import Closed
from tests.detectors.tables import MODEL
from tests.laws.laws import LAWS, Make
from tests.laws.machine import setting

PARAMETERS: Mapping[str, dict[str, Any]] = {
    "model": {"path": MODEL},
    "multivariate": {"learn": 64},  # the streams are short
    "no_data": {"minimum_sec": 15, "factor": 3},  # so are their gaps
    "rule": {
        "rules": [
            {
                "conditions": [
                    {"feature": "p99", "limit": 10, "adds": 0.5},
                    {"feature": "cusum", "limit": 50, "adds": 0.5},
                ]
            }
        ]
    },
}
"""What a detector is given, where its defaults would keep it in warm-up on a short stream."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("discord", "speaks"): "a series is judged after 3,072 samples; tests/detectors/"
    "test_discord.py cuts and restores it on streams of that length",
    ("lasting", "speaks"): "a series is judged after 60 windows; tests/detectors/test_lasting.py "
    "cuts and restores it on streams of that length",
    ("model", "series_independence"): "it relates the metrics of a source, by design",
    ("multivariate", "series_independence"): "it relates the metrics of a source, by design",
    ("relation", "speaks"): "a pair judges after 60 windows; tests/detectors/test_relation.py cuts "
    "and restores it on streams of that length",
}
"""Laws that a detector does not keep, each with the reason."""


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", registry())
def test_every_detector_keeps_every_law(name: str, law: str) -> None:
    reason = EXCEPTIONS.get((name, law))
    if reason is None:
        LAWS[law](lambda: setting(name, PARAMETERS.get(name)))
        return
    with pytest.raises(AssertionError):  # an exception that is none any more has to go
        LAWS[law](lambda: setting(name, PARAMETERS.get(name)))


def test_exceptions_are_of_detectors_and_laws_that_exist() -> None:
    assert {law for _, law in EXCEPTIONS} <= LAWS.keys()


class _Broken:
    """A detector that keeps every law, to be broken in one way each; state is a list of counts."""

    name: ClassVar[str] = "broken"
    version: ClassVar[int] = 1
    Parameters: ClassVar[type[Parameters]] = Parameters

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    def initial(self) -> dict[tuple[str, str], int]:
        return {}

    def step(
        self, state: dict[tuple[str, str], int], table: FeatureTable
    ) -> tuple[dict[tuple[str, str], int], Scores]:
        score = np.empty(len(table))
        for row in range(len(table)):
            key = table.series[table.code[row]].key
            state[key] = state.get(key, 0) + 1
            score[row] = 0.01 * (state[key] % 10) + 0.5 * (table.features["max"][row] > 50)
        return state, Scores(score)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        return {"text": "broken"}

    def confidence(self, score: float, anomaly: bool) -> float:
        return 0.5

    def dump(self, state: dict[tuple[str, str], int]) -> bytes:
        return repr(sorted(state.items())).encode()

    def load(self, data: bytes) -> dict[tuple[str, str], int]:
        if not data.startswith(b"["):
            message = "damaged"
            raise StateError(message)
        return dict(eval(data))  # noqa: S307  # written above


class _CountsCalls(_Broken):
    """Its score depends on how often it is called."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self._calls = 0

    def step(self, state: Any, table: FeatureTable) -> tuple[Any, Scores]:
        self._calls += 1
        return state, Scores(np.full(len(table), 1 / self._calls))


class _LooksAhead(_Broken):
    """It compares a window with those after it."""

    def step(self, state: Any, table: FeatureTable) -> tuple[Any, Scores]:
        highest = max(1.0, float(np.max(table.features["max"], initial=0.0)))
        return state, Scores(np.clip(table.features["max"] / highest, 0, 1))


class _LooksAside(_Broken):
    """It compares a series with the others."""

    def step(self, state: Any, table: FeatureTable) -> tuple[Any, Scores]:
        return state, Scores(np.full(len(table), 1 / (1 + len(table.series))))


class _Forgets(_Broken):
    """It writes no state."""

    def dump(self, state: Any) -> bytes:
        return b"[]"


class _ReadsAnything(_Broken):
    """It accepts damaged state."""

    def load(self, data: bytes) -> Any:
        return dict(eval(data)) if data.startswith(b"[") else {}  # noqa: S307


class _Unbounded(_Broken):
    """Its scores are no scores."""

    def step(self, state: Any, table: FeatureTable) -> tuple[Any, Scores]:
        return state, Scores(table.features["mean"] / 5)


class _WarmsUp(_Broken):
    """It never gives a score."""

    def step(self, state: Any, table: FeatureTable) -> tuple[Any, Scores]:
        return state, Scores(np.full(len(table), np.nan))


Patch = pytest.MonkeyPatch


def _use(detector: type[_Broken]) -> Callable[[Patch], None]:
    def apply(patch: Patch) -> None:
        patch.setattr(detectors, "registry", lambda: {"broken": detector})

    return apply


def _by_time(bounds: Any, time: Any, value: Any, attribute: Any) -> None:
    """Orders the rows of each series by time only."""
    for first, last in itertools.pairwise(bounds.tolist()):
        order = first + np.argsort(time[first:last], kind="stable")
        for column in (time, value, attribute)[: 3 if len(attribute) else 2]:
            column[first:last] = column[order]


def _ties_by_arrival(patch: Patch) -> None:
    _use(_Broken)(patch)
    patch.setattr(arranging, "order", _by_time)
    plain = arranging.arranged.py_func  # type: ignore[attr-defined]
    patch.setattr(arranging, "arranged", plain)


def _loses_a_row(patch: Patch) -> None:
    _use(_Broken)(patch)
    close = windows.close_windows

    def leaky(*arguments: Any) -> Closed:
        closed = close(*arguments)
        return closed._replace(scored=max(0, closed.scored - 1))

    patch.setattr("padit.transforms.group.close_windows", leaky)


def _keeps_too_little(patch: Patch) -> None:
    _use(_Broken)(patch)

    needed = windows._needed

    def careless(rows: Rows, bounds: Any, closing: int, options: Any) -> Any:
        return needed(rows, bounds, closing, windows.WindowOptions(1, options.interval, 9))

    patch.setattr(windows, "_needed", careless)


def _attributes_by_arrival(patch: Patch) -> None:
    _use(_Broken)(patch)
    patch.setattr(AttributeColumn, "ranked", lambda self: self)


def _keeps_the_first_attributes(patch: Patch) -> None:
    _use(_Broken)(patch)
    patch.setattr("padit.transforms.group.learn", lambda known, table: known or learn(known, table))


BROKEN: list[tuple[str, Callable[[Patch], None]]] = [
    ("chunk_invariance", _use(_CountsCalls)),
    ("chunk_invariance", _keeps_too_little),
    ("order_invariance", _ties_by_arrival),
    ("order_invariance", _attributes_by_arrival),
    ("chunk_invariance", _keeps_the_first_attributes),
    ("causality", _use(_LooksAhead)),
    ("conservation", _loses_a_row),
    ("state_round_trip", _use(_Forgets)),
    ("state_round_trip", _use(_ReadsAnything)),
    ("source_independence", _use(_LooksAside)),
    ("series_independence", _use(_LooksAside)),
    ("bad_numbers", _use(_Unbounded)),
    ("speaks", _use(_WarmsUp)),
]


def _broken() -> Make:
    return lambda: setting("broken")


@pytest.mark.parametrize(("law", "apply"), BROKEN)
def test_a_broken_part_fails_the_law_it_breaks(
    law: str, apply: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    apply(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        LAWS[law](_broken())


@pytest.mark.parametrize("law", LAWS)
def test_the_part_that_is_broken_keeps_the_law_as_long_as_it_is_whole(
    law: str, monkeypatch: Patch
) -> None:
    _use(_Broken)(monkeypatch)
    LAWS[law](_broken())


def test_every_law_is_shown_to_fail() -> None:
    assert {law for law, _ in BROKEN} == LAWS.keys()
