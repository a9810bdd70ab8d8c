"""How fast a topic is archived and read back, beside reading the topic alone, in one process.

Rounds of the same work in turn: the topic is read and decoded as the job does it, archived to a
folder, and the archive is read and decoded. The ratios are medians over the rounds.

    python -m benchmarks.archive [--bootstrap HOST:PORT --topic TOPIC]
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.topics import Shape, create_topic, fill_json
from padit.codecs.record_batches import Walked
from padit.codecs.validate import Validate
from padit.connectors.uris import Bounds, source_from_uri
from padit.devcluster.broker import start_broker
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


def unpack_all(uri: str) -> tuple[int, int]:
    """Read a topic to its end and decode nothing; the records and their bytes."""
    source = source_from_uri(uri, Bounds())
    ranges = source.ranges()
    settings = source._settings()  # type: ignore[attr-defined]
    reader = RecordReader(settings, source.name, ranges, None, 60.0)
    ended = records = size = 0
    while ended < len(ranges):
        for one in reader.pieces(1.0):
            if isinstance(one.records, Walked):
                records += len(one.records.offset)
                size += int(np.maximum(one.records.values.length, 0).sum())
            ended += one.ended
    reader.close()
    return records, size


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; print a line for each kind of work, and the ratios; 0 if the aims are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bootstrap", help="of a broker; without it one is started")
    parser.add_argument("--topic", help="of its topics")
    parser.add_argument("--records", type=int, default=600_000, help="of a topic that is made")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    prepare()
    with tempfile.TemporaryDirectory(prefix="padit-archive-") as name:
        folder = Path(name)
        if args.bootstrap:
            return _measure(f"kafka://{args.bootstrap}/{args.topic}", folder, args.rounds, None)
        broker = start_broker(folder / "kafka")
        try:
            topic = create_topic(broker.bootstrap, "metrics")
            fill_json(broker.bootstrap, topic, Shape(args.records, 1000))
            logs = sum(one.stat().st_size for one in (folder / "kafka").rglob("metrics-*/*.log"))
            return _measure(f"kafka://{broker.bootstrap}/{topic}", folder, args.rounds, logs)
        finally:
            broker.stop()


def _measure(topic: str, folder: Path, rounds: int, logs: int | None) -> int:
    times: dict[str, list[tuple[float, float]]] = {}

    def archive(target: Path) -> None:
        archive_topic(Plan(topic, str(target)), threading.Event(), print)

    records, plain = unpack_all(topic)
    for turn in range(rounds + 1):
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
    good = _told(times, records)
    print(f"{size / records:.2f} bytes a record in the archive, {size / plain:.3f} of the records")
    if logs is not None:
        print(f"{logs / records:.2f} bytes a record in the topic with lz4, and {size / logs:.3f} "
              "of them in the archive")  # fmt: skip
        good &= size <= logs
    return 0 if good and 5 * size <= plain else 1


def _told(times: dict[str, list[tuple[float, float]]], records: int) -> bool:
    """Print rates and ratios; whether those by the clock are reached."""
    middle = {name: [statistics.median(one) for one in zip(*each, strict=True)]
              for name, each in times.items()}  # fmt: skip
    for name, (cpu, wall) in middle.items():
        print(f"{name:16} {records / cpu:11,.0f} records a CPU second, {records / wall:11,.0f}/s")
    good = True
    for name, least in (("topic, archived", 0.5), ("archive, read", 1.0)):
        pairs = zip(times["topic, read"], times[name], strict=True)
        ratios = [(read[0] / one[0], read[1] / one[1]) for read, one in pairs]
        cpu, wall = (statistics.median(one) for one in zip(*ratios, strict=True))
        print(f"{name} / topic, read: {cpu:.2f} of its rate by CPU, {wall:.2f} by the clock "
              f"(at least {least})")  # fmt: skip
        good &= wall >= least
    return good


if __name__ == "__main__":
    raise SystemExit(main())
