"""Laws of following files: each line once, whatever was done to the files, however they are cut."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.adapters import log_tail
from padit.adapters.log_tail import Tail
from tests.adapters.test_log_tail import Reader

STEPS = st.lists(
    st.sampled_from(["write", "write", "read", "rename", "copytruncate", "half", "restart"]),
    max_size=25,
)


@settings(max_examples=60)
@given(STEPS)
def test_every_line_is_read_once_through_any_rotation(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    place = tmp_path_factory.mktemp("logs")
    path, state = place / "app.log", place / "state.json"
    path.touch()
    reader = [Reader(place / "*.log*", state=state)]
    written, half, count = [], "", 0
    found: list[str] = []
    names = iter(range(100))

    def write(end: str) -> None:
        nonlocal count, half
        count += 1
        text = f"line {count} of many"
        with path.open("a") as file:
            file.write(text + end)
        half = half + text
        if end:
            written.append(half)
            half = ""

    def rename() -> None:
        write("\n")
        path.rename(place / f"app.log.{next(names)}")
        path.touch()

    def copytruncate() -> None:
        write("\n")
        shutil.copy(path, place / f"app.log.{next(names)}")
        path.write_text("")

    def restart() -> None:
        reader[0].tail.close()
        reader[0] = Reader(place / "*.log*", state=state)

    actions: dict[str, Callable[[], Any]] = {
        "write": lambda: write("\n"), "half": lambda: write(""), "rename": rename,
        "read": lambda: found.extend(reader[0]()), "copytruncate": copytruncate,
        "restart": restart,
    }  # fmt: skip
    for step in [*steps, "write", "read", "read", "read"]:
        actions[step]()
    reader[0].tail.close()
    assert sorted(found) == sorted(written)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"a\n", b"\r\n\0"]), max_size=12),
       st.integers(1, 50))  # fmt: skip
def test_lines_are_the_same_however_the_file_is_cut_into_reads(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], at_once: int
) -> None:
    path = tmp_path_factory.mktemp("logs") / "app.log"
    path.touch()
    tail = Tail(str(path), from_start=True, state=None)
    found: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch, path.open("ab", buffering=0) as file:
        patch.setattr(log_tail, "_READ_AT_ONCE", at_once)
        patch.setattr(log_tail, "is_compressed", lambda *_: False)
        for piece in [*pieces, b""]:
            file.write(piece)
            found += [line for batch in tail.read() for line in batch.lines]
    tail.close()
    assert found == b"".join(pieces).split(b"\n")[:-1]
