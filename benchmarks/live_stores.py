"""How fast Redis, InfluxDB and Prometheus are filled by the writers of `padit store`.

Each beside its bare client, in pairs on one server, of which the median is printed: what the writer
sends, sent again as finished requests. The servers are those that the tests start. Batches are made
beforehand, as the loop decodes them; what is measured is writer and server together.

    python -m benchmarks.live_stores        (part of `python -m benchmarks.stores`)
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from padit.codecs.validate import Validate
from padit.devcluster.ports import LOOPBACK
from padit.stores.base import Batch, Content
from padit.stores.decode import Decoder
from padit.stores.http_post import Answer, Post
from padit.stores.registry import store_from_uri
from tests.stores.faking import records_of
from tests.stores.records import plain
from tests.stores.servers import create_influx, influx_server, prometheus_server, redis_server

__all__ = ["live"]

_SERIES, _WINDOWS, _BATCH = 1000, 20, 20_000
_FIELDS = 24  # of a hash: 20 numbers, names and the end of the window
_AT_LEAST = 100_000


def _features() -> list[bytes]:
    """Features of a thousand series, as the job writes them: 20 numbers each."""
    names = [f"feature_{n}" for n in range(20)]
    return [
        json.dumps(
            {"source_id": f"cell-{n:05d}", "metric_name": "rtt_ms", "unit": "ms",
             "window_end": f"2026-01-01T00:{minute:02d}:00.000000Z",
             **{name: n * 0.123 + minute + k for k, name in enumerate(names)}}
        ).encode()
        for minute in range(_WINDOWS)
        for n in range(_SERIES)
    ]  # fmt: skip


def _batches(content: Content, values: Sequence[bytes], size: int = _BATCH) -> list[Batch]:
    decode = Decoder(content.value, content, Validate(1 << 20, 3_600_000_000), raw=False)
    return [
        decode(records_of(values[first : first + size], 0, first))
        for first in range(0, len(values), size)
    ]


def _timed(work: Callable[[], int]) -> tuple[float, float]:
    """Items a second, and a second of the CPU of this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    count = work()
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def _write(uri: str, batches: Sequence[Batch], each: int, **settings: Any) -> tuple[float, float]:
    writer = store_from_uri(uri, settings).open()
    try:
        return _timed(lambda: each * sum(writer.write(one).written for one in batches))
    finally:
        writer.close()


class _Kept:
    """Stands for the connection of a writer, and keeps what is sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        self.requests.append((method, path, body, headers))
        return Answer(204, "")

    def close(self) -> None:
        pass


def _finished(uri: str, batches: Sequence[Batch], **settings: Any) -> tuple[_Kept, Post]:
    """The requests of a writer, not sent, and its connection."""
    writer: Any = store_from_uri(uri, settings).open()
    kept, post = _Kept(), writer._post
    writer._post = kept
    for one in batches:
        writer.write(one)
    return kept, post


def _send(kept: _Kept, post: Post, count: int) -> tuple[float, float]:
    def work() -> int:
        for method, path, body, headers in kept.requests:
            answer = post(method, path, body, **headers)
            if not answer.good:
                raise SystemExit(answer.text)
        return count

    try:
        return _timed(work)
    finally:
        post.close()


def _bare_redis(port: int, batches: Sequence[Batch]) -> tuple[float, float]:
    """The same hashes, with one HSET each, a pipeline a batch."""
    finished = [
        [(f"features:{one['source_id']}:rtt_ms:ms", [str(text) for pair in one.items()
                                                     for text in pair])
         for one in batch.messages]
        for batch in batches
    ]  # fmt: skip
    client = redis.Redis(LOOPBACK, port)

    def work() -> int:
        for hashes in finished:
            pipe = client.pipeline(transaction=True)
            for key, fields in hashes:
                pipe.execute_command("HSET", key, *fields)  # type: ignore[no-untyped-call]
            pipe.execute()
        return _FIELDS * sum(map(len, finished))

    try:
        client.flushall()
        return _timed(work)
    finally:
        client.flushall()
        client.close()


def _redis(folder: Path, pairs: int) -> bool:
    port, part = redis_server(folder)
    batches = _batches(Content.FEATURES, _features(), _SERIES)
    uri = f"redis://{LOOPBACK}:{port}/0"
    try:
        found = [(_bare_redis(port, batches), _write(uri, batches, _FIELDS)) for _ in range(pairs)]
    finally:
        part.stop()
    return _told("Redis, hash fields", found)


def _influx(folder: Path, pairs: int) -> bool:
    port, part = influx_server(folder)
    batches = _batches(Content.METRICS, plain(300_000, sources=_SERIES))
    count = sum(one.count for one in batches)
    found = []
    try:
        for turn in range(pairs):
            for name in (f"bare{turn}", f"store{turn}"):
                create_influx(port, name)
            uri = f"influxdb://{LOOPBACK}:{port}/"
            bare = _send(*_finished(f"{uri}bare{turn}", batches), count)
            found.append((bare, _write(f"{uri}store{turn}", batches, 1)))
    finally:
        part.stop()
    return _told("InfluxDB, points", found)


def _prometheus(folder: Path, pairs: int) -> bool:
    port, part = prometheus_server(folder)
    batches = _batches(Content.METRICS, plain(300_000, sources=_SERIES))
    uri, count, found = f"prometheus://{LOOPBACK}:{port}", sum(one.count for one in batches), []
    try:
        for turn in range(pairs):
            bare = _send(*_finished(uri, batches, prefix=f"bare{turn}_"), count)
            found.append((bare, _write(uri, batches, 1, prefix=f"store{turn}_")))
    finally:
        part.stop()
    return _told("Prometheus, points", found)


def _told(name: str, found: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> bool:
    """Print the medians; whether the rate is reached."""
    bare, bare_cpu = (statistics.median(one[0][n] for one in found) for n in (0, 1))
    store, store_cpu = (statistics.median(one[1][n] for one in found) for n in (0, 1))
    ratio = statistics.median(one[1][0] / one[0][0] for one in found)
    print(
        f"{name:20} bare {bare:11,.0f}/s, store {store:11,.0f}/s (at least {_AT_LEAST:,}): "
        f"{ratio:.2f} of the bare client; a CPU second of this process: {bare_cpu:,.0f} and "
        f"{store_cpu:,.0f}",
        flush=True,
    )
    return store >= _AT_LEAST


def live(pairs: int) -> bool:
    """Measure and print; whether all rates are reached."""
    with tempfile.TemporaryDirectory(prefix="padit-bench-") as name:
        folder = Path(name)
        done = [
            _redis(folder / "redis", pairs),
            _influx(folder / "influx", pairs),
            _prometheus(folder / "prometheus", pairs),
        ]
    return all(done)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3)
    raise SystemExit(not live(parser.parse_args().pairs))
