"""The pictures of the detectors are those of the code, and show what their captions say."""

import re
from tempfile import TemporaryDirectory

import pytest

from benchmarks.quality.detector_cases import FAULT, cases, open_minutes, trained
from benchmarks.quality.pictures import DRAWN, IMAGES, faults, pictures
from padit.domain.config import DetectorSetting
from padit.transforms.detectors import registry

AROUND = slice(870, 1020)  # minutes


@pytest.mark.parametrize("caption", faults())
def test_the_fault_in_the_picture_is_found_and_nothing_before_it(caption: str) -> None:
    found = open_minutes(faults()[caption])
    assert found[AROUND].any()
    assert not found[DRAWN : AROUND.start].any()


@pytest.mark.parametrize("name", registry())
def test_a_detector_sees_the_one_fault_of_its_picture_and_not_the_other(name: str) -> None:
    case = cases()[name]
    with TemporaryDirectory() as folder:
        parameters = {"path": trained(folder)} if name == "model" else dict(case.parameters)
        alone = (DetectorSetting(name=name, parameters=parameters),)
        seen, missed = open_minutes(case.seen, alone), open_minutes(case.missed, alone)
    assert seen[FAULT].any()
    assert not seen[DRAWN : FAULT.start].any()
    assert not missed[DRAWN:].any()


def test_the_pictures_are_those_of_the_code() -> None:
    made = pictures()
    stored = {path.relative_to(IMAGES).as_posix() for path in (IMAGES / "detectors").glob("*.svg")}
    assert {name for name in made if "/" in name} == stored
    drifted = [name for name, text in made.items() if (IMAGES / name).read_text() != text]
    assert not drifted, f"{drifted} are old: python -m benchmarks.quality.pictures"


def test_every_detector_has_its_picture_on_the_page() -> None:
    page = (IMAGES.parent / "detectors" / "README.md").read_text()
    shown = re.findall(r"!\[[^\]]+\]\(\.\./images/detectors/(\w+)\.svg\)", page)
    assert sorted(shown) == sorted(registry())
