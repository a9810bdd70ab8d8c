"""Lists of the API: every one page by page and with an ETag; a million series; slow clients."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS
from padit.portal.answers import put_cursor
from padit.portal.routing import all_routes
from padit.portal.training import Job
from tests.limits import allowed
from tests.portal.making import START, Served, append, readings, served, transition, wait_for

_SEVERITIES = ("WARNING", "CRITICAL", "INFO")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Nine incidents of nine sources, some of them at the same time, and readings of one."""
    folder = tmp_path_factory.mktemp("lists")
    append(folder / "alerts.jsonl", *(
        transition("opened", at // 2 * 400, f"a{at}", source_id=f"press/{at}",
                   severity=_SEVERITIES[at % 3])
        for at in range(9)
    ))  # fmt: skip
    append(folder / "alerts.jsonl", *(
        transition("updated", 1600 + at, "a0", source_id="press/0") for at in range(4)
    ))  # fmt: skip
    append(folder / "metrics.jsonl", *readings(20, source="press/0"))
    for at in range(3):
        append(folder / f"other-{at}.alerts.jsonl", transition("opened", at, f"o{at}"))
    models = folder / ".portal" / "models"
    models.mkdir(parents=True)
    for at in range(5):
        (models / f"model-{at}.json").write_text(json.dumps({
            "valid_from": at * MICROS, "digest": f"d{at}", "quality": {}, "metrics": [],
            "channels": [], "recording": {"rows": at, "sources": []},
        }))  # fmt: skip
    with served(folder) as one:
        wait_for(lambda: len(one.portal.overview.incidents) == 9)
        operator = one.client("operator")
        for at in range(4):
            operator.post("/api/silences", json={"source": f"nobody-{at}"}).raise_for_status()
            job = Job(f"{7 - at}", "readings", "ann", START, at // 2, "trained")  # two at a time
            one.portal.trainer.jobs[job.id] = job
        for name in ("ann", "eve", "bob"):
            accounts = one.portal.accounts
            accounts.redeem(accounts.link("viewer"), name, "correct horse battery")
        yield one


def _paged(client: httpx.Client, path: str, limit: int, **query: Any) -> list[Any]:
    found, cursor = [], None
    for _ in range(100):
        given = query | {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = client.get(path, params=given).raise_for_status().json()
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
    raise AssertionError(path)


@pytest.mark.parametrize("path", [
    "/api/alerts", "/api/incidents", "/api/incidents?state=open", "/api/series", "/api/machines",
    "/api/machines/press%2F0/logs", "/api/silences", "/api/keys", "/api/users", "/api/models",
    "/api/trainings", "/api/compare", "/api/why-not?source=press/0&metric=torque_nm",
])  # fmt: skip
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_of_any_size_hold_together_what_the_whole_list_holds(
    run: Served, path: str, limit: int
) -> None:
    client = run.client("admin")
    path, _, query = path.partition("?")
    given = dict(one.split("=") for one in query.split("&")) if query else {}
    whole = client.get(path, params=given | {"limit": 500}).raise_for_status().json()
    assert whole["next"] is None
    assert len(whole["items"]) >= (2 if path.endswith("/logs") else 3)
    assert _paged(client, path, limit, **given) == whole["items"]


def test_open_incidents_come_the_worst_first_and_then_the_oldest(run: Served) -> None:
    rows = _paged(run.client("viewer"), "/api/incidents", 2, state="open")
    rank = {"CRITICAL": 0, "WARNING": 1, "INFO": 2}
    assert len(rows) == 9
    assert rows == sorted(rows, key=lambda one: (rank[one["severity"]], one["opened"], one["id"]))


@pytest.mark.parametrize("path", ["/api/incidents?state=open", "/api/series"])
def test_a_cursor_of_another_list_is_refused(run: Served, path: str) -> None:
    client = run.client("viewer")
    other = client.get("/api/machines", params={"limit": 1}).json()["next"]
    assert client.get(f"{path}{'&' if '?' in path else '?'}cursor={other}").status_code == 422


@pytest.mark.parametrize("bound", ["1" * 5000, "9" * 19 + "x", "²", "-5", ""])
def test_no_cursor_of_readings_is_a_fault_of_the_server(run: Served, bound: str) -> None:
    cursor = put_cursor(0, bound)
    answer = run.client("viewer").get("/api/machines/press%2F0/logs", params={"cursor": cursor})
    assert answer.status_code == 200


def test_readings_that_come_between_two_pages_move_no_other_one(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").touch()
    append(tmp_path / "metrics.jsonl", *readings(20))
    with served(tmp_path) as one:
        client = one.client("viewer")
        path = "/api/machines/press-1/logs"
        first = client.get(path, params={"limit": 7}).json()
        append(tmp_path / "metrics.jsonl", *readings(6, base=START + 100 * MICROS))
        wait_for(lambda: one.portal.series.totals()[0] == 26)
        rest = client.get(path, params={"limit": 100, "cursor": first["next"]}).json()
        times = [row["time"] for row in first["items"] + rest["items"]]
        assert len(times) == 20
        assert times == sorted(times, reverse=True)


def test_every_answer_that_can_be_read_again_has_an_etag_and_is_not_sent_twice(run: Served) -> None:
    client, walked = run.client("admin"), 0
    given = {"source": "press/0", "metric": "torque_nm"}
    for route in all_routes(run.app.routes):
        if route.method != "GET" or "{" in route.path or route.path in ("/api/events",):
            continue
        answer = client.get(route.path, params=given)
        if answer.status_code != 200 or route.path in ("/api/health", "/api/audit"):
            continue  # these change with the clock and with every request
        walked += 1
        tag = answer.headers["etag"]
        again = client.get(route.path, params=given, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content) == (304, b""), route.path
    assert walked > 20


def test_readings_in_parquet_are_shown_as_those_in_lines(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 60))
    rows = [json.loads(line) for line in readings(300)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "metrics.parquet")
    with served(tmp_path) as one:
        found = one.client("viewer").get("/api/series/press-1/torque_nm").json()
        assert (found["exact"], found["count"], found["from_evidence"]) == (True, 150, False)
        assert found["value"] == [float(at % 60) for at in range(0, 300, 2)]


def test_no_route_takes_a_range_of_time_that_goes_backwards(run: Served) -> None:
    client, walked = run.client("admin"), []
    given = {"source": "press/0", "metric": "torque_nm", "from": "2026-01-02", "to": "2026-01-01"}
    for path, each in client.get("/api/openapi.json").json()["paths"].items():
        if {"from", "to"} <= {one["name"] for one in each.get("get", {}).get("parameters", ())}:
            real = path.replace("{machine}", "press%2F0").replace("{source}/{metric}", "values")
            walked.append(client.get(real, params=given).status_code)
    assert walked == [422] * 10


def test_hundreds_of_thousands_of_series_are_listed_searched_and_counted_quickly(
    tmp_path: Path,
) -> None:
    (tmp_path / "alerts.jsonl").touch()
    count = 200_000
    with served(tmp_path) as one:
        names = [Series(f"m-{at // 20:06}", f"metric-{at % 20:02}", "u") for at in range(count)]
        code = np.arange(count, dtype=np.int32)
        rows = Rows(names, code, np.full(count, START, np.int64), code.astype(float))
        began = time.monotonic()
        one.portal.series.add_rows(rows)  # type: ignore[attr-defined]
        client = one.client("viewer")
        page = client.get("/api/series", params={"q": "M-009999 metric-1", "limit": 3}).json()
        assert page["count"] == 10
        assert [row["metric_name"] for row in page["items"]] == [
            "metric-10", "metric-11", "metric-12",
        ]  # fmt: skip
        machines = client.get("/api/machines", params={"limit": 1}).json()
        assert (machines["count"], machines["items"][0]["series"]) == (10_000, 20)
        assert client.get("/api/machines/m-009999/status").json()["metrics"][0]["last"]
        assert client.get("/api/health").json()["series"] == count
        assert time.monotonic() - began < allowed(20)
        fast = time.monotonic()
        client.get("/api/machines/m-004321/status").raise_for_status()
        client.get("/api/series", params={"q": "m-004321"}).raise_for_status()
        assert time.monotonic() - fast < allowed(1)


def _stream(one: Served) -> socket.socket:
    port = int(one.address.rpartition(":")[2])
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    key = one.keys["viewer"]
    head = f"GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
    made.sendall(head.encode())
    return made


def test_clients_that_read_nothing_or_drop_keep_nobody_from_the_changes(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 0, "first"))
    with served(tmp_path) as one:
        lazy = [_stream(one) for _ in range(20)]
        wait_for(lambda: one.portal.hub.clients == 20)
        with one.client("viewer").stream("GET", "/api/events", params={"after": 1}) as reading:
            lines = reading.iter_lines()
            for begin in range(0, 1000, 100):
                append(tmp_path / "alerts.jsonl", *(
                    transition("opened", at, f"b{at}", source_id=f"m-{at}", summary="x" * 2000)
                    for at in range(begin, begin + 100)
                ))  # fmt: skip
                seen = [json.loads(line[6:])["n"] for line in _changes(lines, 100)]
                assert seen == list(range(2 + begin, 102 + begin))
        assert all(queue.qsize() <= 500 for queue in one.portal.hub._queues)
        for at, each in enumerate(lazy):
            if at % 2:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # reset
            each.close()
        wait_for(lambda: one.portal.hub.clients == 0, 30)
        assert one.client("viewer").get("/api/alerts").status_code == 200


def _changes(lines: Iterator[str], count: int) -> Iterator[str]:
    """Data of so many changes; a client that falls behind would get `reset`."""
    kind, found = "", 0
    for line in lines:
        if line.startswith("event: "):
            kind = line[7:]
            assert kind in ("change", "hello", "beat"), kind
        elif line.startswith("data: ") and kind == "change":
            yield line
            found += 1
            if found == count:
                return
