"""Records of a job's progress: from time to time, and never ahead of what is delivered."""

from padit.domain.audit import decode_record, encode_record
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE
from padit.transforms.job_progress import ProgressRecords, RunName


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _watermarks(steps: list[tuple[float, int]], group: int = 0) -> list[tuple[float, int]]:
    """Moments and watermarks of the records."""
    clock = _Clock()
    records = ProgressRecords(RunName("r", "s", 2), clock=clock)
    found = []
    for moment, watermark in steps:
        clock.now = moment
        one = records.observe(group, watermark)
        if one is not None:
            found.append((moment, one.watermark))
    return found


def test_a_group_is_recorded_every_ten_seconds_with_a_watermark_that_is_settled() -> None:
    found = _watermarks([(second / 2, second) for second in range(100)])
    assert [moment for moment, _ in found] == [10.0, 20.0, 30.0, 40.0]
    assert all(2 * moment - 8 <= mark <= 2 * moment - 4 for moment, mark in found)


def test_a_watermark_that_stands_still_is_recorded_too() -> None:
    assert _watermarks([(float(second), 7) for second in range(0, 35, 5)]) == [
        (10.0, 7), (20.0, 7), (30.0, 7),
    ]  # fmt: skip


def test_nothing_is_recorded_before_a_watermark_is_known_nor_at_the_end() -> None:
    assert _watermarks([(float(second), WATERMARK_NONE) for second in range(60)]) == []
    assert _watermarks([(float(second), WATERMARK_END) for second in range(60)]) == []


def test_a_repeated_batch_does_not_hide_what_is_known() -> None:
    steps = [(float(second), WATERMARK_NONE if second % 2 else second) for second in range(25)]
    assert [moment for moment, _ in _watermarks(steps)] == [10.0, 20.0]


def test_a_record_is_read_back() -> None:
    clock = _Clock()
    records = ProgressRecords(RunName("r", "s", 2), every=0.0, settled=0.0, clock=clock)
    assert records.observe(1, 5) is None
    one = records.observe(1, 6)
    assert one is not None
    assert decode_record(encode_record(one)) == one
    assert (one.watermark, one.run, one.shape, one.group, one.groups) == (5, "r", "s", 1, 2)
