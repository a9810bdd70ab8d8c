"""What the API answers: lists, pages, ETags, ranges, commands, previews, streams."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.sync.client import connect

from padit.domain.timestamps import MICROS, format_utc
from tests.limits import allowed
from tests.portal.making import (
    START,
    Served,
    append,
    features,
    readings,
    served,
    transition,
    wait_for,
)

CRITICAL: dict[str, Any] = {"severity": "CRITICAL", "score": 0.95}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Served]:
    """Three alerts of press-1 and press-2, one over; readings and windows of press-1."""
    yield from _run(tmp_path)


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same for tests that change nothing."""
    yield from _run(tmp_path_factory.mktemp("same"))


def _run(tmp_path: Path) -> Iterator[Served]:
    append(
        tmp_path / "alerts.jsonl",
        transition("opened", 60),
        transition("updated", 90, **CRITICAL),
        transition("opened", 100, "b", metric_name="rpm", summary="rpm of press-1: too low"),
        transition("resolved", 130, "b", metric_name="rpm"),
        transition("opened", 2000, "c", source_id="press-2", summary="torque_nm of press-2"),
    )
    append(tmp_path / "metrics.jsonl", *readings(3000))
    append(tmp_path / "features.jsonl", *features(100))
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.version >= 5)
        yield one


def _get(client: httpx.Client, path: str, status: int = 200, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_alerts_come_newest_first_page_by_page_and_by_filter(same: Served) -> None:
    client = same.client("viewer")
    whole = [one["id"] for one in _get(client, "/api/alerts")["items"]]
    assert len(whole) == 3
    paged, cursor = [], None
    while True:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = _get(client, "/api/alerts", **query)
        paged += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert paged == whole
    assert [
        one["metric_name"] for one in _get(client, "/api/alerts", state="resolved")["items"]
    ] == ["rpm"]
    assert len(_get(client, "/api/alerts", severity="CRITICAL")["items"]) == 1
    late = format_utc(START + 1000 * MICROS)
    assert [
        one["source_id"] for one in client.get("/api/alerts", params={"from": late}).json()["items"]
    ] == ["press-2"]
    assert len(_get(client, "/api/alerts", to=late)["items"]) == 2


def test_an_answer_that_has_not_changed_is_not_sent_again(run: Served, tmp_path: Path) -> None:
    client = run.client("viewer")
    for path in ("/api/alerts", "/api/incidents", "/api/series/press-1/torque_nm"):
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    tag = client.get("/api/alerts").headers["etag"]
    append(tmp_path / "alerts.jsonl", transition("opened", 2100, "d", source_id="press-3"))
    wait_for(lambda: client.get("/api/alerts", headers={"If-None-Match": tag}).status_code == 200)


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/alerts", {"from": "2026-01-02", "to": "2026-01-01"}, 422),
        ("/api/alerts", {"from": "yesterday"}, 422),
        ("/api/alerts", {"from": "1e300"}, 422),
        ("/api/alerts", {"limit": 0}, 422),
        ("/api/alerts", {"limit": 10**9}, 422),
        ("/api/alerts", {"cursor": "nonsense!"}, 422),
        ("/api/alerts", {"cursor": "AAAA"}, 422),
        ("/api/alerts/none", {}, 404),
        ("/api/alerts/none/recomputed", {}, 404),
        ("/api/incidents/none", {}, 404),
        ("/api/machines/none/logs", {}, 404),
        ("/api/machines/none/status", {}, 404),
        ("/api/series/none/none", {}, 404),
        ("/api/series/press-1/torque_nm", {"points": 1}, 422),
        ("/api/compare/none/none", {}, 404),
        ("/api/nothing", {}, 404),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    same: Served, path: str, query: dict[str, Any], status: int
) -> None:
    answer = same.client("viewer").get(path, params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_machine_shows_its_readings_and_its_latest_features(same: Served) -> None:
    client = same.client("viewer")
    machines = {one["id"]: one for one in _get(client, "/api/machines")["items"]}
    assert machines["press-1"]["series"] == 2
    assert machines["press-2"]["open"] == 1
    page = _get(client, "/api/machines/press-1/logs", limit=2, metric="rpm")
    assert [one["value"] for one in page["items"]] == [59.0, 57.0]
    following = _get(
        client, "/api/machines/press-1/logs", limit=2, metric="rpm", cursor=page["next"]
    )
    assert [one["value"] for one in following["items"]] == [55.0, 53.0]
    status = _get(client, "/api/machines/press-1/status")
    torque = next(one for one in status["metrics"] if one["metric_name"] == "torque_nm")
    assert torque["features"]["mean"] == 30.0
    assert torque["window_end"] == format_utc(START + 99 * 30 * MICROS)


def test_a_series_is_exact_where_its_values_fit_and_keeps_extremes_where_not(same: Served) -> None:
    client = same.client("viewer")
    whole = _get(client, "/api/series/press-1/torque_nm", points=2000)
    assert (whole["exact"], whole["count"], len(whole["value"])) == (True, 1500, 1500)
    thin = _get(client, "/api/series/press-1/torque_nm", points=100)
    assert not thin["exact"]
    assert len(thin["value"]) <= 100
    assert {min(thin["value"]), max(thin["value"])} == {0.0, 58.0}
    assert thin["time_us"] == sorted(thin["time_us"])
    assert whole["windows"]["expected_low"][0] == 10.0
    assert [one["severity"] for one in whole["alerts"]] == ["CRITICAL"]


def test_names_may_hold_slashes_and_anything_else(tmp_path: Path) -> None:
    name = "site/a b/%2F?#é"
    append(tmp_path / "alerts.jsonl", transition("opened", 60, source_id=name, metric_name=name))
    append(tmp_path / "metrics.jsonl", *readings(10, source=name))
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.version)
        client = one.client("viewer")
        found = _get(client, "/api/series/values", source=name, metric=name)
        assert found["value"] == [1.0, 9.5]
        encoded = quote(name, safe="")
        assert len(_get(client, f"/api/machines/{encoded}/logs")["items"]) == 10
        assert _get(client, f"/api/machines/{encoded}/status")["id"] == name


