"""How fast a topic is archived and read back, beside reading the topic alone, in one process.

Rounds of the same work in turn: the topic is read and decoded as the job does it, archived to a
folder, and the archive is read and decoded. The ratios are of CPU time, medians over the rounds.

    python -m benchmarks.archive --bootstrap HOST:PORT --topic TOPIC
"""

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from padit.codecs.record_batches import Walked
from padit.codecs.validate import Validate
from padit.connectors.uris import Bounds, source_from_uri
from padit.pipelines.kernels import prepare
from padit.stores.archive_care import check
from padit.stores.archive_service import Plan, archive_topic, open_place
from padit.stores.archive_topic import RecordReader

_DECODE = Validate(1 << 20, 3_600_000_000)


def read_all(uri: str) -> int:
    """Read and decode a source to its end; the rows."""
    source = source_from_uri(uri, Bounds())
    ranges = source.ranges()
    reader = source.open(ranges, _DECODE)
    ended = rows = 0
    while ended < len(ranges):
        for one in reader.read(1.0):
            rows += len(one.rows)
            ended += one.ended
    reader.close()
    return rows


def unpack_all(uri: str) -> int:
    """Read a topic to its end and decode nothing; the records."""
    source = source_from_uri(uri, Bounds())
    ranges = source.ranges()
    settings = source._settings()  # type: ignore[attr-defined]
    reader = RecordReader(settings, source.name, ranges, None, 60.0)
    ended = records = 0
    while ended < len(ranges):
        for one in reader.pieces(1.0):
            records += len(one.records.offset) if isinstance(one.records, Walked) else 0
            ended += one.ended
    reader.close()
    return records


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Measure; print a line for each kind of work, and the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    prepare()
    topic = f"kafka://{args.bootstrap}/{args.topic}"
    folder = Path(tempfile.mkdtemp(prefix="padit-archive-"))
    times: dict[str, list[tuple[float, float]]] = {}

    def archive(target: Path) -> None:
        archive_topic(Plan(topic, str(target)), threading.Event(), print)

    try:
        records = unpack_all(topic)
        for turn in range(args.rounds + 1):
            target = folder / str(turn)
            found = {
                "topic, unpacked": measured(lambda: unpack_all(topic)),
                "topic, read": measured(lambda: read_all(topic)),
                "topic, archived": measured(lambda target=target: archive(target)),  # type: ignore[misc]
                "archive, read": measured(lambda target=target: read_all(f"{target}/")),  # type: ignore[misc]
            }
            if turn:  # the first one is for the caches
                for name, one in found.items():
                    times.setdefault(name, []).append(one)
        size = check(open_place(str(folder / "1"))).size
    finally:
        shutil.rmtree(folder)
    middle = {name: [statistics.median(one) for one in zip(*each, strict=True)]
              for name, each in times.items()}  # fmt: skip
    for name, (cpu, wall) in middle.items():
        print(f"{name:16} {records / cpu:11,.0f} records a CPU second, {records / wall:11,.0f}/s")
    read = middle["topic, read"]
    for name in ("topic, archived", "archive, read"):
        cpu, wall = (a / b for a, b in zip(read, middle[name], strict=True))
        print(f"{name} / topic, read: {cpu:.2f} of its rate by CPU, {wall:.2f} by the clock")
    print(f"{size / records:.2f} bytes a record in the archive")


if __name__ == "__main__":
    main()
