"""Log files on the disk: each line once, through rotation, copies, cuts and restarts."""

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from padit.adapters import log_tail
from padit.adapters.log_tail import LONGEST_LINE, Tail
from tests.adapters.live import Live


class Reader:
    """A tail, with what it said."""

    def __init__(self, pattern: Path | str, **options: Any) -> None:
        self.said: dict[str, int] = {}
        self.messages: list[str] = []
        options = {"from_start": True, "state": None, **options}
        self.tail = Tail(str(pattern), say=self._say, **options)

    def _say(self, kind: str, message: str, count: int) -> None:
        self.said[kind] = self.said.get(kind, 0) + count
        self.messages.append(message)

    def __call__(self) -> list[str]:
        return [line.decode() for batch in self.tail.read() for line in batch.lines]


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(line + "\n" for line in lines)


def numbered(first: int, last: int) -> list[str]:
    return [f"INFO line {i}" for i in range(first, last + 1)]


def test_tail_follows_rotation_truncation_and_half_lines(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("old\n")
    read = Reader(tmp_path / "*.log", from_start=False)
    assert read() == []
    with path.open("a") as file:
        file.write("one\nhal")
    assert read() == ["one"]
    with path.open("a") as file:
        file.write("f\nlast")
    assert read() == ["half"]
    with path.open("a") as file:
        file.write(" before rotation\n")
    path.rename(tmp_path / "app.log.1")
    path.write_text("first after rotation\n")
    assert read() == ["last before rotation", "first after rotation"]
    path.write_text("cut\n")  # copytruncate
    assert read() == ["cut"]
    assert read.said == {"truncated": 1}
    path.unlink()
    assert read() == []
    path.write_text("new\n")
    assert read() == ["new"]
    read.tail.close()


def test_tail_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    path.write_text("one\ntw")
    read = Reader(path, state=state)
    assert read() == ["one"]
    read.tail.close()
    with path.open("a") as file:
        file.write("o\nthree\n")
    assert Reader(path, state=state)() == ["two", "three"]


def test_endless_line_is_cut_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"x" * (3 * LONGEST_LINE) + b"\nnext\n")
    read = Reader(path)
    assert [len(line) for line in read()] == [LONGEST_LINE, 4]
    assert read.said == {"long_line": 1}


def test_renamed_copied_cut_and_compressed_files_give_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    read = Reader(tmp_path / "*.log*")
    append(path, *numbered(1, 5))
    assert read() == numbered(1, 5)
    path.rename(tmp_path / "app.log.1")
    append(path, *numbered(6, 8))
    assert read() == numbered(6, 8)
    shutil.copy(path, tmp_path / "app.log.2")
    path.write_text("")
    append(path, *numbered(9, 10))
    assert read() == numbered(9, 10)
    with gzip.open(tmp_path / "app.log.1.gz", "wb") as packed:
        packed.write((tmp_path / "app.log.1").read_bytes())
    (tmp_path / "app.log.1").unlink()
    assert read() == []
    assert read.said == {"copy": 1, "compressed": 1}


@pytest.mark.parametrize("name", ["app-2026-01-05.log", "app.log.bak", "app.1.log", "app.log.1"])
def test_lines_that_only_the_copy_has_are_read_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / "app.log"
    append(path, *numbered(1, 3))
    read = Reader(tmp_path / "app*")
    assert read() == numbered(1, 3)
    append(path, *numbered(4, 5))
    shutil.copy(path, tmp_path / name)
    path.write_text("")
    append(path, *numbered(6, 20))
    assert sorted(read()) == sorted(numbered(4, 20))
    assert read.said == {"copy": 1}


def test_a_file_that_was_cut_and_grew_past_the_old_position_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    append(path, *numbered(1, 3))
    read = Reader(path)
    assert read() == numbered(1, 3)
    path.write_text("")
    append(path, *numbered(4, 8))
    assert read() == numbered(4, 8)
    assert read.said == {"truncated": 1}
    assert "lost" in read.messages[0]


def test_a_cut_with_bytes_unread_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.log"
    path.write_text("INFO one\nhalf a line")
    read = Reader(path)
    assert read() == ["INFO one"]
    path.write_text("new\n")
    assert read() == ["new"]
    assert "at least 11 bytes" in read.messages[0]


def test_other_files_with_the_same_beginning_are_no_copies(tmp_path: Path) -> None:
    for name in ("shop.log", "ship.log"):
        append(tmp_path / name, "started", "ready")
    read = Reader(tmp_path / "*.log")
    assert len(read()) == 4
    (tmp_path / "shop.log").rename(tmp_path / "shop.1.log")
    append(tmp_path / "shop.log", "started", "ready")  # the new file, not a copy of the old one
    assert read() == ["started", "ready"]
    assert read.said == {}


def test_an_inode_that_is_used_again_is_another_file(tmp_path: Path) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    append(path, *numbered(1, 5))
    read = Reader(path, state=state)
    read()
    read.tail.close()
    path.write_text("")  # keeps the inode, as a new file may
    append(path, *numbered(11, 19))
    again = Reader(path, state=state)
    assert again() == numbered(11, 19)
    assert again.said == {"truncated": 1}


def test_a_file_renamed_while_nothing_ran_is_read_on(tmp_path: Path) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    append(path, *numbered(1, 3))
    read = Reader(tmp_path / "app.log*", from_start=False, state=state)
    assert read() == []
    read.tail.close()
    append(path, *numbered(4, 5))
    path.rename(tmp_path / "app.log.1")
    append(path, *numbered(6, 7))
    shutil.copy(path, tmp_path / "app.log.0")
    again = Reader(tmp_path / "app.log*", from_start=False, state=state)
    assert sorted(again()) == numbered(4, 7)


