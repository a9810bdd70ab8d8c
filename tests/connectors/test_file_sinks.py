"""JSON Lines and Parquet: nothing twice, nothing torn, canonical order at the end."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.contract import Reject
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.sink import Message, Sink, Start
from padit.connectors.sinks import _local, jsonl, parquet
from padit.connectors.sinks.jsonl import JsonLinesSink
from padit.connectors.sinks.parquet import ParquetSink
from padit.connectors.uris import sink_from_uri
from padit.domain.alert import Alert, DetectionScore, Transition
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.message import Kind

ROOT = Path(__file__).parents[2]


def message(number: int, time: int = 0, key: str = "k") -> Message:
    return Message(Kind.AUDIT, f"id{number:04d}", key, time, json.dumps({"n": number}).encode())


def put(sink: Sink, *messages: Message) -> None:
    writer = sink.open()
    writer.write(messages)
    writer.flush()
    writer.close()


def lines(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_bytes().splitlines()]


def ids(path: Path) -> list[str]:
    table = pq.read_table(path) if path.is_file() else ds.dataset(path).to_table()
    found: list[str] = table["id"].to_pylist()
    return found


class Disk:
    """A sink on disk, and how to look into it."""

    def __init__(self, uri: str, look: Callable[[Path], list[str]]) -> None:
        self.uri = uri
        self.look = look

    def sink(self, directory: Path) -> Sink:
        return sink_from_uri(f"{directory}/{self.uri}")

    def ids(self, directory: Path) -> list[str]:
        return self.look(directory / self.uri)


def _jsonl_ids(path: Path) -> list[str]:
    return [f"id{number:04d}" for number in lines(path)]


KINDS = [
    pytest.param(Disk("deep/a.jsonl", _jsonl_ids), id="jsonl"),
    pytest.param(Disk("deep/a.parquet", ids), id="parquet-file"),
    pytest.param(Disk("deep/parts/", ids), id="parquet-directory"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_finish_sorts_by_time_key_and_id_and_drops_repeats(kind: Disk, tmp_path: Path) -> None:
    sink = kind.sink(tmp_path)
    sink.prepare(Start())
    put(sink, message(3, 5), message(2, 7, "b"), message(1, 7, "b"))
    put(sink, message(4, 7, "a"), message(3, 5), message(0, 9))
    sink.finish()
    assert kind.ids(tmp_path) == ["id0003", "id0004", "id0001", "id0002", "id0000"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_result_can_be_continued(kind: Disk, tmp_path: Path) -> None:
    sink = kind.sink(tmp_path)
    sink.prepare(Start())
    put(sink, message(2, 2), message(1, 1))
    sink.finish()
    sink.prepare(Start(restored=True))
    put(sink, message(1, 1), message(0, 0))
    sink.finish()
    sink.finish()
    assert kind.ids(tmp_path) == ["id0000", "id0001", "id0002"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_written_is_an_empty_result(kind: Disk, tmp_path: Path) -> None:
    sink = kind.sink(tmp_path)
    sink.prepare(Start())
    sink.finish()
    assert kind.ids(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_two_writers_that_take_turns_write_nothing_twice(kind: Disk, tmp_path: Path) -> None:
    sink = kind.sink(tmp_path)
    sink.prepare(Start())
    one, other = sink.open(), sink.open()
    for writer, numbers in [(one, (1, 2)), (other, (2, 3)), (one, (3, 4)), (other, (1, 4, 5))]:
        writer.write([message(number) for number in numbers])
        writer.flush()
    sink.finish()
    assert kind.ids(tmp_path) == [f"id{number:04d}" for number in range(1, 6)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_may_write_where_nothing_was_prepared(kind: Disk, tmp_path: Path) -> None:
    sink = kind.sink(tmp_path)
    put(sink, message(2), message(1))
    sink.finish()
    assert kind.ids(tmp_path) == ["id0001", "id0002"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sink_travels_in_the_graph(kind: Disk, tmp_path: Path) -> None:
    sink = kind.sink(tmp_path)
    again = pickle.loads(pickle.dumps(sink))  # noqa: S301  # our own bytes
    assert again == sink
    assert sink.single_writer
    assert sink.name == f"{tmp_path}/{kind.uri}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_that_cannot_be_written_is_an_error_before_the_job_starts(
    kind: Disk, tmp_path: Path
) -> None:
    (tmp_path / "deep").write_text("a file where the directory should be")
    with pytest.raises(SinkError, match="cannot be written"):
        kind.sink(tmp_path).prepare(Start())


def test_what_a_crash_left_torn_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    put(sink, message(1), message(2))
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"n": 3}\n{"n"')  # never confirmed, the second torn
    with (tmp_path / ".a.jsonl.index").open("ab") as file:
        file.write(b"[27,0")
    sink.prepare(Start(restored=True))
    assert path.read_bytes() == whole
    put(sink, message(2), message(3))
    assert lines(path) == [1, 2, 3]


@given(
    cut_data=st.integers(0, 40),
    cut_index=st.integers(0, 80),
    before=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_a_crash_at_any_byte_loses_nothing_confirmed(
    tmp_path_factory: pytest.TempPathFactory, cut_data: int, cut_index: int, before: int
) -> None:
    path = tmp_path_factory.mktemp("crash") / "a.jsonl"
    index = path.with_name(".a.jsonl.index")
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    put(sink, *[message(number) for number in range(before)])
    data_size, index_size = path.stat().st_size, index.stat().st_size
    put(sink, message(7), message(8))
    # The index is written after the data is durable: cut the data only with no index left.
    os.truncate(index, min(index.stat().st_size, index_size + cut_index))
    if index.stat().st_size == index_size:
        os.truncate(path, min(path.stat().st_size, data_size + cut_data))
    put(sink, message(7), message(8), message(9))
    assert lines(path) == [*range(before), 7, 8, 9]


@pytest.mark.parametrize("step", range(4))
def test_a_crash_within_finish_can_be_repeated(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    put(sink, message(2, 2), message(1, 1))
    left = [step]

    def stop(wrapped: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object, **options: object) -> None:
            if not left[0]:
                message = "power cut"
                raise KeyboardInterrupt(message)
            left[0] -= 1
            wrapped(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stop(Path.unlink))
        patch.setattr(jsonl, "replace", stop(_local.replace))
        try:
            sink.finish()
        except KeyboardInterrupt:
            assert step < 3
    put(sink, message(1, 1), message(3, 3))
    sink.finish()
    assert lines(path) == [1, 2, 3]


def test_finish_sorts_more_than_it_holds_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "SORTED_AT_ONCE", 10)
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    put(sink, *[message(number, number) for number in range(95, -1, -1)])
    sink.finish()
    assert lines(path) == list(range(96))


def test_a_file_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("precious\n")
    with pytest.raises(SinkError, match="was not written by this sink"):
        JsonLinesSink(str(path)).prepare(Start(restored=True))
    with pytest.raises(ConfigurationError, match="was not written by PADIT"):
        JsonLinesSink(str(path)).prepare(Start())
    assert path.read_text() == "precious\n"


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(SinkError, match=r"pipe\.jsonl is a pipe or a device.*name a file"):
        JsonLinesSink(str(pipe)).prepare(Start())
    assert pipe.is_fifo()


def test_a_file_that_lost_confirmed_lines_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    put(sink, message(1), message(2))
    os.truncate(path, 5)
    with pytest.raises(SinkError, match="something cut it"):
        put(sink, message(3))


def test_a_full_disk_is_a_sink_error_and_the_bundle_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    writer = sink.open()
    writer.write([message(1)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space")))
        with pytest.raises(SinkError, match="No space"):
            writer.flush()
    writer.close()
    put(sink, message(1))
    assert lines(path) == [1]


def test_killed_while_writing_then_repeated_gives_every_line_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    JsonLinesSink(str(path)).prepare(Start())
    code = (
        "import sys; from tests.connectors.test_file_sinks import *\n"
        "writer = JsonLinesSink(sys.argv[1]).open()\n"
        "for number in range(100000):\n"
        "    writer.write([message(number)]); writer.flush()\n"
        "    if number == 20: print('go', flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    put(JsonLinesSink(str(path)), *[message(number) for number in range(9000)])
    assert lines(path) == list(range(9000))


def test_small_parts_are_merged_while_the_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "SMALL_PARTS", 4)
    sink = ParquetSink(f"{tmp_path}/parts/")
    sink.prepare(Start())
    writer = sink.open()
    for number in range(10):
        writer.write([message(number), message(max(0, number - 1))])
        writer.flush()
    assert len(list((tmp_path / "parts").glob("*.parquet"))) <= 4
    assert sorted(ids(tmp_path / "parts")) == [f"id{number:04d}" for number in range(10)]


def test_parquet_gives_results_their_columns(tmp_path: Path) -> None:
    when = "2026-01-02T03:04:05.000000Z"
    alert = Alert(
        "a1", "m", "t", "CRITICAL", 0.95, "hot", {"p99": 1.5}, {"name": "rule"}, when, when
    )
    opened = Transition("opened", 1_767_323_045_000_000, alert)
    score = DetectionScore("m", "t", when, {"rule": 1.0}, 1.0, True, 0.9, {"name": "rule"}, {})
    letter = DeadRecord(b"\xff", Reject(0, "bad"), "topic", 0, 7).letter()
    scored = json.dumps({name: getattr(score, name) for name in score.__struct_fields__})
    features = (
        b'{"source_id":"m","metric_name":"t","window_end":"2026-01-02T03:04:05Z","ewma":1,'
        b'"mean":2.5,"score":null}'
    )
    about = ("m", "t")
    sink = ParquetSink(f"{tmp_path}/a.parquet")
    sink.prepare(Start())
    put(
        sink,
        opened.to_message()._replace(time=0),
        Message.of(Kind.ANOMALY, about, 1, scored.encode(), "1"),
        Message.dead_letter(letter)._replace(time=2),
        Message.of(Kind.FEATURE, about, 3, features, "3"),
    )
    sink.finish()
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert rows[0]["type"] == "io.padit.alert.opened"
    assert rows[0]["alert_id"] == "a1"
    assert json.loads(rows[0]["evidence"]) == {"p99": 1.5}
    assert rows[0]["event_time"].isoformat() == "2026-01-02T03:04:05+00:00"
    assert rows[1]["is_anomaly"] is True
    assert json.loads(rows[1]["scores"]) == {"rule": 1.0}
    assert (rows[2]["reason"], rows[2]["offset"], rows[2]["original"]) == ("bad", 7, "/w==")
    assert (rows[3]["mean"], rows[3]["score"]) == (2.5, None)
    assert rows[3]["window_end"].isoformat() == "2026-01-02T03:04:05+00:00"


def test_a_result_that_does_not_fit_its_columns_is_a_sink_error(tmp_path: Path) -> None:
    sink = ParquetSink(f"{tmp_path}/a.parquet")
    sink.prepare(Start())
    value = b'{"composite":"high","is_anomaly":true}'
    with pytest.raises(SinkError, match="composite"):
        put(sink, Message(Kind.ANOMALY, "i", "k", 0, value))


def test_a_flush_reads_nothing_of_what_the_same_writer_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    entry = jsonl._entry

    def note(files: jsonl._Files, line: bytes) -> jsonl._Entry:
        read.append(entry(files, line).id)
        return entry(files, line)

    monkeypatch.setattr(jsonl, "_entry", note)
    sink = JsonLinesSink(str(tmp_path / "a.jsonl"))
    sink.prepare(Start())
    writer = sink.open()
    for number in range(5):
        writer.write([message(number)])
        writer.flush()
    assert read == []
