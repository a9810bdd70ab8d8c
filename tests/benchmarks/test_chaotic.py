"""The chaotic corpus: joints that no value gives away, and that a plain discord sees."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import chaotic
from benchmarks.quality.chaotic import (
    AFTER,
    FIRST,
    JOINTS,
    SIZE,
    Chaotic,
    chaotic_series,
    nearest_before,
    write_chaotic,
)
from benchmarks.quality.corpus import read_folder

Made = dict[str, dict[str, Chaotic]]


@pytest.fixture(scope="module")
def made() -> Made:
    return chaotic_series(5)


def test_a_joint_is_no_larger_a_step_than_the_series_makes_itself(made: Made) -> None:
    for name, one in made["noise_0_percent"].items():
        step = np.abs(np.diff(one.value))
        at_joints = step[np.array(one.joints) - 1]
        assert at_joints.max() < step[:FIRST].max(), name
        assert one.value[FIRST:].max() <= 1.1 * one.value[:FIRST].max(), name


def test_the_same_series_lies_under_each_noise_and_the_noise_is_as_large_as_it_says(
    made: Made,
) -> None:
    clean = made["noise_0_percent"]
    for name, one in made["noise_3_percent"].items():
        noise = one.value - clean[name].value
        assert one.joints == clean[name].joints
        assert float(noise.std()) == pytest.approx(0.03 * float(clean[name].value.std()), rel=0.05)


def test_a_plain_discord_sees_more_joints_than_any_chance_would(made: Made) -> None:
    one = made["noise_1_percent"]["mackey_glass_18_5"]
    found = nearest_before(one.value)
    near = np.zeros(SIZE, bool)
    for joint in one.joints:
        near[joint : joint + AFTER] = True
    calm = found[FIRST:][~near[FIRST:]]
    peaks = [float((found[joint : joint + AFTER].max() > calm).mean()) for joint in one.joints]
    # The highest of 60 ordinary values would stand at 0.98 in the median, and seldom above 0.999.
    assert sum(peak > 0.999 for peak in peaks) >= JOINTS // 3, peaks


def test_it_is_written_in_the_layout_of_nab(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaotic, "chaotic_series", lambda seed: made)
    for noise, (data, windows) in write_chaotic(tmp_path, (5,)).items():
        read = read_folder(data)
        labels = json.loads(windows.read_text())
        assert read.keys() == labels.keys()
        for name, (times, values) in read.items():
            one = made[noise][name.removesuffix(".csv")]
            assert values.tolist() == one.value.tolist()
            assert all(
                begin < times[joint] < end
                for joint, (begin, end) in zip(one.joints, labels[name], strict=True)
            )
