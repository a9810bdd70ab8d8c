"""What the API does with log records: kept, found, counted, refused."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.portal.making import Served, append, served, transition


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A portal over one alert."""
    place = tmp_path_factory.mktemp("logs")
    append(place / "alerts.jsonl", transition("opened", 60))
    with served(place) as one:
        yield one


def _get(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_logs_are_kept_found_and_counted(run: Served) -> None:
    ingest, viewer = run.client("ingest"), run.client("viewer")
    one = {"message": "payment 7 timed out after 3.2 s", "source": "shop", "level": "ERROR"}
    assert ingest.post("/api/v1/logs", json=one).json() == {"logId": 1}
    many = "\n".join(json.dumps({"message": f"user {n} came"}) for n in range(5))
    head = {"Content-Type": "application/x-ndjson"}
    assert ingest.post("/api/v1/logs", content=many, headers=head).json()["count"] == 5
    found = _get(viewer, "/api/v1/logs", q="payment timed")["items"]
    assert [(one["id"], one["level"]) for one in found] == [(1, "error")]
    page = _get(viewer, "/api/v1/logs", limit=4)
    assert len(_get(viewer, "/api/v1/logs", limit=4, cursor=page["next"])["items"]) == 2
    counts = _get(viewer, "/api/v1/logs/statistics")
    assert counts["templates"][0] == {"template": "user <*> came", "count": 5}
    for query in ('"', "' OR 1=1 --", "NEAR(a b)", "*", "a AND", "\x00"):
        assert _get(viewer, "/api/v1/logs", q=query)["items"] == []


def test_a_level_that_is_not_known_is_kept_counted_and_said(run: Served) -> None:
    ingest, viewer = run.client("ingest"), run.client("viewer")
    known = [{"message": "levels", "level": one} for one in ("Warn", "NOTICE", "emerg", "", "E")]
    other = [{"message": "levels", "level": one} for one in ("Grave", "Grave", "P1 ' OR 1=1")]
    found = ingest.post("/api/v1/logs", json=[*known, *other]).json()
    assert found["unknownLevels"] == {"Grave": 2, "P1 ' OR 1=1": 1}
    assert "unknownLevels" not in ingest.post("/api/v1/logs", json=known).json()
    rows = _get(viewer, "/api/v1/logs", q="levels", level="unknown")["items"]
    assert [one["level"] for one in rows] == ["P1 ' OR 1=1", "Grave", "Grave"]
    counts = _get(viewer, "/api/v1/logs/statistics", q="levels")["levels"]
    assert counts == {"info": 4, "unknown": 3, "warning": 2, "critical": 2, "error": 2}


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", "null", '{"message": 5}', "[" * 10_000, "\xff",
             '{"message": "a", "timestamp": "x"}', '{"message": "a", "timestamp": 1e400}'],
)  # fmt: skip
def test_what_is_no_log_record_is_refused(run: Served, body: str) -> None:
    answer = run.client("ingest").post("/api/v1/logs", content=body.encode("latin-1"))
    assert answer.status_code == 422, answer.text
