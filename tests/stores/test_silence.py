"""Servers that take a connection and say nothing: no store waits for longer than stated."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from padit.devcluster.ports import LOOPBACK
from padit.domain.errors import SinkError, SourceError
from padit.stores.archive_service import open_place
from padit.stores.registry import store_from_uri
from tests.limits import allowed


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that lets everybody in, and never answers."""
    listener = socket.create_server((LOOPBACK, 0))
    clients: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                clients.append(listener.accept()[0])

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for one in (listener, *clients):
        one.close()


@pytest.mark.parametrize(
    "uri",
    [
        "redis://{}/0?timeout_sec=0.5",
        "influxdb://{}/plant?timeout_sec=0.5",
        "influxdb://{}/plant/bucket?timeout_sec=0.5",
        "prometheus://{}?timeout_sec=0.5",
        "postgresql://{}/plant?timeout_sec=2&client_config=FILE",
    ],
)
def test_a_store_gives_up_in_time(silent: int, uri: str, tmp_path: Path) -> None:
    config = tmp_path / "given.conf"
    config.write_text("connect_timeout=2\n")
    place = uri.format(f"{LOOPBACK}:{silent}").replace("FILE", str(config))
    store = store_from_uri(place)
    begin = time.monotonic()
    with pytest.raises(SinkError):
        store.open()
    assert time.monotonic() - begin < allowed(5)


def test_an_archive_gives_up_in_time(silent: int, tmp_path: Path) -> None:
    config = tmp_path / "s3.conf"
    config.write_text("access_key=a\nsecret_key=b\n")
    endpoint = f"endpoint=http://{LOOPBACK}:{silent}&region=us-east-1&client_config={config}"
    place = open_place(f"s3://plant/metrics?{endpoint}&request_timeout_sec=1&attempts=1")
    begin = time.monotonic()
    with pytest.raises(SourceError):
        place.list()
    assert time.monotonic() - begin < allowed(5)