def test_without_readings_a_series_shows_the_evidence_and_says_so(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 60))
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.version)
        found = _get(one.client("viewer"), "/api/series/press-1/torque_nm")
        assert (found["from_evidence"], found["value"], found["unit"]) == (True, [1.0, 9.5], "Nm")
        lacks = _get(one.client("viewer"), "/api/health")["lacks"]
        assert [lack.partition(":")[0] for lack in lacks] == ["readings", "features"]


def test_an_incident_tells_its_story_and_what_was_done(run: Served) -> None:
    operator = run.client("operator")
    incident = next(
        one for one in _get(operator, "/api/incidents")["items"] if "press-1" in one["sources"]
    )
    assert operator.post(f"/api/incidents/{incident['id']}/acknowledge", json={}).status_code == 200
    assert (
        operator.post(f"/api/feedback/{incident['id']}", json={"verdict": "real"}).status_code
        == 200
    )
    found = _get(operator, f"/api/incidents/{incident['id']}")
    assert found["acknowledged_by"] == "key:operator"
    kinds = [one["kind"] for one in found["timeline"]]
    assert kinds[:4] == ["opened", "updated", "opened", "resolved"]
    assert sorted(kinds[4:]) == ["acknowledge", "feedback", "feedback"]  # one has ended
    named = {alert for part in found["story"].values() for line in part for alert in line["alerts"]}
    assert named == {one["id"] for one in found["alerts"]}
    assert operator.post(f"/api/incidents/{incident['id']}/resolve", json={}).status_code == 200
    assert not _get(operator, f"/api/incidents/{incident['id']}")["firing"]
    again = operator.post(f"/api/incidents/{incident['id']}/resolve", json={})
    assert again.status_code == 409
    path = f"/api/feedback/{incident['id']}"
    late = operator.post(path, json={"verdict": "noise"})  # what an operator does once it is over
    assert late.status_code == 200
    timeline = _get(operator, f"/api/incidents/{incident['id']}")["timeline"]
    assert [one["kind"] for one in timeline].count("feedback") == 4


def test_a_command_of_one_key_takes_effect_once(run: Served) -> None:
    operator = run.client("operator")
    alert = _get(operator, "/api/alerts", source="press-2")["items"][0]["id"]
    head = {"Idempotency-Key": "once"}
    for _ in range(2):
        path = f"/api/alerts/{alert}/acknowledge"
        assert operator.post(path, json={}, headers=head).status_code == 200
    done = [
        one for one in _get(operator, f"/api/incidents/{_incident(operator, alert)}")["timeline"]
    ]
    assert [one["kind"] for one in done] == ["opened", "acknowledge"]


def _incident(client: httpx.Client, alert: str) -> str:
    found: str = _get(client, f"/api/alerts/{alert}")["incident"]
    return found


