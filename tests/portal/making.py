"""Runs, portals and clients for the tests of the portal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import msgspec
import uvicorn
from fastapi import FastAPI

from padit.domain.message import digest_of
from padit.domain.timestamps import MICROS, format_utc
from padit.portal.app import create_app
from padit.portal.context import DEFAULT_CONFIG, Portal, local_parts, parse_config
from padit.portal.limiting import Limiter
from padit.portal.places import places_in
from padit.portal.serving import Server
from tests.limits import allowed

__all__ = [
    "START",
    "Served",
    "append",
    "features",
    "readings",
    "served",
    "serving",
    "transition",
    "wait_for",
]

START = 1_767_592_800 * MICROS  # 2026-01-05 06:00
PASSWORD = "correct horse battery"  # noqa: S105


def transition(
    kind: str, seconds: float, name: str = "a", *, base: int = START, **others: Any
) -> bytes:
    """A line of the job's alerts."""
    time_us = base + round(seconds * MICROS)
    data: dict[str, Any] = {
        "id": digest_of("test", name), "source_id": "press-1", "metric_name": "torque_nm",
        "severity": "WARNING", "score": 0.8, "summary": "torque_nm of press-1: too high",
        "opened": format_utc(time_us), "detector": {"name": "rule", "version": 2},
        "metadata": {}, "evidence": {
            "unit": "Nm", "samples": 2,
            "latest": {"time_us": [time_us - MICROS, time_us], "value": [1.0, 9.5]},
        },
    }  # fmt: skip
    data |= others
    body = {
        "specversion": "1.0", "id": digest_of(name, kind, str(time_us)), "source": "/padit/press-1",
        "type": f"io.padit.alert.{kind}", "subject": "torque_nm", "time": format_utc(time_us),
        "data": data,
    }  # fmt: skip
    return msgspec.json.encode(body)


def append(path: Path, *lines: bytes) -> None:
    """Add lines to a file, as a running job does."""
    with path.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))


def readings(count: int, *, source: str = "press-1", base: int = START) -> list[bytes]:
    """One reading a second, of two metrics in turn."""
    return [
        msgspec.json.encode({
            "timestamp": (base + at * MICROS) / MICROS, "source_id": source,
            "metric_name": ("torque_nm", "rpm")[at % 2], "value": float(at % 60), "unit": "Nm",
        })
        for at in range(count)
    ]  # fmt: skip


def features(count: int, *, source: str = "press-1", base: int = START) -> list[bytes]:
    """One window each half minute."""
    return [
        msgspec.json.encode({
            "source_id": source, "metric_name": "torque_nm", "unit": "Nm",
            "window_end": format_utc(base + at * 30 * MICROS), "mean": 30.0, "median": 30.0,
            "score": (at % 10) / 10, "level": 0.1, "expected_low": 10.0, "expected_high": 50.0,
        })
        for at in range(count)
    ]  # fmt: skip


class Served:
    """A portal that answers on this machine; `admin`, `operator`, `viewer` are its clients."""

    def __init__(self, portal: Portal, app: FastAPI, address: str) -> None:
        self.portal = portal
        self.app = app
        self.address = address
        self.keys = {
            role: portal.accounts.new_key(role, role, 1, "test")[0]
            for role in ("ingest", "viewer", "operator", "admin")
        }
        self._clients: list[httpx.Client] = []

    def client(self, role: str = "") -> httpx.Client:
        """A client with the key of a role; without one it has none."""
        headers = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        found = httpx.Client(base_url=self.address, headers=headers, timeout=allowed(20))
        self._clients.append(found)
        return found

    def close(self) -> None:
        """Close the clients."""
        for one in self._clients:
            one.close()


@contextmanager
def served(
    folder: Path, *, config: str = DEFAULT_CONFIG, requests: int = 1_000_000, deliver: bool = False
) -> Iterator[Served]:
    """Serve a folder with a run."""
    places, state = places_in(folder, None, None, None), folder / ".portal"
    parts = local_parts(places, state, parse_config(config, "the test"), deliver=deliver)
    with serving(Portal(parts, state, config, deliver=deliver), requests) as one:
        yield one


@contextmanager
def serving(portal: Portal, requests: int = 1_000_000) -> Iterator[Served]:
    """Serve a portal, from the moment that it has read all there is."""
    app = create_app(lambda: portal, Limiter(requests))
    server = Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1,
            ws_per_message_deflate=False,
        ),
        lambda: portal.hub,
    )  # fmt: skip
    thread = Thread(target=server.run)
    thread.start()
    found = None
    try:
        wait_for(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        found = Served(portal, app, f"http://127.0.0.1:{port}")
        wait_for(portal.feeder.caught_up.is_set)
        wait_for(portal.recorder.caught_up.is_set)
        yield found
    finally:
        if found is not None:
            found.close()
        server.should_exit = True
        thread.join()


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + allowed(seconds)
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
