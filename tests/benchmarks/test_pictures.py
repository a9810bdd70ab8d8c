"""The picture of the detectors shows what its captions say."""

import pytest

from benchmarks.quality.pictures import faults, open_windows

FAULT = slice(870, 1020)  # minutes; what is drawn begins at 600


@pytest.mark.parametrize("caption", faults())
def test_the_fault_in_the_picture_is_found_and_nothing_before_it(caption: str) -> None:
    found = open_windows(faults()[caption])
    assert found[FAULT].any()
    assert not found[600 : FAULT.start].any()
