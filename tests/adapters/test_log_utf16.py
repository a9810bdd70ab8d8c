"""Logs in UTF-16: each line once, wherever a read ends, through cuts and restarts."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from padit.adapters.log_text import utf8_lines
from tests.adapters.live import Live
from tests.adapters.test_log_tail import Reader

ENCODINGS = ("utf-16-le", "utf-16-be")
LINES = ["2026-01-05 10:00:00 ERROR Ventil öffnet nicht", "INFO ok", "", "WARN 温度 ☃"]


def encoded(lines: list[str], encoding: str, mark: bool = True) -> bytes:
    return ("\ufeff" * mark + "".join(f"{one}\r\n" for one in lines)).encode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("mark", [True, False])
def test_lines_in_utf_16_are_read_and_the_encoding_is_said(
    tmp_path: Path, encoding: str, mark: bool
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(encoded(LINES, encoding, mark))
    read = Reader(path)
    assert [line.rstrip("\r") for line in read()] == LINES
    assert read.said == {"utf_16": 1}
    with path.open("ab") as file:
        file.write("more\n".encode(encoding))
    assert read() == ["more"]
    path.write_bytes(b"INFO plain after a cut\n")
    assert read() == ["INFO plain after a cut"]


@given(cuts=st.lists(st.integers(0, 200), max_size=6), encoding=st.sampled_from(ENCODINGS))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_does_not_matter_where_the_file_ends_at_a_look(
    tmp_path: Path, cuts: list[int], encoding: str
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"")
    read = Reader(path)
    data = encoded(LINES, encoding)
    found: list[str] = []
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    for first, last in itertools.pairwise(places):
        with path.open("ab") as file:
            file.write(data[first:last])
        found += read()
    assert [line.rstrip("\r") for line in found] == LINES
    read.tail.close()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_reading_goes_on_after_a_restart_and_at_the_end_of_a_file(
    tmp_path: Path, encoding: str
) -> None:
    path, state = tmp_path / "app.log", tmp_path / "state.json"
    path.write_bytes(encoded(LINES, encoding))
    first = Reader(path, state=state)
    assert len(first()) == 4
    first.tail.close()
    with path.open("ab") as file:
        file.write("after\n".encode(encoding))
    again = Reader(path, state=state)
    assert again() == ["after"]
    late = Reader(path, from_start=False)
    assert late() == []
    with path.open("ab") as file:
        file.write("later\n".encode(encoding))
    assert late() == ["later"] == again()


@given(data=st.binary(), encoding=st.sampled_from(ENCODINGS))
def test_no_bytes_can_raise_and_none_is_lost(data: bytes, encoding: str) -> None:
    lines, rest = utf8_lines(data, encoding)
    assert all(b"\n" not in line for line in lines)
    assert data.endswith(rest)
    assert not lines or len(rest) < len(data)


def test_levels_of_a_log_in_utf_16_are_counted(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(encoded(LINES, "utf-16-le"))
    files = [{"path": str(tmp_path / "*.log"), "from_start": True}]
    with Live({"type": "logs", "files": files, "interval_sec": 0.05}) as live:
        live.poll()
        live.poll()
    assert live.emitter.left.get("utf_16") == 1
    assert "binary" not in live.emitter.faults
