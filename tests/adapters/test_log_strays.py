"""What rotation moved beside a log: read where it lies, or said; other logs are left alone."""

import gzip
import os
from pathlib import Path

import pytest

from tests.adapters.test_log_tail import Reader, append, numbered


@pytest.mark.parametrize("name", ["app.log.1", "app.log-20260105", "app.log.old"])
def test_a_file_that_came_and_went_between_two_looks_is_read_where_rotation_left_it(
    tmp_path: Path, name: str
) -> None:
    """The pattern is the name alone, as most people write it."""
    path = tmp_path / "app.log"
    append(path, *numbered(1, 3))
    read = Reader(path)
    assert read() == numbered(1, 3)
    append(path, *numbered(4, 5))
    path.rename(tmp_path / "app.log.2")
    append(path, *numbered(6, 8))
    path.rename(tmp_path / name)
    append(path, *numbered(9, 9))
    assert read() == numbered(4, 9)
    assert read.said == {}
    for i in range(10, 15):
        append(path, *numbered(i, i))
        assert read() == numbered(i, i)
    path.rename(tmp_path / "app.log.3")
    append(path, *numbered(15, 15))
    assert read() == numbered(15, 15)
    assert read.said == {}
    read.tail.close()


def test_what_was_compressed_between_two_looks_is_said(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    append(path, *numbered(1, 3))
    read = Reader(path)
    assert read() == numbered(1, 3)
    path.rename(tmp_path / "app.log.2")
    old = tmp_path / "app.log.3.gz"
    old.write_bytes(gzip.compress(b"INFO long ago\n"))
    os.utime(old, (1, 1))
    packed = tmp_path / "app.log.1.gz"
    packed.write_bytes(gzip.compress(b"INFO between\n"))
    os.utime(packed, ns=(2**62, 2**62))
    append(path, *numbered(4, 4))
    assert read() == numbered(4, 4)
    assert read.said == {"rotated": 1}
    assert "app.log.1.gz was written, rotated and compressed between two looks" in read.messages[0]
    assert read() == []
    assert read.said == {"rotated": 1}
    read.tail.close()


def test_other_logs_with_names_alike_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    append(path, *numbered(1, 1))
    read = Reader(path)
    assert read() == numbered(1, 1)
    path.rename(tmp_path / "app.log.1")
    for name in ("app.log.json", "app-2.log", "other.log.1", "app.log.1.swp", "app.logs"):
        append(tmp_path / name, "INFO not ours")
    append(path, *numbered(2, 2))
    assert read() == numbered(2, 2)
    assert read.said == {}
    read.tail.close()


def test_a_file_rotated_out_of_the_pattern_while_nothing_ran_is_read_to_its_end(
    tmp_path: Path,
) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    append(path, *numbered(1, 2))
    read = Reader(path, state=state)
    assert read() == numbered(1, 2)
    read.tail.close()
    append(path, *numbered(3, 4))
    path.rename(tmp_path / "app.log.1")
    append(path, *numbered(5, 6))
    again = Reader(path, state=state)
    assert sorted(again()) == numbered(3, 6)
    assert again() == []
    assert again.said == {}
    again.tail.close()
    third = Reader(path, state=state)
    assert third() == []
    third.tail.close()
