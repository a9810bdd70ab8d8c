"""Limits of a principal: in memory, and over several portals by a real Redis that goes away."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from padit.devcluster.ports import free_port
from padit.devcluster.processes import Part
from padit.portal.api.page import assets
from padit.portal.limiting import Limiter
from padit.portal.team.limits import SharedLimiter
from padit.portal.team.parts import address_of
from tests.portal.making import served, wait_for
from tests.stores.servers import redis_server


@pytest.fixture(scope="module")
def redis_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Part]]:
    port, part = redis_server(tmp_path_factory.mktemp("redis"))
    yield port, part
    part.stop()


def _limiters(port: int, count: int, requests: int) -> list[SharedLimiter]:
    address = address_of(f"redis://127.0.0.1:{port}/0", "--redis", ("redis",))
    made = [SharedLimiter(address, requests) for _ in range(count)]
    for one in made:
        one.start()
    return made


def _granted(limiters: list[SharedLimiter], name: str, seconds: float, every: float) -> int:
    """How many requests pass, asked of each portal in turn."""
    end, granted, at = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        granted += limiters[at % len(limiters)].allows(name, "viewer")
        at += 1
        time.sleep(every)
    return granted


def test_three_portals_let_a_principal_do_as_much_as_one_and_go_on_without_redis(
    redis_part: tuple[int, Part],
) -> None:
    limiters = _limiters(redis_part[0], 3, 60)
    try:
        apart = [Limiter(60) for _ in range(3)]
        end, alone = time.monotonic() + 3, 0
        while time.monotonic() < end:
            alone += sum(one.allows("ann") for one in apart)
            time.sleep(0.005)
        shared = _granted(limiters, "ann", 3, 0.003)
        assert alone > 3 * 60 * 2  # each portal by itself: up to three times as much
        assert 60 <= shared < alone * 0.75
        redis_part[1].kill()
        wait_for(lambda: limiters[0].allows("eve") and limiters[0].trouble)
        assert limiters[0].allows("bob")  # nobody waits for it
        redis_part[1].start()
        wait_for(lambda: limiters[0].allows("eve") and not limiters[0].trouble, 30)
    finally:
        for one in limiters:
            one.stop()


def test_ingest_keys_are_limited_in_records_and_a_redis_that_never_was_stops_nothing(
    tmp_path: Path,
) -> None:
    one = _limiters(free_port(), 1, 5)[0]
    try:
        assert all(one.allows("shipper", "ingest") for _ in range(50))
        assert one.allows_records("shipper", 20_000)
        assert not one.allows_records("shipper", 1)
        assert sum(one.allows("ann") for _ in range(50)) <= 10
        began = time.monotonic()
        one.allows("bob")
        assert time.monotonic() - began < 0.5
    finally:
        one.stop()


def test_whoever_loads_the_page_again_and_again_gets_all_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").touch()
    with served(tmp_path) as one:
        client = httpx.Client(base_url=one.address)
        names = [f"/static/{name}" for name in assets()]
        found = Counter(client.get(name).status_code for name in names * 8)
        assert found == {200: 8 * len(names)}
        assert 8 * len(names) > 100
        client.close()


def test_files_of_the_page_have_a_limit_of_their_own() -> None:
    limiter = Limiter(1)
    assert limiter.allows("address a")
    granted = sum(limiter.allows_file("a") for _ in range(5_000))
    assert 2_000 <= granted < 5_000
    assert limiter.allows_file("b")