def test_positions_of_version_1_are_read(tmp_path: Path) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    append(path, "one", "two")
    status = path.stat()
    state.write_text(json.dumps({f"{status.st_dev}:{status.st_ino}": 4}))
    read = Reader(path, state=state)
    assert read() == ["two"]
    read.tail.save()
    assert json.loads(state.read_text())["version"] == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 9}', '{"a": "b"}', '{"version": 2}',
                                     '{"version": 2, "files": [{}]}'])  # fmt: skip
def test_damaged_positions_are_said(tmp_path: Path, content: str) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    append(path, "one")
    state.write_text(content)
    read = Reader(path, state=state)
    assert read() == ["one"]
    assert read.said == {"state": 1}


def test_what_cannot_be_opened_is_named_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    append(tmp_path / "good.log", "one")
    read = Reader(tmp_path / "*.log")
    assert read() == ["one"]
    assert read() == []
    assert read.said == {"unreadable": 2}
    assert any("pipe.log is no regular file" in message for message in read.messages)


def test_a_file_that_cannot_be_opened_is_named_and_read_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.log"
    append(path, "one")
    read = Reader(path)

    def refused(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)  # root may open everything
        assert read() + read() == []
    assert read.said == {"unreadable": 1}
    assert read.messages == [f"{path} cannot be read: Permission denied"]
    assert read() == ["one"]


@pytest.mark.parametrize(
    "magic", [b"\x1f\x8b\x08\0\0\0", b"\x28\xb5\x2f\xfd\0\0", b"\xfd7zXZ\0", b"BZh91AY"]
)
def test_compressed_content_is_skipped_whatever_its_name(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "app.log").write_bytes(magic + b"\n\n")
    read = Reader(tmp_path / "*.log")
    assert read() == []
    assert read.said == {"compressed": 1}


def test_two_names_of_one_file_are_read_once(tmp_path: Path) -> None:
    append(tmp_path / "a.log", "one")
    (tmp_path / "b.log").symlink_to(tmp_path / "a.log")
    os.link(tmp_path / "a.log", tmp_path / "c.log")
    assert Reader(tmp_path / "*.log")() == ["one"]


def test_a_deleted_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    append(path, "one")
    read = Reader(path)
    assert read() == ["one"]
    with path.open("a") as file:
        file.write("two\nwithout an end")
    path.unlink()
    assert read() + read() == ["two", "without an end"]


def test_ten_thousand_files_need_few_handles(tmp_path: Path) -> None:
    for i in range(10_000):
        (tmp_path / f"{i}.log").write_text(f"INFO {i}\n")
    before = len(os.listdir("/proc/self/fd"))
    read = Reader(tmp_path / "*.log")
    assert len(read()) == 10_000
    assert len(os.listdir("/proc/self/fd")) - before <= 200
    append(tmp_path / "77.log", "INFO again")
    assert read() == ["INFO again"]
    read.tail.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_grows_faster_than_it_is_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "_MOST_PER_READ", 1_000)
    monkeypatch.setattr(log_tail, "_READ_AT_ONCE", 500)
    append(tmp_path / "a.log", *numbered(1, 200))
    append(tmp_path / "b.log", "one")
    read = Reader(tmp_path / "*.log")
    first = read()
    assert len(first) < 200
    assert read.said == {"behind": 1}
    lines = first + [line for _ in range(5) for line in read()]
    assert sorted(lines) == sorted([*numbered(1, 200), "one"])


def messages(live: Live) -> list[str]:
    live.poll()
    return sorted(json.loads(value)["message"] for _, _, value in live.emitter.records)


def test_adapter_reads_rotated_files_once(tmp_path: Path) -> None:
    """The steps of the reported case: a pattern that matches what rotation leaves."""
    path = tmp_path / "app.log"
    file = {"path": str(tmp_path / "*.log*"), "from_start": True}
    with Live({"type": "logs", "listen": False, "store_dir": "", "files": [file]}) as live:
        append(path, *numbered(1, 5))
        assert len(messages(live)) == 5
        path.rename(tmp_path / "app.log.1")
        append(path, *numbered(6, 8))
        assert len(messages(live)) == 8
        shutil.copy(path, tmp_path / "app.log.2")
        path.write_text("")
        append(path, *numbered(9, 10))
        assert len(messages(live)) == 10
        with gzip.open(tmp_path / "app.log.1.gz", "wb") as packed:
            packed.write((tmp_path / "app.log.1").read_bytes())
        (tmp_path / "app.log.1").unlink()
        assert messages(live) == sorted(numbered(1, 10))
    assert live.emitter.left == {"copy": 1, "compressed": 1}
    assert live.emitter.faults == {}


def test_adapter_reads_on_after_copytruncate_between_two_polls(tmp_path: Path) -> None:
    """The steps of the reported case: the copy does not match, and the file has grown again."""
    path = tmp_path / "app.log"
    file = {"path": str(path), "from_start": True}
    with Live({"type": "logs", "listen": False, "store_dir": "", "files": [file]}) as live:
        append(path, *numbered(1, 3))
        assert messages(live) == numbered(1, 3)
        shutil.copy(path, tmp_path / "app.log.1")
        path.write_text("")
        append(path, *numbered(4, 8))
        assert messages(live) == numbered(1, 8)
    assert live.emitter.faults == {"truncated": 1}
