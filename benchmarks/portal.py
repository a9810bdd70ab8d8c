"""How many mixed reads a second one core of the portal answers, and how late streams are.

The portal is a process of its own, as `padit portal` starts it; the load comes from this process by
plain sockets, so that it costs little beside. Rates are per second of the server's own CPU time,
because the machine is shared: `python -m benchmarks.portal --seconds 20 --alerts 10000`. Then what
another configuration over a long past takes, log records, and the page in a real Chromium; `--only`
chooses.
"""

import argparse
import asyncio
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Self

import httpx
import psutil

from benchmarks.portal_parts import (
    alert_line,
    day_of,
    measure_logs,
    measure_page,
    measure_whatif,
    transitions,
)
from benchmarks.portal_series import many_series, measure_series
from padit.devcluster.ports import free_port
from padit.domain.timestamps import MICROS
from padit.portal.accounts import Accounts

__all__ = ["main"]

_PRINCIPALS = 60
_MIX = {"alerts": 40, "status": 30, "incident": 20, "series": 10}


def _run_of(folder: Path, alerts: int, readings: int) -> None:
    base = int(time.time() * MICROS) - alerts * 7 * MICROS
    lines = [alert_line(number, base) for number in range(alerts)]
    (folder / "alerts.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    with (folder / "metrics.jsonl").open("wb") as file:
        for at in range(readings):
            source = at % 20
            file.write(b'{"timestamp":%d,"source_id":"machine-%03d","metric_name":"rpm","value":%d}\n'
                       % (base // MICROS + at // 20, source, at % 997))  # fmt: skip
    with (folder / "features.jsonl").open("wb") as file:
        for at in range(readings // 30):
            file.write(b'{"source_id":"machine-%03d","metric_name":"rpm","window_end":%d,"mean":1.5,'
                       b'"score":0.1,"level":0.1}\n'
                       % (at % 20, base // MICROS + at // 20 * 30))  # fmt: skip


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
    await reader.readexactly(length)
    return int(head[9:12])


async def _client(port: int, key: str, paths: dict[str, list[str]], end: float, seed: int,
                  found: list[tuple[str, float, int]]) -> None:  # fmt: skip
    chance = random.Random(seed)
    kinds, weights = list(_MIX), list(_MIX.values())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < end:
        kind = chance.choices(kinds, weights)[0]
        path = chance.choice(paths[kind])
        request = (
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
        ).encode()
        began = time.monotonic()
        status = await _ask(reader, writer, request)
        found.append((kind, time.monotonic() - began, status))
    writer.close()


async def _load(port: int, keys: list[str], paths: dict[str, list[str]], seconds: float,
                clients: int) -> list[tuple[str, float, int]]:  # fmt: skip
    found: list[tuple[str, float, int]] = []
    end = time.monotonic() + seconds
    await asyncio.gather(*(
        _client(port, keys[n % len(keys)], paths, end, n, found) for n in range(clients)
    ))  # fmt: skip
    return found


async def _listen(port: int, key: str, ready: asyncio.Semaphore, found: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(
        f"GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    )
    while True:
        line = await reader.readline()
        if line.startswith(b"event: hello"):
            ready.release()
        if line.startswith(b"event: change"):
            found.append(time.monotonic())
            break
    writer.close()


async def _streams(port: int, keys: list[str], alerts: Path, count: int) -> list[float]:
    """Seconds from the line in the file to each client."""
    ready, found = asyncio.Semaphore(0), list[float]()
    tasks = []
    for n in range(count):
        tasks.append(asyncio.create_task(_listen(port, keys[n % len(keys)], ready, found)))
        if n % 20 == 19:
            await asyncio.sleep(0.1)
    for _ in range(count):
        await ready.acquire()
    with alerts.open("ab") as file:
        file.write(alert_line(10**7, int(time.time() * MICROS) - 7 * 10**7 * MICROS) + b"\n")
    began = time.monotonic()
    await asyncio.gather(*tasks)
    return sorted(one - began for one in found)


def _share(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000


def main() -> int:
    """Print the figures; 1 if an answer was no success.

    Each connection is a principal of its own, as one may ask 100 times a second and no more.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=tuple(_PARTS), action="append")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--readings", type=int, default=400_000)
    parser.add_argument("--clients", type=int, default=_PRINCIPALS)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--transitions", type=int, default=50_000)
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    wrong = 0
    for name in args.only or ("reads", "whatif", "logs", "page"):
        with tempfile.TemporaryDirectory() as folder:
            wrong += _PARTS[name](Path(folder), args)
    return int(wrong > 0)


class _Server:
    """`padit portal` over a folder, as a process, from when it is ready."""

    def __init__(self, folder: Path) -> None:
        (folder / ".portal").mkdir()
        accounts = Accounts(folder / ".portal" / "accounts.sqlite")
        self.keys = [accounts.new_key(f"k{n}", "viewer", 1, "bench")[0] for n in range(_PRINCIPALS)]
        self.ingest = [accounts.new_key(f"i{n}", "ingest", 1, "bench")[0] for n in range(2)]
        self.link = accounts.link("admin")
        accounts.close()
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "padit.cli.main", "portal", "--data", str(folder),
                   f"--port={self.port}"]  # fmt: skip
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.process = psutil.Process(self._process.pid)
        self.client = httpx.Client(
            base_url=self.address, timeout=300, headers={"Authorization": f"Bearer {self.keys[0]}"}
        )

    def __enter__(self) -> Self:
        for _ in range(3000):
            try:
                if self.client.get("/api/health/ready").status_code == 200:
                    return self
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        message = "the portal does not become ready"
        raise TimeoutError(message)

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(60)


def _reads(folder: Path, args: argparse.Namespace) -> int:
    _run_of(folder, args.alerts, args.readings)
    with _Server(folder) as one:
        paths = _paths(one.client)
        asyncio.run(_load(one.port, one.keys, paths, 3, args.clients))
        before, began = sum(one.process.cpu_times()[:2]), time.monotonic()
        found = asyncio.run(_load(one.port, one.keys, paths, args.seconds, args.clients))
        cpu, passed = sum(one.process.cpu_times()[:2]) - before, time.monotonic() - began
        statuses = Counter(status for _, _, status in found)
        wrong = len(found) - statuses[200]
        named = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        times = [seconds for _, seconds, _ in found]
        print(f"{len(found)} reads in {passed:.1f} s: {len(found) / passed:.0f}/s on this machine, "
              f"{len(found) / cpu:.0f} per second of CPU; statuses {named}")  # fmt: skip
        print(f"p50 {_share(times, 0.5):.0f} ms, p95 {_share(times, 0.95):.0f} ms, "
              f"p99 {_share(times, 0.99):.0f} ms with {args.clients} connections of "
              f"{min(args.clients, _PRINCIPALS)} principals")  # fmt: skip
        for kind in _MIX:
            mine = [seconds for one, seconds, _ in found if one == kind]
            print(f"  {kind}: median {statistics.median(mine) * 1000:.1f} ms of {len(mine)}")
        idle = one.process.memory_info().rss
        late = asyncio.run(_streams(one.port, one.keys, folder / "alerts.jsonl", args.streams))
        grown = (one.process.memory_info().rss - idle) / 1e6
        print(f"{len(late)} streams: first {late[0] * 1000:.0f} ms, p99 {_share(late, 0.99):.0f} "
              f"ms, {grown:.0f} MB more; {idle / 1e6:.0f} MB before")  # fmt: skip
        return wrong


def _whatif(folder: Path, args: argparse.Namespace) -> int:
    transitions(folder, args.transitions)
    with _Server(folder) as one:
        measure_whatif(one.client, one.process)
    return 0


def _logs(folder: Path, args: argparse.Namespace) -> int:
    (folder / "alerts.jsonl").touch()
    with _Server(folder) as one:
        return measure_logs(one.client, one.ingest, one.process, args.seconds)


def _page(folder: Path, args: argparse.Namespace) -> int:
    _run_of(folder, args.alerts, 0)
    day_of(folder)
    with _Server(folder) as one:
        measure_page(one.address, one.link, args.alerts)
    return 0


def _series(folder: Path, args: argparse.Namespace) -> int:
    (folder / "alerts.jsonl").touch()
    many_series(folder, args.series)
    with _Server(folder) as one:
        measure_series(one.client, one.process, args.series)
        measure_page(one.address, one.link, 0)
    return 0


_PARTS = {"reads": _reads, "whatif": _whatif, "logs": _logs, "page": _page, "series": _series}


def _paths(client: httpx.Client) -> dict[str, list[str]]:
    """Paths of each kind of read."""
    rows = client.get("/api/incidents?limit=200").json()["items"]
    return {
        "alerts": ["/api/alerts?limit=50", "/api/alerts?limit=50&state=open",
                   "/api/alerts?limit=50&severity=CRITICAL",
                   "/api/alerts?limit=50&source=machine-007"],
        "status": [f"/api/machines/machine-{n:03}/status" for n in range(20)],
        "incident": [f"/api/incidents/{one['id']}" for one in rows],
        "series": [f"/api/series/machine-{n:03}/rpm?points=1000" for n in range(20)],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