def test_a_silence_is_previewed_mutes_what_comes_and_ends(run: Served, tmp_path: Path) -> None:
    operator = run.client("operator")
    body = {"source": "press-*", "until": "1h"}
    preview = operator.post("/api/silences/preview", json=body).json()
    assert (preview["past_alerts"], preview["series"], len(preview["open"])) == (3, 3, 2)
    name = operator.post("/api/silences", json=body).json()["commands"][0]
    append(tmp_path / "alerts.jsonl", transition("opened", 3100, "d", source_id="press-3"))
    wait_for(lambda: len(_get(operator, "/api/alerts", source="press-3")["items"]) == 1)
    alert = _get(operator, "/api/alerts", source="press-3")["items"][0]
    incident = _get(operator, f"/api/incidents/{alert['incident']}")
    assert any(one.startswith("silenced") for one in incident["suppressed"])
    assert operator.delete(f"/api/silences/{name}").status_code == 200
    assert _get(operator, "/api/silences")["items"] == []
    assert operator.delete(f"/api/silences/{name}").status_code == 404


def test_the_end_of_an_action_is_not_that_of_another_with_a_like_name(run: Served) -> None:
    operator = run.client("operator")
    bodies: dict[str, Any] = {
        "maintenance-1": {"source": "press-1"},
        "maintenance-2": {"source": "press-2"},
        "maintenance-3": {"any": [{"source": "press-3"}, {"source": "press-4"}]},
    }
    for key, body in bodies.items():
        made = operator.post("/api/silences", json=body, headers={"Idempotency-Key": key}).json()
        assert made["action"] == key
    alert = _get(operator, "/api/alerts")["items"][0]["id"]
    made = operator.post(
        f"/api/alerts/{alert}/silence", json={}, headers={"Idempotency-Key": "maintenance-4"}
    ).json()
    there = [one["action"] for one in _get(operator, "/api/silences")["items"]]
    assert sorted(there) == [f"maintenance-{n}" for n in (1, 2, 3, 3, 4)]
    assert operator.delete("/api/silences/maintenance").status_code == 404
    for n, left in ((3, (1, 2, 4)), (1, (2, 4)), (4, (2,)), (2, ())):
        assert operator.delete(f"/api/silences/maintenance-{n}").status_code == 200
        there = [one["action"] for one in _get(operator, "/api/silences")["items"]]
        assert sorted(there) == [f"maintenance-{one}" for one in left]


@pytest.mark.parametrize(
    "body",
    [{}, {"source": ""}, {"source": "x", "until": "soon"}, {"source": "x", "until": "0s"},
     {"source": "x", "until": "2020-01-01"}, {"source": "x", "until": "9e9"}, {"source": 7},
     {"sorce": "x", "metric": "rpm"}, {"any": [{"metric": "rpm", "lables": {"site": "a"}}]}],
)  # fmt: skip
def test_a_silence_of_nothing_or_without_an_end_is_refused(same: Served, body: Any) -> None:
    assert same.client("operator").post("/api/silences", json=body).status_code == 422


def test_whatif_gives_pages_now_and_then_and_what_would_be_missed(same: Served) -> None:
    client = same.client("viewer")
    text = _get(client, "/api/config")["config"]
    equal = client.post("/api/whatif", json={"config": text}).json()
    assert equal["total"][0] == equal["total"][1] > 0
    assert equal["missed"] == equal["later"] == []
    fewer = client.post("/api/whatif", json={"config": text + "min_score: 0.9\n"}).json()
    assert fewer["total"][1] < fewer["total"][0]
    assert "torque_nm of press-2" in [one["summary"] for one in fewer["missed"]]
    for wrong in ("", "[", "a: b", "routes: [{name: x, receiver: y}]", "&a [*a]", "- " * 3000):
        assert client.post("/api/whatif", json={"config": wrong}).status_code == 422, wrong


def test_why_not_gives_the_outcome_of_each_transition(same: Served) -> None:
    client = same.client("viewer")
    found = _get(client, "/api/why-not", source="press-1", metric="torque_nm")["items"]
    assert [(one["kind"], one["outcomes"][0]["reason"]) for one in found] == [
        ("opened", "handed"), ("updated", "handed"),
    ]  # fmt: skip
    assert "no alert" in _get(client, "/api/why-not", source="x", metric="y")["hint"]


