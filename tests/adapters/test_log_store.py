"""The searchable store of the logs adapter: what is kept is found, what is too much goes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.errors import AdapterError
from padit.adapters.log_store import LogStore, Search
from padit.codecs.log_lines import LogRecord, from_object
from padit.domain.timestamps import parse_timestamp
from tests.adapters.live import Live

T = 1_767_323_045
DAY = 86_400


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = float(T)

    def __call__(self) -> float:
        return self.time


def record(number: int, **fields: Any) -> tuple[LogRecord, bytes]:
    content = {"ts": T + number, "service": "shop", "level": "info", "msg": f"order {number}"}
    made = from_object({**content, **fields}, "shop", T)
    return made, msgspec.json.encode(made)


def messages(store: LogStore, **wanted: Any) -> list[str]:
    return [json.loads(found)["message"] for found in store.search(Search(**wanted))]


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    made = LogStore(tmp_path / "logs", 50_000_000, 7)
    made.add([record(i) for i in range(50)])
    made.add(
        [
            record(60, level="error", msg="No route to Lübeck", service="ship"),
            record(61, level="error", msg="card refused", customer="Ada Lovelace"),
        ]
    )
    return made


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"service": "ship"}, ["No route to Lübeck"]),
        ({"level": "ERROR"}, ["card refused", "No route to Lübeck"]),
        ({"level": "ERROR", "service": "shop"}, ["card refused"]),
        ({"words": "lubeck ROUTE"}, ["No route to Lübeck"]),
        ({"words": "lovelace"}, ["card refused"]),  # attributes, too
        ({"words": "rou*"}, ["No route to Lübeck"]),
        ({"words": "rou"}, []),
        ({"words": "order 7"}, ["order 7"]),
        ({"words": 'OR "NEAR( -x'}, []),  # words, whatever FTS5 would make of them
        ({"since": (T + 48) * 10**6, "until": (T + 50) * 10**6}, ["order 49", "order 48"]),
        ({"limit": 3}, ["card refused", "No route to Lübeck", "order 49"]),
    ],
    ids=str,
)
def test_all_that_is_asked_must_hold_and_the_newest_come_first(
    store: LogStore, wanted: dict[str, Any], expected: list[str]
) -> None:
    assert messages(store, **wanted) == expected
    store.close()
    assert messages(store, **wanted) == expected


def test_what_was_kept_is_found_after_a_restart_and_more_is_added(
    store: LogStore, tmp_path: Path
) -> None:
    store.close()
    again = LogStore(tmp_path / "logs", 50_000_000, 7)
    again.add([record(100)])
    assert messages(again, limit=2) == ["order 100", "card refused"]
    assert len(messages(again, limit=1000)) == 53
    again.close()


def test_oldest_go_when_the_bound_is_reached(tmp_path: Path) -> None:
    store = LogStore(tmp_path, 2_000_000, 7)
    for first in range(0, 20_000, 500):
        store.add([record(i, pad=f"x{i}" * 10) for i in range(first, first + 500)])
    assert store.size < 2_400_000  # one segment more at most
    found = messages(store, limit=100_000)
    assert 3_000 < len(found) < 15_000
    assert found == [f"order {i}" for i in range(19_999, 19_999 - len(found), -1)]
    store.close()


def test_records_go_after_their_days(tmp_path: Path) -> None:
    clock = Clock()
    store = LogStore(tmp_path, 50_000_000, 2, clock)
    for day in range(5):
        clock.time = T + day * DAY
        store.add([record(day)])
    assert messages(store) == ["order 4", "order 3", "order 2"]
    days = {path.name[:8] for path in tmp_path.glob("*.db")}
    assert min(days) == datetime.fromtimestamp(T + 2 * DAY, UTC).strftime("%Y%m%d")
    clock.time = T  # the clock jumps back
    store.add([record(9)])
    store.close()
    again = LogStore(tmp_path, 50_000_000, 2, clock)
    again.add([record(10)])
    assert messages(again, limit=2) == ["order 10", "order 9"]
    again.close()


def test_damaged_segment_costs_only_itself(store: LogStore, tmp_path: Path) -> None:
    store.close()
    path = next((tmp_path / "logs").glob("*.db"))
    path.write_bytes(b"no database" * 1000)
    again = LogStore(tmp_path / "logs", 50_000_000, 7)
    again.add([record(100)])
    assert messages(again) == ["order 100"]
    again.close()


def test_store_that_cannot_be_written_is_an_error_of_the_adapter(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AdapterError, match="store_dir"):
        LogStore(tmp_path / "file" / "logs", 50_000_000, 7)


@given(words=st.text(max_size=40), text=st.text(max_size=60))
def test_no_text_breaks_the_store_or_the_search(
    tmp_path_factory: pytest.TempPathFactory, words: str, text: str
) -> None:
    store = LogStore(tmp_path_factory.mktemp("logs"), 50_000_000, 7)
    store.add([record(1, msg=text, service=text or "s", level=text)])
    assert len(messages(store)) == 1
    store.search(Search(words=words))
    store.close()


def get(live: Live, query: str, token: str = "t") -> httpx.Response:  # noqa: S107
    url = f"http://127.0.0.1:{live.adapter.port}/api/v1/logs?{query}"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"})


def test_posted_and_tailed_logs_are_found_over_http_with_a_token(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("2026-01-02T03:04:05Z ERROR disk full\n")
    config = {
        "type": "logs",
        "port": 0,
        "tokens": ["t"],
        "store_dir": str(tmp_path / "store"),
        "files": [{"path": str(path), "from_start": True}],
    }
    with Live(config) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/api/v1/logs"
        body = [{"timestamp": T + i, "service": "shop", "message": f"order {i}"} for i in range(5)]
        httpx.post(url, json=body, headers={"Authorization": "Bearer t"})
        live.poll()
        assert get(live, "q=order", token="wrong").status_code == 401  # noqa: S106
        found = get(live, "service=shop&q=order&limit=2").json()["logs"]
        errors = get(live, "level=error").json()["logs"]
        since = get(live, "service=shop&from=2026-01-02T03:04:08Z&to=1767323049").json()["logs"]
        refused = [get(live, query) for query in ("limit=0", "from=yesterday", "levle=x")]
    assert [one["message"] for one in found] == ["order 4", "order 3"]
    assert [(one["service"], one["message"]) for one in errors] == [("app", "ERROR disk full")]
    assert [parse_timestamp(one["timestamp"]) // 10**6 for one in since] == [T + 3]
    assert [answer.status_code for answer in refused] == [400, 400, 400]
    assert "levle" in refused[2].text


def test_disk_that_fails_costs_the_search_and_not_the_records(tmp_path: Path) -> None:
    with Live({"type": "logs", "port": 0, "store_dir": str(tmp_path)}) as live:
        for path in tmp_path.glob("logs"):
            path.rmdir()
            path.touch()  # a file where the directory was
        url = f"http://127.0.0.1:{live.adapter.port}/api/v1/logs"
        assert httpx.post(url, json={"message": "x"}).status_code == 202
    assert len(live.emitter.records) == 1
    assert live.emitter.faults == {"store": 1}


def test_search_can_be_switched_off() -> None:
    with Live({"type": "logs", "port": 0, "tokens": ["t"], "store_dir": ""}) as live:
        assert get(live, "").status_code == 404
