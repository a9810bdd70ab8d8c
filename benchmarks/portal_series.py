"""Part of `python -m benchmarks.portal`: a store with very many series."""

import statistics
import time
from pathlib import Path

import httpx
import psutil

__all__ = ["many_series", "measure_series"]

_METRICS = 20
_ROUTES = (
    ("a page of series", "/api/series?limit=100"),
    ("a page in the middle", "/api/series?limit=100&cursor={middle}"),
    ("a search that all match", "/api/series?q=metric&limit=100"),
    ("a search that some match", "/api/series?q=-0042&limit=100"),
    ("a search that none match", "/api/series?q=nothing-like-it"),
    ("a page of machines", "/api/machines?limit=100"),
    ("live features", "/api/machines/{source}/status"),
    ("a series", "/api/series/{source}/metric_07"),
    ("lanes (Explore)", "/api/series/lanes?slices=200"),
    ("what moved", "/api/series/moved?limit=15"),
    ("Health", "/api/health"),
    ("a page of incidents (Now)", "/api/incidents?limit=40"),
)


def many_series(folder: Path, count: int) -> None:
    """A run with two readings and a window of each of so many series, twenty a source."""
    now = int(time.time())
    with (folder / "metrics.jsonl").open("wb") as file:
        for turn in range(2):
            for at in range(count):
                file.write(
                    b'{"timestamp":%d,"source_id":"machine-%05d","metric_name":"metric_%02d",'
                    b'"value":%d}\n'
                    % (now - 900 + turn * 600, at // _METRICS, at % _METRICS, at * 7919 % 997)
                )
    with (folder / "features.jsonl").open("wb") as file:
        for at in range(count):
            file.write(
                b'{"source_id":"machine-%05d","metric_name":"metric_%02d","window_end":%d,'
                b'"mean":1.5,"score":%.3f,"level":0.1}\n'
                % (at // _METRICS, at % _METRICS, now - 300, at * 31 % 600 / 1000)
            )


def measure_series(client: httpx.Client, process: psutil.Process, count: int) -> None:
    """What each route takes, and how long others wait meanwhile."""
    cpu = sum(process.cpu_times()[:2])
    print(f"{count:,} series read with {cpu:.0f} s of CPU ({3 * count / cpu:,.0f} lines a second); "
          f"{process.memory_info().rss / 1e6:,.0f} MB")  # fmt: skip
    source = f"machine-{count // _METRICS // 2:05}"
    place = client.get("/api/series", params={"q": source, "limit": 1}).json()["next"]
    for name, path in _ROUTES:
        found, spent = [], []
        for turn in range(5):
            address = path.format(source=source, middle=place)
            head = {"If-None-Match": ""}
            if "moved" in path or "lanes" in path:
                address += f"&to={time.time() - turn * 0.001:.3f}"  # none is remembered
            before, began = sum(process.cpu_times()[:2]), time.monotonic()
            client.get(address, headers=head).raise_for_status()
            found.append((time.monotonic() - began) * 1000)
            spent.append((sum(process.cpu_times()[:2]) - before) * 1000)
        print(f"  {name}: median {statistics.median(found):.0f} ms, longest {max(found):.0f} ms; "
              f"{statistics.median(spent):.0f} ms of CPU")  # fmt: skip
    print(f"  {process.memory_info().rss / 1e6:,.0f} MB at the end")
