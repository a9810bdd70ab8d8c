"""The portal of a team: real PostgreSQL, Kafka and Redis, each of which goes away and is back."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from padit.cli.main import main
from padit.devcluster.ports import free_port
from padit.devcluster.processes import Part
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.timestamps import MICROS
from padit.portal.accounts import Accounts, FileTables, Principal
from padit.portal.team.accounts import SharedTables
from padit.stores.archive_service import Plan, archive_topic
from tests.parts import KafkaPart
from tests.portal.making import Served, transition, wait_for
from tests.portal.team import CONFIG, TeamSite, produce, site_of
from tests.postgres import start_postgres
from tests.s3 import S3Server
from tests.stores.servers import redis_server


@pytest.fixture(scope="module")
def redis_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Part]]:
    port, part = redis_server(tmp_path_factory.mktemp("redis"))
    yield port, part
    part.stop()


@pytest.fixture(scope="module")
def site(
    kafka: KafkaPart, redis_part: tuple[int, Part], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TeamSite]:
    """All parts, filled; a database that this file may kill."""
    import os

    os.environ.setdefault("PGUSER", "padit")
    folder = tmp_path_factory.mktemp("team")
    postgres = start_postgres(folder / "postgres")
    postgres.database("padit")
    base = (int(time.time()) - 900) * MICROS
    found = site_of(kafka, postgres, redis_part[0], folder, base)
    try:
        found.fill()
        yield found
    finally:
        postgres.stop()


@pytest.fixture(scope="module")
def page(site: TeamSite) -> Iterator[Served]:
    with site.alerting(), site.page() as one:
        wait_for(lambda: one.portal.recorder.leads, 60)  # type: ignore[attr-defined]
        yield one


def _get(one: Served, path: str, **query: Any) -> Any:
    answer = one.client("viewer").get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _fire(site: TeamSite, name: str, source: str, kind: str = "opened", late: float = 0) -> None:
    base = int(time.time() * MICROS)
    line = transition(kind, late, name, base=base, source_id=source, opened=_opened(name, base))
    produce(site.kafka, site.topics["alerts"], [line])


_OPENED: dict[str, str] = {}


def _opened(name: str, base: int) -> str:
    from padit.domain.timestamps import format_utc

    return _OPENED.setdefault(name, format_utc(base))


def _open_on(one: Served, source: str) -> list[dict[str, Any]]:
    rows = _get(one, "/api/incidents", state="open")["items"]
    return [row for row in rows if source in row["sources"]]


def test_readings_windows_scores_and_live_features_come_from_the_stores(
    site: TeamSite, page: Served
) -> None:
    wait_for(lambda: page.portal.series.last > 0)
    wait_for(lambda: page.portal.series.has(("press-2", "vibration")))
    names = {(one["source_id"], one["metric_name"]) for one in _get(page, "/api/series")["items"]}
    assert {("press-1", "torque_nm"), ("press-1", "rpm"), ("press-2", "vibration")} <= names
    span = {"from": site.base / MICROS, "to": site.base / MICROS + 600}
    whole = _get(page, "/api/series/press-1/torque_nm", **span)
    assert (whole["count"], whole["exact"], whole["value"][:3]) == (300, True, [0.0, 2.0, 4.0])
    assert len(whole["windows"]["time_us"]) == 20
    assert whole["windows"]["expected_high"][0] == 50.0
    thin = _get(page, "/api/series/press-1/torque_nm", **span, points=20)
    assert (thin["count"], thin["exact"], max(thin["value"])) == (300, False, 58.0)
    assert _get(page, "/api/series/press-2/vibration", **span)["unit"] == "mm/s"
    status = _get(page, "/api/machines/press-1/status")
    torque = next(one for one in status["metrics"] if one["metric_name"] == "torque_nm")
    assert torque["live"]
    assert torque["features"]["expected_high"] == 50.0
    rows = _get(page, "/api/machines/press-1/logs", metric="rpm", limit=2)["items"]
    assert [row["value"] for row in rows] == [59.0, 57.0]
    lanes = _get(page, "/api/series/lanes", **span)["lanes"]
    assert max(score for _, score in lanes["press-1"]) == 0.95
    late = {"from": site.base / MICROS + 400, "to": site.base / MICROS + 600}
    moved = _get(page, "/api/series/moved", **late)["items"]
    assert {one["metric_name"] for one in moved} == {"torque_nm", "rpm"}


def test_a_transition_is_shown_acted_on_and_ends_over_the_topics(
    site: TeamSite, page: Served
) -> None:
    with site.page("second") as other:
        _fire(site, "a", "press-9")
        wait_for(lambda: _open_on(page, "press-9") and _open_on(other, "press-9"))
        incident = _open_on(page, "press-9")[0]
        alert = _get(page, "/api/alerts", source="press-9")["items"][0]["id"]
        wait_for(lambda: _get(page, f"/api/alerts/{alert}")["evidence"]["samples"] == 2)
        operator = page.client("operator")
        done = operator.post(f"/api/incidents/{incident['id']}/acknowledge", json={})
        assert (done.status_code, "waiting" in done.json()) == (200, False), done.text
        wait_for(lambda: _open_on(other, "press-9")[0]["acknowledged_by"] == "key:operator")
        silence = {"source": "press-9", "until": "1h"}
        found = operator.post("/api/silences/preview", json=silence).json()
        assert found["open"] == [alert]
        assert operator.post("/api/silences", json=silence).status_code == 200
        wait_for(lambda: len(_get(other, "/api/silences")["items"]) == 1)
        _fire(site, "a", "press-9", "resolved", 5)
        wait_for(lambda: not _open_on(page, "press-9") and not _open_on(other, "press-9"))
        trial = {"config": page.portal.config_text + "min_score: 0.9\n"}
        assert page.client("viewer").post("/api/whatif", json=trial).json()["total"] == [1, 0]
        health = _get(page, "/api/health")
        assert health["trouble"] == []
        assert health["readings"] >= 0
        assert [one["residue"] for one in health["routes"]] == [0]


def test_logs_are_kept_and_found_by_words_in_the_database(page: Served) -> None:
    records = [
        {"message": f"user {n} waited {n / 10} s for 'cart'", "source": ("shop", "pay")[n % 2],
         "level": ("info", "error")[n % 2]}
        for n in range(50)
    ]  # fmt: skip
    records.append({"message": "nul \x00 and \N{PILE OF POO} %s '; DROP TABLE log_record; --"})
    answer = page.client("ingest").post("/api/v1/logs", json=records)
    assert answer.status_code == 201
    assert len(set(answer.json()["logIds"])) == 51
    rows = _get(page, "/api/v1/logs", q="waited user", source="pay", limit=500)["items"]
    assert len(rows) == 25
    assert {row["level"] for row in rows} == {"error"}
    assert rows[0]["message"].startswith("user 49 ")
    found = _get(page, "/api/v1/logs/statistics")
    assert (found["count"], found["levels"]["error"]) == (51, 25)
    assert found["templates"][0] == {"template": "user <*> waited <*> s for <*>", "count": 50}


def test_a_database_that_is_away_is_named_and_the_rest_works_until_it_is_back(
    site: TeamSite, page: Served
) -> None:
    _fire(site, "b", "press-8")
    wait_for(lambda: _open_on(page, "press-8"))
    site.postgres.kill()
    try:
        wait_for(lambda: "PostgreSQL" in str(_get(page, "/api/health")["trouble"]), 30)
        began = time.monotonic()
        assert len(_open_on(page, "press-8")) == 1
        incident = _get(page, f"/api/incidents/{_open_on(page, 'press-8')[0]['id']}")
        assert "away" in incident["lacks"]
        assert page.client().get("/api/health/ready").status_code == 200
        assert time.monotonic() - began < 20
        _fire(site, "c", "press-7")  # from the topic, although nobody can decide on it
        wait_for(lambda: [one["source_id"] for one in _get(page, "/api/health")["pending"]]
                 == ["press-7"], 60)  # fmt: skip
        answer = page.client("viewer").get("/api/series/press-2/vibration")
        assert answer.status_code == 503
        assert "PostgreSQL" in answer.json()["detail"]
    finally:
        site.postgres.restart()
    wait_for(lambda: _open_on(page, "press-7"), 90)
    wait_for(lambda: not _get(page, "/api/health")["pending"])
    wait_for(lambda: _get(page, "/api/health")["trouble"] == [], 60)
    assert page.client("viewer").get("/api/series/press-2/vibration").status_code == 200


def test_without_redis_features_come_from_the_database_and_without_kafka_nobody_acts(
    site: TeamSite, page: Served, redis_part: tuple[int, Part]
) -> None:
    wait_for(lambda: page.portal.series.last > 0)
    redis_part[1].kill()
    try:
        status = _get(page, "/api/machines/press-1/status")
        torque = next(one for one in status["metrics"] if one["metric_name"] == "torque_nm")
        assert "live" not in torque
        assert torque["features"]["expected_high"] == 50.0
        assert "redis" in str(_get(page, "/api/health")["trouble"])
    finally:
        redis_part[1].start()
    wait_for(lambda: _get(page, "/api/machines/press-1/status") and
             _get(page, "/api/health")["trouble"] == [])  # fmt: skip
    with site.page("alone", kafka=f"kafka://127.0.0.1:{free_port()}") as alone:
        wait_for(lambda: "Kafka" in str(_get(alone, "/api/health")["trouble"]), 60)
        wait_for(lambda: _open_on(alone, "press-8"))
        name = _open_on(alone, "press-8")[0]["id"]
        answer = alone.client("operator").post(f"/api/incidents/{name}/acknowledge", json={})
        assert answer.status_code == 503
        assert "Kafka" in answer.json()["detail"]


def _trained(one: Served, place: str) -> None:
    answer = one.client("operator").post("/train-model", json={"from": place, "source": "press-1"})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["from"] == place
    wait_for(lambda: _get(one, f"/api/trainings/{job['jobId']}")["state"] != "running", 90)
    done = _get(one, f"/api/trainings/{job['jobId']}")
    assert (done["state"], done["why"]) == ("trained", "")
    assert done["summary"]["metrics"] == ["rpm", "torque_nm"]
    assert _get(one, "/api/models")["items"][0]["digest"] == done["summary"]["digest"]


def test_a_model_is_trained_from_the_readings_in_the_database(page: Served) -> None:
    wait_for(lambda: page.portal.series.count)
    _trained(page, "sensor_log")


def test_portals_that_share_accounts_know_the_same_people(site: TeamSite) -> None:
    one, other = Accounts(SharedTables(site.uri)), Accounts(SharedTables(site.uri))
    assert other.empty
    link = one.link("admin")
    assert other.redeem(link, "ann", "correct horse battery") == "admin"
    assert one.redeem(link, "bob", "correct horse battery") is None  # it holds once, for all
    assert one.check("ann", "correct horse battery") == Principal("ann", "admin", "password")
    assert one.check("ann", "wrong horse battery!") is None
    session = one.session("ann")
    assert other.by_session(session) == Principal("ann", "admin", "session")
    key, prefix = other.new_key("press", "ingest", 1, "ann")
    assert one.by_bearer(key) == Principal("key:press", "ingest", "key")
    tokens = [each.token(Principal("ann", "admin", "session")) for each in (one, other)]
    for each in (one, other):
        assert [each.by_bearer(token) for token in tokens] == [
            Principal("ann", "admin", "token")
        ] * 2
    assert one.revoke(prefix)
    one.note("ann\0", "POST /api/keys", "a\ud800b", 200, "127.0.0.1")  # nobody's text raises
    assert other.noted(1 << 60, 5)[0][2:4] == ("ann\N{REPLACEMENT CHARACTER}", "POST /api/keys")
    with pytest.raises(ConfigurationError, match="last admin"):
        other.remove_user("ann")
    Accounts(SharedTables(site.uri)).close()  # its tables are made once
    one.close()
    other.close()


def test_who_was_let_in_a_moment_ago_stays_in_while_the_database_of_accounts_is_away(
    tmp_path: Path,
) -> None:
    away = [False]

    class Failing(FileTables):
        def rows(self, query: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
            if away[0]:
                message = "it is away"
                raise SinkError(message)
            return super().rows(query, arguments)

    accounts = Accounts(Failing(tmp_path / "accounts.sqlite"))
    accounts.redeem(accounts.link("viewer"), "ann", "correct horse battery")
    session = accounts.session("ann")
    assert accounts.by_session(session) is not None
    away[0] = True
    seen = accounts._seen
    ((name, (_, who)),) = seen.items()
    for ago, known in ((30.0, True), (70.0, False)):
        seen[name] = (time.monotonic() - ago, who)
        if known:
            assert accounts.by_session(session) == who
        else:
            with pytest.raises(SinkError):
                accounts.by_session(session)
    with pytest.raises(SinkError):
        accounts.by_session("unknown")


def test_a_model_is_trained_from_the_archive_on_an_object_store(
    site: TeamSite, s3: S3Server
) -> None:
    s3.bucket("trained")
    uri = s3.uri("trained/metrics")
    topic = site.kafka.uri(site.topics["metrics"])
    plan = Plan(topic, uri, commit_records=700, groups=2, patience=30.0)
    archive_topic(plan, threading.Event(), lambda _: None)
    with site.page("archive", archive=uri) as one:
        wait_for(lambda: one.portal.series.count)
        _trained(one, "archive")
        assert s3.secrets.read_text() not in one.client("viewer").get("/api/trainings").text


def test_a_page_by_another_configuration_than_alerting_says_so(
    site: TeamSite, page: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padit.portal.team.follower._DIFFERS_SECONDS", 0.5)
    with site.page("other", config=CONFIG.replace("settle: 0s", "settle: 1s")) as other:
        wait_for(lambda: "--config is not that" in str(_get(other, "/api/health")["trouble"]), 60)
    assert "--config" not in str(_get(page, "/api/health")["trouble"])


@pytest.mark.parametrize("option", ["--kafka=kafka://127.0.0.1:9", "--shared_accounts"])
def test_what_is_a_teams_is_refused_for_the_files_of_one_run(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["portal", f"--data={tmp_path}", option]) == 2
    assert "go with the --store of a team" in capsys.readouterr().err
