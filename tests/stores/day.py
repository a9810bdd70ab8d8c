"""One simulated stretch of time in every store at once, asked in the language of each.

`python -m tests.stores.day --seconds 86400 --series 40` (`make stores-day`) is a day; a test takes
some minutes of it. Samples, and what the job makes of them, go to PostgreSQL, Redis, InfluxDB,
Prometheus and the archive at the same time, each by the command that people use. Counts and sums
have to be the same everywhere, and a replay from the archive gives the bytes of one from the topic.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from padit.cli.main import main as padit
from padit.devcluster.broker import start_broker
from padit.devcluster.processes import Part
from padit.domain.message import key_of
from tests.limits import allowed
from tests.postgres import start_postgres
from tests.s3 import start_s3
from tests.stores.answers import Truth, Wanted, answers
from tests.stores.servers import create_influx, influx_server, prometheus_server, redis_server

__all__ = ["START", "Stores", "compare", "fill", "replayed", "to_topics", "wanted"]

START = 1_767_225_600
_METRICS = ("torque_nm", "air_temp_k", "rpm", "vibration_mm_s")
_RESULTS = ("features", "anomalies", "alerts")
_STRANGE = ((3, 0.40, 0.46, 9_000), (14, 0.60, 0.63, 15_000), (27, 0.80, 0.88, -12_000))
Say = Callable[[str], None]


def _samples(seconds: int, series: int) -> Iterator[tuple[int, int, float]]:
    """Second, series, value in thousandths; the same always. Three series leave their range."""
    random = np.random.default_rng(7)
    for second in range(seconds):
        noise = np.rint(random.normal(0.0, 1000.0, series)).astype(int) + 100_000
        for number, begin, end, shift in _STRANGE:
            if number < series and begin * seconds <= second < end * seconds:
                noise[number] += shift
        for number, value in enumerate(noise.tolist()):
            yield second, number, value / 1000


def fill(bootstrap: str, topic: str, seconds: int, series: int, partitions: int) -> None:
    """Write the samples as JSON."""
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4",
                         "linger.ms": 50, "queue.buffering.max.messages": 500_000})  # fmt: skip
    for second, number, value in _samples(seconds, series):
        source, metric = f"m{number // 4:02d}", _METRICS[number % 4]
        text = (
            f'{{"timestamp":{START + second},"source_id":"{source}","metric_name":"{metric}",'
            f'"value":{value},"unit":"u"}}'
        )
        producer.produce(topic, text.encode(), partition=number // 4 % partitions,
                         timestamp=(START + second) * 1000)  # fmt: skip
        if number == 0:
            producer.poll(0)
        if len(producer) > 400_000:
            producer.flush()
    producer.flush()


def replayed(uri: str, folder: Path) -> dict[str, Path]:
    """What the job, as it is shipped, makes of a topic or an archive: files by content."""
    folder.mkdir()
    files = {name: folder / f"{name}.jsonl" for name in _RESULTS}
    code = padit(
        ["replay", "--input", uri, "--output", str(files["alerts"]),
         "--features", str(files["features"]), "--anomalies", str(files["anomalies"])]
    )  # fmt: skip
    assert code == 0, f"the replay of {uri} ends with {code}"
    return files


def to_topics(bootstrap: str, files: dict[str, Path], topics: dict[str, str]) -> None:
    """Write results to topics, as a job does that has topics as its output."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50,
                         "queue.buffering.max.messages": 500_000})  # fmt: skip
    for name, file in files.items():
        with file.open("rb") as lines:
            for line in lines:
                value = line.rstrip(b"\n")
                one = json.loads(value)
                data = one.get("data", one)
                key = key_of(data["source_id"], data["metric_name"])
                producer.produce(topics[name], value, key.encode())
                producer.poll(0)
                if len(producer) > 100_000:
                    producer.flush()
    producer.flush()


