"""A start erases nothing: what each run may do with what earlier runs wrote."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from padit.connectors.sink import Sink, Start
from padit.connectors.sinks import parquet
from padit.connectors.sinks.jsonl import JsonLinesSink
from padit.connectors.sinks.parquet import ParquetSink
from padit.connectors.uris import sink_from_uri
from padit.domain.errors import ConfigurationError
from padit.domain.run_identity import RunIdentity
from tests.connectors.test_file_sinks import KINDS, Disk, ids, message, put


def bounded(stop: int = 9, *, finishes: bool = True, **more: bool) -> Start:
    """A run over [0, stop)."""
    return Start(RunIdentity.of("alerts", "metrics", {0: (0, stop)}, {}), finishes=finishes, **more)


LIVE = Start(RunIdentity.of("alerts", "metrics", {0: (0, None)}, {}))


def ran(sink: Sink, start: Start, *numbers: int) -> None:
    """One run, to its end."""
    sink.prepare(start)
    put(sink, *[message(number, number) for number in numbers])
    if start.finishes:
        sink.finish()


def named(*numbers: int) -> list[str]:
    return [f"id{number:04d}" for number in numbers]


def everything(directory: Path) -> dict[str, bytes]:
    """All files but locks."""
    found = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return {str(path): path.read_bytes() for path in found if not path.name.endswith("lock")}


@pytest.mark.parametrize("disk", KINDS)
def test_a_live_run_that_starts_again_goes_on(disk: Disk, tmp_path: Path) -> None:
    ran(disk.sink(tmp_path), LIVE, 1, 2)
    ran(disk.sink(tmp_path), LIVE, 2, 3)
    last = disk.sink(tmp_path)
    last.prepare(LIVE)
    last.finish()
    assert disk.ids(tmp_path) == named(1, 2, 3)


@pytest.mark.parametrize("disk", KINDS)
def test_the_same_bounded_run_writes_the_same_again(disk: Disk, tmp_path: Path) -> None:
    ran(disk.sink(tmp_path), bounded(), 1, 2)
    first = everything(tmp_path)
    ran(disk.sink(tmp_path), bounded(), 1, 2)
    assert everything(tmp_path) == first
    ran(disk.sink(tmp_path), bounded(), 2, 3)  # as when a detector was mended
    assert disk.ids(tmp_path) == named(2, 3)


@pytest.mark.parametrize("disk", KINDS)
def test_another_bounded_run_is_refused_with_both_named(disk: Disk, tmp_path: Path) -> None:
    ran(disk.sink(tmp_path), bounded(), 1)
    before = everything(tmp_path)
    wanted = r"bounded run over metrics.*0 to 9.*0 to 12.*ranges.0\[1\]: 9 there, 12.*--overwrite"
    with pytest.raises(ConfigurationError, match=wanted):
        disk.sink(tmp_path).prepare(bounded(12))
    assert everything(tmp_path) == before
    ran(disk.sink(tmp_path), bounded(12, overwrite=True), 5)
    assert disk.ids(tmp_path) == named(5)
    ran(disk.sink(tmp_path), bounded(12), 5)


@pytest.mark.parametrize("disk", KINDS)
def test_a_bounded_run_does_not_replace_what_a_live_run_wrote(disk: Disk, tmp_path: Path) -> None:
    ran(disk.sink(tmp_path), bounded(), 1)
    ran(disk.sink(tmp_path), LIVE, 2)
    with pytest.raises(ConfigurationError, match="live: True there, False now"):
        disk.sink(tmp_path).prepare(bounded())


@pytest.mark.parametrize("disk", KINDS)
def test_until_a_run_is_complete_the_earlier_result_stays(disk: Disk, tmp_path: Path) -> None:
    ran(disk.sink(tmp_path), bounded(), 1, 2)
    failed = disk.sink(tmp_path)
    failed.prepare(bounded())
    put(failed, message(7))
    assert disk.ids(tmp_path) == named(1, 2)
    stopped = disk.sink(tmp_path)
    stopped.prepare(bounded())
    put(stopped, message(8))
    stopped.finish(complete=False)
    assert disk.ids(tmp_path) == named(1, 2)
    ran(disk.sink(tmp_path), bounded(), 1, 2)
    assert disk.ids(tmp_path) == named(1, 2)


@pytest.mark.parametrize("disk", KINDS)
def test_a_restored_run_goes_on_where_it_wrote(disk: Disk, tmp_path: Path) -> None:
    ran(disk.sink(tmp_path), bounded(), 1, 2)
    first = disk.sink(tmp_path)
    first.prepare(bounded())
    put(first, message(1, 1))
    second = disk.sink(tmp_path)
    second.prepare(bounded(12)._replace(restored=True))  # the topic has grown meanwhile
    put(second, message(1, 1), message(3, 3))
    second.finish()
    assert disk.ids(tmp_path) == named(1, 3)


@pytest.mark.parametrize("disk", KINDS)
def test_a_detached_run_goes_on_by_ids_and_clears_only_when_asked(
    disk: Disk, tmp_path: Path
) -> None:
    ran(disk.sink(tmp_path), bounded(), 1)
    ran(disk.sink(tmp_path), bounded(finishes=False), 1, 2)
    with pytest.raises(ConfigurationError, match="--overwrite"):
        disk.sink(tmp_path).prepare(bounded(12, finishes=False))
    ran(disk.sink(tmp_path), bounded(12, finishes=False, overwrite=True), 5)
    last = disk.sink(tmp_path)
    last.prepare(LIVE)
    last.finish()
    assert disk.ids(tmp_path) == named(5)


@pytest.mark.parametrize("disk", KINDS)
def test_results_without_a_record_of_their_run_are_not_replaced(disk: Disk, tmp_path: Path) -> None:
    sink = disk.sink(tmp_path)
    put(sink, message(1))
    sink.finish()
    for record in tmp_path.rglob("*run.json"):
        record.unlink()
    with pytest.raises(ConfigurationError, match="does not say which run wrote it"):
        disk.sink(tmp_path).prepare(bounded())
    ran(disk.sink(tmp_path), LIVE, 2)


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.parquet"])
@pytest.mark.parametrize("start", [LIVE, bounded()])
def test_a_file_of_another_program_is_refused(name: str, start: Start, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"precious\n")
    with pytest.raises(ConfigurationError, match="was not written by PADIT"):
        sink_from_uri(str(path)).prepare(start)
    assert path.read_bytes() == b"precious\n"
    ran(sink_from_uri(str(path)), bounded(overwrite=True), 1)
    assert path.read_bytes() != b"precious\n"


def test_a_directory_with_parquet_of_another_program_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "part-0.parquet")
    for start in (LIVE, bounded(), bounded(overwrite=True)):
        with pytest.raises(ConfigurationError, match=r"part-0.parquet.*name another directory"):
            ParquetSink(f"{tmp_path}/").prepare(start)


def test_a_file_that_was_removed_but_not_its_index_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    ran(JsonLinesSink(str(path)), LIVE, 1, 2)
    path.unlink()
    ran(JsonLinesSink(str(path)), LIVE, 2)
    assert path.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("disk", KINDS)
def test_a_crash_while_a_result_takes_its_place_leaves_one_of_the_two(
    step: int, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(disk.sink(tmp_path), bounded(), 1, 2)
    sink = disk.sink(tmp_path)
    sink.prepare(bounded())
    put(sink, message(3, 3), message(4, 4))
    with monkeypatch.context() as patch:
        _crash_at(step, patch)
        with contextlib.suppress(KeyboardInterrupt):
            sink.finish()
    again = disk.sink(tmp_path)
    again.prepare(LIVE)
    again.finish()
    assert disk.ids(tmp_path) in (named(1, 2), named(3, 4))


def _crash_at(step: int, patch: pytest.MonkeyPatch) -> None:
    """Stop at the step-th change of a name."""
    left = [step]

    def stop(wrapped: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if not left[0]:
                message = "power cut"
                raise KeyboardInterrupt(message)
            left[0] -= 1
            return wrapped(*arguments, **options)

        return call

    for name in ("unlink", "rename", "replace"):
        patch.setattr(Path, name, stop(getattr(Path, name)))


@pytest.mark.parametrize("step", range(6))
def test_readers_of_a_live_directory_never_see_a_row_twice(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash at any moment of a merge, then a look, then the next start."""
    monkeypatch.setattr(parquet, "SMALL_PARTS", 3)
    place = tmp_path / "parts"
    sink = ParquetSink(f"{place}/")
    sink.prepare(LIVE)
    put(sink, message(0))
    put(sink, message(1))
    with monkeypatch.context() as patch:
        _crash_at(step, patch)
        with contextlib.suppress(KeyboardInterrupt):
            put(sink, message(2))
    seen = ds.dataset(place).to_table()["id"].to_pylist()
    assert len(set(seen)) == len(seen)
    sink.prepare(LIVE)
    put(sink, message(2))
    assert sorted(ids(place)) == named(0, 1, 2)


def test_outputs_in_one_directory_do_not_wait_for_each_others_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts, features = (JsonLinesSink(f"{tmp_path}/{name}.jsonl") for name in ("a", "f"))
    for sink in (alerts, features):
        sink.prepare(LIVE)
    syncing, go_on = threading.Event(), threading.Event()
    whole = os.fsync

    def slow(handle: int) -> None:
        if threading.current_thread() is slow_writer:
            syncing.set()
            assert go_on.wait(30)
        whole(handle)

    monkeypatch.setattr(os, "fsync", slow)
    slow_writer = threading.Thread(target=put, args=(features, message(1)))
    slow_writer.start()
    try:
        assert syncing.wait(30)
        other = threading.Thread(target=put, args=(alerts, message(2)), daemon=True)
        other.start()
        other.join(20)
        assert not other.is_alive(), "the alerts wait for the features' disk"
    finally:
        go_on.set()
        slow_writer.join()
