"""One simulated stretch of time in every store at once, asked in the language of each.

`python -m tests.stores.day --seconds 86400 --series 40` (`make stores-day`) is a day; a test takes
some minutes of it. Counts and sums have to be the same everywhere, and a replay from the archive
gives the bytes of the topic.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import redis
from confluent_kafka import Producer

from padit.devcluster.broker import Broker, start_broker
from padit.stores import archive_query
from padit.stores.archive_service import Plan as ArchivePlan
from padit.stores.archive_service import archive_topic, open_place
from padit.stores.service import Plan, serve
from tests.s3 import S3Server, start_s3
from tests.stores.servers import get, influx_server, prometheus_server, redis_server

__all__ = ["START", "Truth", "all_stores", "fill", "truth_of"]

START = 1_767_225_600
_METRICS = ("torque_nm", "air_temp_k", "rpm", "vibration_mm_s")
Truth = tuple[int, float]
"""How many samples, and their sum."""


def _samples(seconds: int, series: int) -> Iterator[tuple[int, int, float]]:
    """Second, series, value in thousandths; the same always."""
    random = np.random.default_rng(7)
    for second in range(seconds):
        noise = np.rint(random.normal(0.0, 1000.0, series)).astype(int) + 100_000
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


def truth_of(seconds: int, series: int) -> Truth:
    """Count and exact sum of all samples."""
    values = [value for _, _, value in _samples(seconds, series)]
    return len(values), math.fsum(values)


def _influx(port: int) -> Truth:
    query = quote("SELECT count(value), sum(value) FROM /.*/")
    found = json.loads(get(port, f"/query?db=plant&q={query}")[1])["results"][0]["series"]
    return (sum(int(one["values"][0][1]) for one in found),
            math.fsum(one["values"][0][2] for one in found))  # fmt: skip


def _prometheus(port: int, seconds: int) -> Truth:
    at = START + seconds
    answers = []
    for what in ("count", "sum"):
        query = quote(f"sum({what}_over_time(padit_value[{seconds + 60}s]))")
        body = json.loads(get(port, f"/api/v1/query?time={at}&query={query}")[1])
        answers.append(float(body["data"]["result"][0]["value"][1]))
    return int(answers[0]), answers[1]


def _duckdb(uri: str) -> Truth:
    sql = "SELECT count(value), fsum(value) FROM archive"
    count, total = archive_query.ask(open_place(uri), sql).splitlines()[1].split("\t")
    return int(count), float(total)


def all_stores(
    kafka: str, topic: str, s3: S3Server, folder: Path, seconds: int, say: Callable[[str], None]
) -> tuple[dict[str, Truth], dict[str, str], str]:
    """Write all stores at once; counts and sums by store, keys of Redis, URI of the archive."""
    with ExitStack() as stack:
        redis_port, part = redis_server(folder / "redis")
        stack.callback(part.stop)
        influx_port, part = influx_server(folder / "influx")
        stack.callback(part.stop)
        prometheus_port, part = prometheus_server(folder / "prometheus")
        stack.callback(part.stop)
        get(influx_port, f"/query?q={quote('CREATE DATABASE plant')}")
        s3.bucket("day")
        archive = s3.uri(f"day/{topic}")
        source = f"kafka://{kafka}/{topic}?content=metrics"
        work: list[Callable[[], Any]] = [
            lambda: archive_topic(
                ArchivePlan(f"kafka://{kafka}/{topic}", archive), threading.Event(), say
            )
        ]
        for uri in (
            f"redis://127.0.0.1:{redis_port}/0", f"influxdb://127.0.0.1:{influx_port}/plant",
            f"prometheus://127.0.0.1:{prometheus_port}",
        ):  # fmt: skip
            plan = Plan(uri, [source], dead_letters="null", stop_at_end=True, name=uri)
            work.append(lambda plan=plan: serve(plan, threading.Event(), say))  # type: ignore[misc]
        threads = [threading.Thread(target=one) for one in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client = redis.Redis("127.0.0.1", redis_port, decode_responses=True)
        names = sorted(client.scan_iter("machine:*"))
        keys = dict(zip(names, client.mget(names), strict=True))
        client.close()
        found = {
            "InfluxQL": _influx(influx_port),
            "PromQL": _prometheus(prometheus_port, seconds),
            "DuckDB": _duckdb(archive),
        }
    return found, keys, archive


def main() -> int:
    """Fill, write, ask, compare; 1 if anything differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=86_400)
    parser.add_argument("--series", type=int, default=40)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="padit-day-") as name, ExitStack() as stack:
        folder = Path(name)
        broker: Broker = start_broker(folder / "kafka")
        stack.callback(broker.stop)
        s3 = start_s3(folder / "s3")
        stack.callback(s3.stop)
        topic = broker.create_topic("day", 4)
        fill(broker.bootstrap, topic, args.seconds, args.series, 4)
        expected = truth_of(args.seconds, args.series)
        print(f"{expected[0]} samples are in the topic; their sum is {expected[1]!r}", flush=True)
        started = time.perf_counter()
        found, keys, _ = all_stores(broker.bootstrap, topic, s3, folder, args.seconds, print)
        print(f"all stores at once took {time.perf_counter() - started:.0f} s")
        wrong = 0
        for store, (count, total) in found.items():
            same = count == expected[0] and math.isclose(total, expected[1], rel_tol=1e-12)
            wrong += not same
            print(f"{store}: {count} samples, sum {total!r}: {'the same' if same else 'DIFFERS'}")
        print(f"Redis: {len(keys)} keys of machines")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