def wanted(seconds: int, series: int, files: dict[str, Path]) -> Wanted:
    """What every store has to answer."""
    values = [value for _, _, value in _samples(seconds, series)]
    scores = []
    windows = 0
    with files["features"].open("rb") as lines:
        for line in lines:
            windows += 1
            scores.append(json.loads(line)["mean"])
    torque = [value for _, n, value in _samples(seconds, series) if n % 4 == 0][-(series // 4) :]
    return Wanted(
        Truth(len(values), math.fsum(values)),
        Truth(windows, math.fsum(scores)),
        sum(1 for _ in files["anomalies"].open("rb")),
        sum(1 for _ in files["alerts"].open("rb")),
        Truth(len(torque), math.fsum(torque)),
    )


class Stores:
    """All stores, empty, on loopback.

    Args:
        stack: ends them.
        folder: of their files.
    """

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder = folder
        self.postgres = start_postgres(folder / "postgres")
        stack.callback(self.postgres.stop)
        self.postgres.database("plant")
        self.redis, part = redis_server(folder / "redis")
        stack.callback(part.stop)
        self.influx, part = influx_server(folder / "influx")
        stack.callback(part.stop)
        create_influx(self.influx, "plant")
        self.prometheus, part = prometheus_server(folder / "prometheus", "1d")
        stack.callback(part.stop)

    def write(self, bootstrap: str, topics: dict[str, str], archive: str) -> None:
        """Start a process for each store, and wait until all have read all there is."""
        all_of = [f"kafka://{bootstrap}/{name}?content={what}" for what, name in topics.items()]
        fewer = [one for one in all_of if not one.endswith("anomalies")]
        least = [one for one in fewer if not one.endswith("alerts")]
        metrics = f"kafka://{bootstrap}/{topics['metrics']}"
        parts = [
            self._part("archive", "archive", archive, "--from", metrics),
            self._store(f"postgresql://127.0.0.1:{self.postgres.port}/plant", all_of),
            self._store(f"redis://127.0.0.1:{self.redis}/0", fewer),
            self._store(f"influxdb://127.0.0.1:{self.influx}/plant", all_of),
            self._store(f"prometheus://127.0.0.1:{self.prometheus}", least),
        ]
        try:
            for one in parts:
                one.launch()
            until = time.monotonic() + allowed(3600)
            while any(one.running for one in parts):
                assert time.monotonic() < until, "the stores take more than an hour"
                time.sleep(0.2)
        finally:
            for one in parts:
                one.stop()
        self.accounts = {one.name: one.log.read_text().strip().splitlines() for one in parts}

    def _store(self, uri: str, topics: list[str]) -> Part:
        more = [] if uri.startswith("postgresql") else ["--dead_letters", "null"]
        return self._part(uri.partition(":")[0], "store", uri, "--stop_at_end", *more,
                          "--from", *topics)  # fmt: skip

    def _part(self, name: str, *arguments: str) -> Part:
        return Part(name, [sys.executable, "-m", "padit.cli.main", *arguments],
                    log=self.folder / f"{name}.log", answers=lambda: True,
                    env={**os.environ, "PGUSER": "padit"})  # fmt: skip


def compare(made: Stores, seconds: int, archive: str, expected: Wanted, say: Say) -> int:
    """Ask every store; how many answers differ."""
    wrong = 0
    for question, answer, right in answers(made, START, seconds, archive, expected):
        same = answer == right
        if isinstance(answer, Truth) and isinstance(right, Truth):
            same = answer.values == right.values and math.isclose(
                answer.total, right.total, rel_tol=1e-12
            )
        wrong += not same
        say(f"{question}: {answer}: {'the same' if same else f'DIFFERS from {right}'}")
    return wrong


def _same_bytes(first: dict[str, Path], second: dict[str, Path], say: Say) -> int:
    wrong = 0
    for name, file in first.items():
        data, other = file.read_bytes(), second[name].read_bytes()
        wrong += data != other
        digest = hashlib.sha256(data).hexdigest()[:16]
        say(f"replay from the archive, {name}: {len(data)} bytes, SHA-256 {digest}...: "
            f"{'the same' if data == other else 'DIFFERS'}")  # fmt: skip
    return wrong


def main() -> int:
    """Fill, replay, write, ask, replay from the archive, compare; 1 if anything differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=86_400)
    parser.add_argument("--series", type=int, default=40)
    args = parser.parse_args()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begin:7.1f} s  {text}", flush=True)

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="padit-day-") as name, ExitStack() as stack:
        folder = Path(name)
        broker = start_broker(folder / "kafka")
        stack.callback(broker.stop)
        s3 = start_s3(folder / "s3")
        stack.callback(s3.stop)
        s3.bucket("day")
        topics = {one: broker.create_topic(one, 4) for one in ("metrics", *_RESULTS)}
        fill(broker.bootstrap, topics["metrics"], args.seconds, args.series, 4)
        say(f"{args.seconds} s of {args.series} series are in the topic")
        files = replayed(f"kafka://{broker.bootstrap}/metrics", folder / "topic")
        to_topics(broker.bootstrap, files, topics)
        expected = wanted(args.seconds, args.series, files)
        say(f"the job has run: {expected}")
        made = Stores(stack, folder)
        archive = s3.uri("day/metrics")
        made.write(broker.bootstrap, topics, archive)
        say("all stores have read all topics, at once")
        for lines in made.accounts.values():
            say(lines[-1])
        wrong = compare(made, args.seconds, archive, expected, say)
        wrong += _same_bytes(files, replayed(archive, folder / "archive"), say)
        say("all is the same" if not wrong else f"{wrong} answers DIFFER")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
