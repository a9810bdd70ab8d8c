"""A detector gives the scores that its version gave when they were recorded."""

from __future__ import annotations

from typing import Any

import pytest

from padit.transforms.detectors import registry
from tests.detectors.recorded import STREAMS, recorded, results

RECORDED = recorded()


def same(found: Any, wanted: Any, place: str = "") -> None:
    """Numbers up to the last digits, which differ where a library sums in another order."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), place
        for name, value in wanted.items():
            same(found[name], value, f"{place}/{name}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), place
        for number, value in enumerate(wanted):
            same(found[number], value, f"{place}/{number}")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9), place
    else:
        assert found == wanted, place


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("name", RECORDED)
def test_the_scores_of_a_version_never_change(name: str, stream: str) -> None:
    known = RECORDED[name]
    assert registry()[name].version == known["version"], (
        "record the results of the new version: python -m tests.detectors.recorded"
    )
    same(results(name, stream), known["results"][stream])


def test_the_records_are_of_scores_that_differ() -> None:
    for name, known in RECORDED.items():
        found = [one for each in known["results"].values() for one in each["windows"].values()]
        assert any(sums[0] > 100 and sums[1] > 0 for sums in found), name
        assert len({tuple(sums) for sums in found}) > 2, name
