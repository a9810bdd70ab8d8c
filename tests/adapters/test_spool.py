"""The disk buffer: order, bounds, crashes and damage."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.backlog import Backlog
from padit.adapters.encode import Record
from padit.adapters.spool import Spool
from padit.domain.errors import ConfigurationError


def record(number: int, size: int = 10) -> Record:
    return Record("t", None, str(number).encode().rjust(size, b"0"), number % 3, 1)


def number(of: Record | None) -> int:
    assert of is not None
    return int(of.value)


class Losses(dict[str, int]):
    def __call__(self, reason: str, count: int) -> None:
        self[reason] = self.get(reason, 0) + count


def drain(take: Callable[[], Record | None]) -> list[int]:
    found = []
    while (one := take()) is not None:
        found.append(number(one))
    return found


def test_order_is_kept_over_segments_and_restarts(tmp_path: Path) -> None:
    losses = Losses()
    spool = Spool(tmp_path, 2_000_000, losses)
    spool.append([record(i, 3000) for i in range(200)])
    assert [number(spool.take()) for _ in range(50)] == list(range(50))
    spool.release()
    spool.close()
    again = Spool(tmp_path, 2_000_000, losses)
    assert again.samples == 150
    assert drain(again.take) == list(range(50, 200))
    again.release()
    again.close()
    assert not losses
    assert not list(tmp_path.glob("*.seg"))


def test_oldest_go_first_when_the_bound_is_reached(tmp_path: Path) -> None:
    losses = Losses()
    spool = Spool(tmp_path, 1_000_000, losses)
    spool.append([record(i, 3000) for i in range(1000)])
    assert spool.size <= 1_000_000 + 70_000
    left = drain(spool.take)
    spool.close()
    assert left == list(range(losses["buffer_full"], 1000))


def test_crash_loses_nothing_that_was_not_released(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "live", 1_000_000, Losses())
    spool.append([record(i) for i in range(100)])
    assert number(spool.take()) == 0
    shutil.copytree(tmp_path / "live", tmp_path / "crashed")  # what the disk held at the crash
    spool.close()
    after = Spool(tmp_path / "crashed", 1_000_000, Losses())
    assert drain(after.take) == list(range(100))
    after.close()


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_torn_end_is_counted_and_the_rest_is_read(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, 1_000_000, Losses())
    spool.append([record(i) for i in range(10)])
    spool.close()
    path = next(tmp_path.glob("*.seg"))
    path.write_bytes(path.read_bytes()[:-cut])
    losses = Losses()
    again = Spool(tmp_path, 1_000_000, losses)
    assert drain(again.take) == list(range(9))
    again.close()
    assert losses["damaged"] >= 1


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = tmp_path_factory.mktemp("spool")
    (directory / f"{1 << 40:016d}.seg").write_bytes(data)
    spool = Spool(directory, 1_000_000, Losses())
    drain(spool.take)
    spool.close()


def test_two_processes_cannot_share_a_directory(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1_000_000, Losses())
    with pytest.raises(ConfigurationError, match=r"buffer\.directory"):
        Spool(tmp_path, 1_000_000, Losses())
    spool.close()


def test_directory_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Spool(tmp_path / "file" / "x", 1_000_000, Losses())


@given(st.lists(st.sampled_from(["add", "take", "back", "settle"]), max_size=60))
def test_backlog_is_a_queue_whatever_spills(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    losses = Losses()
    backlog = Backlog(Spool(tmp_path_factory.mktemp("q"), 10_000_000, losses), room=100)
    waiting: list[int] = []
    flying: list[Record] = []
    for position, step in enumerate(steps):
        if step == "add":
            backlog.add(record(position, 30))
            waiting.append(position)
        elif step == "take" and waiting:
            one = backlog.take()
            assert one is not None
            assert number(one) == waiting.pop(0)
            flying.append(one)
        elif step == "back":
            backlog.give_back(flying)
            waiting = [number(one) for one in flying] + waiting
            flying = []
        elif step == "settle":
            flying = []
            backlog.settle()
        assert backlog.samples == len(waiting)
    assert backlog.close() == len(waiting)
    assert not losses