def _events(client: httpx.Client, count: int, **given: Any) -> list[tuple[str, int, Any]]:
    found: list[tuple[str, int, Any]] = []
    number = name = ""
    with client.stream("GET", "/api/events", **given) as answer:
        for line in answer.iter_lines():
            key, _, text = line.partition(": ")
            if key == "id":
                number = text
            elif key == "event":
                name = text
            elif key == "data":
                found.append((name, int(number), json.loads(text)))
                if len(found) == count:
                    break
    return found


def test_a_stream_resumes_behind_the_last_number_without_gap_or_double(
    run: Served, tmp_path: Path
) -> None:
    client = run.client("viewer")
    all_of_it = _events(client, 6, params={"after": 0})
    assert [(name, n) for name, n, _ in all_of_it] == [("change", n) for n in range(1, 6)] + [
        ("hello", 5)
    ]
    resumed = _events(client, 3, headers={"Last-Event-ID": "3"})
    assert [(name, n) for name, n, _ in resumed] == [("change", 4), ("change", 5), ("hello", 5)]
    assert _events(client, 1, params={"after": 99})[0][0] == "reset"
    assert _events(client, 1)[0][:2] == ("hello", 5)
    address = run.address.replace("http", "ws") + "/api/ws?after=5"
    head = {"Authorization": f"Bearer {run.keys['viewer']}"}
    with connect(address, additional_headers=head) as socket:
        assert json.loads(socket.recv(allowed(10)))["event"] == "hello"
        append(tmp_path / "alerts.jsonl", transition("opened", 2600, "e", source_id="press-9"))
        pushed = json.loads(socket.recv(allowed(10)))
        assert (pushed["event"], pushed["id"]) == ("change", 6)
        assert pushed["data"]["alerts"][0]["source_id"] == "press-9"


def test_a_restart_shows_the_same_and_goes_on(tmp_path: Path) -> None:
    append(
        tmp_path / "alerts.jsonl", transition("opened", 60), transition("updated", 70, **CRITICAL)
    )
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.version == 2)
        before = _get(one.client("viewer"), "/api/alerts")
        name = before["items"][0]["id"]
        one.client("operator").post(f"/api/alerts/{name}/acknowledge", json={})
        incident = _get(one.client("viewer"), "/api/incidents")
    append(tmp_path / "alerts.jsonl", transition("resolved", 90))
    with served(tmp_path) as one:
        wait_for(lambda: _get(one.client("viewer"), "/api/alerts")["items"][0]["closed"])
        after = _get(one.client("viewer"), "/api/incidents")["items"][0]
        assert after["id"] == incident["items"][0]["id"]
        kinds = [s["kind"] for s in _get(one.client("viewer"), "/api/alerts")["items"][0]["steps"]]
        assert kinds == ["opened", "updated", "resolved"]


def test_an_incident_shows_its_silence_also_while_the_data_lag_behind_the_clock(
    tmp_path: Path,
) -> None:
    base = int(time.time() * MICROS) - 600 * MICROS  # the latest record is ten minutes old
    append(tmp_path / "alerts.jsonl", transition("opened", 0, "late", base=base))
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.incidents)
        body = {"source": "press-1", "until": "1h"}
        assert one.client("operator").post("/api/silences", json=body).status_code == 200
        row = one.client("viewer").get("/api/incidents").json()["items"][0]
        assert row["silenced"] > format_utc(int(time.time() * MICROS))


def test_a_series_without_a_begin_starts_with_its_first_reading(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 60))
    append(tmp_path / "metrics.jsonl", *readings(300))
    with served(tmp_path) as one:
        found = one.client("viewer").get("/api/series/press-1/torque_nm").json()
        assert found["from"] == found["time_us"][0]
        early = {"from": format_utc(START - 3600 * MICROS)}
        asked = one.client("viewer").get("/api/series/press-1/torque_nm", params=early).json()
        assert asked["from"] == START - 3600 * MICROS


def test_many_trials_at_once_are_answered_or_put_off_and_nothing_else_waits(run: Served) -> None:
    body = {"config": run.portal.config_text}
    clients = [run.client("viewer") for _ in range(12)]
    with ThreadPoolExecutor(12) as pool, run.portal.past.trial():
        waiting = [pool.submit(one.post, "/api/whatif", json=body) for one in clients]
        wait_for(lambda: sum(one.done() for one in waiting) == 9)
        assert {one.result().status_code for one in waiting if one.done()} == {503}
        assert run.client("viewer").get("/api/v1/logs").status_code == 200
    assert sorted(one.result().status_code for one in waiting) == [200] * 3 + [503] * 9
