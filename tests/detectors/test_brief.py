"""Compiled detectors give the scores, the evidence and the state that were recorded, also plainly.

The brief scenes take little time without a compiler, so every branch of a kernel is run as Python.
"""

from __future__ import annotations

import pytest

from padit.transforms.detectors import registry
from tests.detectors.brief import SCENES, recorded, results
from tests.detectors.test_recorded import same

RECORDED = recorded()


@pytest.mark.parametrize(("name", "scene"), SCENES)
def test_a_brief_scene_gives_what_its_version_gave(name: str, scene: str) -> None:
    known = RECORDED[f"{name}/{scene}"]
    assert registry()[name].version == known["version"], (
        "record the results of the new version: python -m tests.detectors.brief"
    )
    same(results(name, scene), known["results"])


def test_the_scenes_tell_what_was_put_into_them() -> None:
    told = {
        (name, metric)
        for name, scene in SCENES
        for metric, texts in RECORDED[f"{name}/{scene}"]["results"]["evidence"].items()
        if texts and name in ("lasting", "relation", "usual") and scene != "levels"
    }
    lasting = ("error_rate", "fuel", "high", "low", "pump", "wear")
    usual = ("availability", "error_rate", "noise", "rate", "requests_total", "season", "step",
             "stuck")  # fmt: skip
    assert told == {
        *(("lasting", one) for one in lasting), *(("usual", one) for one in usual),
        ("relation", "heat"), ("relation", "power"),
    }  # fmt: skip
