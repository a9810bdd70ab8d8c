"""Texts of incidents over their topics: from a server that is honest, lies, stalls or fails."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from padit.domain.timestamps import MICROS
from padit.portal.context import DEFAULT_CONFIG, Portal, local_parts, parse_config
from padit.portal.places import places_in
from padit.portal.texts.desk import Desk, Story
from padit.portal.texts.files import FileTopics
from padit.portal.texts.model import Endpoint
from padit.portal.texts.records import FAILED, REQUEST, RESULT
from tests.limits import allowed
from tests.portal.browsing import browser, faults_of, kept, opened, violations
from tests.portal.making import Served, append, serving, transition, wait_for
from tests.portal.model_server import ModelServer, model_server
from tests.portal.test_claims import EVIDENCE, HONEST, LIES, ROWS

ENDS = ("written", "away", "capped")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as one:
        yield one


class _Open:
    """A desk with a clock of its own; `story` waits for the end."""

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        self.time = time.time()
        self.folder = folder
        self.notes: list[str] = []
        self.desk = Desk(endpoint, FileTopics(folder), lambda: self.time)
        self.desk.start(self.notes.append)

    def look(self, incident: str = "i") -> Story:
        return self.desk.look(incident, EVIDENCE, ROWS)

    def story(self, incident: str = "i") -> Story:
        wait_for(lambda: self.look(incident).state in ENDS, 60)
        return self.look(incident)

    def records(self, topic: str) -> list[Any]:
        path = self.folder / f"{topic}.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Callable[[Endpoint], _Open]]:
    made: list[_Open] = []

    def make(endpoint: Endpoint) -> _Open:
        made.append(_Open(tmp_path, endpoint))
        return made[-1]

    yield make
    for one in made:
        one.desk.stop()


def _kept(story: Story) -> list[str]:
    return [one.text for one in story.checked if not one.why]


def _plain(sentence: str) -> str:
    return sentence.partition(" [")[0].rstrip(".")


def test_of_an_honest_server_at_least_nine_of_ten_are_kept_and_it_is_asked_once(
    server: ModelServer, open_desk: Callable[[Endpoint], _Open], tmp_path: Path
) -> None:
    server.text = " ".join(HONEST)
    one = open_desk(Endpoint(server.url, "m"))
    story = one.story()
    assert story.state == "written"
    assert len(_kept(story)) >= 0.9 * len(HONEST)
    assert (one.story(), len(server.requests)) == (story, 1)
    assert not {"tools", "functions"} & set(server.requests[0])
    assert one.notes.count("i") >= len(HONEST)  # each sentence is announced
    assert len(one.records(REQUEST)) == 1
    assert [each["state"] for each in one.records(RESULT)][:2] == ["begun", "writing"]
    again = open_desk(Endpoint(server.url, "m"))  # after a restart
    assert again.story() == story
    assert len(server.requests) == 1


def test_of_a_server_that_lies_and_injects_nothing_unsupported_is_shown(
    server: ModelServer, open_desk: Callable[[Endpoint], _Open]
) -> None:
    desk = open_desk(Endpoint(server.url, "m"))
    shown: list[str] = []
    for begin in range(0, len(LIES), 15):  # an answer has at most forty sentences
        part = LIES[begin : begin + 15]
        server.text = " ".join(f"{lie} {HONEST[0]}" for lie in part)
        desk.time += 61
        name = f"i{begin}"
        desk.desk.shelf._texts.clear()
        story = desk.story(name)
        shown += _kept(story)
        assert sum(bool(one.why) for one in story.checked) >= len(part)
    assert set(shown) <= {_plain(HONEST[0]) + "."}
    assert len(shown) >= 0.9 * len(LIES)


def test_a_server_that_stalls_breaks_off_or_fails_is_left_alone_and_its_requests_are_kept(
    server: ModelServer, open_desk: Callable[[Endpoint], _Open]
) -> None:
    one = open_desk(Endpoint(server.url, "m", seconds=0.5))
    server.text, server.pause = " ".join(HONEST), 0.1
    began = time.monotonic()
    assert one.story("a").state == "away"
    assert time.monotonic() - began < allowed(10)
    assert one.look("a").state == "away"  # not asked again within a minute
    server.pause, server.cut = 0.0, True
    for at, status in enumerate((200, 500, 302, 200, 500, 500, 500)):
        server.status = status
        one.time += 61
        assert one.story("a").state == "away", at
    assert len(server.requests) < 8  # the breaker is open
    assert one.desk.figures["left_alone"]
    failed = one.records(FAILED)
    assert len(failed) == 8
    assert msgspec.json.decode(failed[0]["request"])["incident"] == "a"
    assert {
        "the answer broke off",
        "the model failed too often, and is left alone for a minute",
    } <= {each["reason"] for each in failed}


@pytest.mark.parametrize(
    "raw",
    [b"data: {}\n\n", b"data: []\n", b'data: {"choices":[{"delta":null}]}\n', b"data: [[[[[\n",
     b"\xff\xfe\n", b"data: " + b"x" * 200_000, b'data: {"choices":[{"delta":{"content":7}}]}\n'],
)  # fmt: skip
def test_no_answer_stops_the_worker(
    raw: bytes, server: ModelServer, open_desk: Callable[[Endpoint], _Open]
) -> None:
    one = open_desk(Endpoint(server.url, "m", seconds=2))
    server.raw = raw
    assert one.story("a").state == "away"
    server.raw, server.text = b"", HONEST[0]
    one.time += 61
    assert one.story("a").state == "written"


def test_a_day_has_a_cap_and_a_restart_does_not_forget_it(
    server: ModelServer, open_desk: Callable[[Endpoint], _Open]
) -> None:
    server.text, server.status = HONEST[0], 500
    one = open_desk(Endpoint(server.url, "m", most=2))
    for expected in ("away", "away", "capped"):
        assert one.story("i").state == expected
        one.time += 61
    again = open_desk(Endpoint(server.url, "m", most=2))
    again.time = one.time
    assert again.story("i").state == "capped"
    assert len(server.requests) == 2
    server.status = 200
    again.time += 90_000
    assert again.story("i").state == "written"


def test_results_that_somebody_else_put_on_the_topic_are_checked_all_the_same(
    server: ModelServer, tmp_path: Path, open_desk: Callable[[Endpoint], _Open]
) -> None:
    server.text = HONEST[0]
    one = open_desk(Endpoint(server.url, "m"))
    one.story()
    name = one.records(REQUEST)[0]["id"]
    one.desk.stop()
    lies = [
        {"request": name, "incident": "i", "at": one.time, "state": "writing", "n": n, "text": lie}
        for n, lie in enumerate(LIES[:30])
    ]
    begun = {"request": name, "incident": "i", "at": one.time, "state": "begun"}
    junk = [b"{}", b"null", b"\xff", b'{"request":1}', b"[" * 5000]
    append(tmp_path / f"{RESULT}.jsonl", *junk, *map(msgspec.json.encode, [begun, *lies]))
    again = open_desk(Endpoint(server.url, "m"))
    assert _kept(again.look()) == []
    assert len(again.look().checked) == 30


def _honest(facts: list[dict[str, Any]]) -> str:
    """Sentences as a model writes them of what it is given, whatever that is."""
    found = []
    for one in facts:
        found += [
            f"{one['summary']} [{one['id']}].",
            f"The alert on {one['metric']} of {one['source']} opened at {one['opened']} with a "
            f"score of {one['score']} [{one['id']}].",
            f"{one['metric']} of {one['source']} is {one['severity'].lower()} [{one['id']}].",
        ]
    return " ".join([*found, "The bearing is broken [A1]."])


@pytest.fixture
def portal(tmp_path: Path, server: ModelServer) -> Iterator[Served]:
    base = int(time.time() * MICROS)
    high = {"summary": "torque_nm of press-1: median 64.7 > 61.5", "severity": "CRITICAL",
            "score": 0.95}  # fmt: skip
    low = {"summary": "rpm of press-1: median 1210 < 1290", "metric_name": "rpm", "score": 0.72}
    lines = [transition("opened", -60, "a", base=base, **high),
             transition("opened", -30, "b", base=base, **low)]  # fmt: skip
    append(tmp_path / "alerts.jsonl", *lines)
    places, state = places_in(tmp_path, None, None, None), tmp_path / ".portal"
    parts = local_parts(places, state, parse_config(DEFAULT_CONFIG, "the test"))
    desk = Desk(Endpoint(server.url, "m", key="top-secret"), FileTopics(state / "texts"))
    with serving(Portal(parts, state, texts=desk)) as one:
        wait_for(lambda: one.portal.overview.incidents)
        yield one


def test_the_route_gives_the_text_as_it_comes_and_needs_a_viewer(
    portal: Served, server: ModelServer
) -> None:
    server.write = _honest
    path = f"/api/incidents/{next(iter(portal.portal.overview.incidents))}/text"
    assert portal.client().get(path).status_code == 401
    assert portal.client("ingest").get(path).status_code == 403
    viewer = portal.client("viewer")
    assert viewer.get("/api/incidents/none/text").status_code == 404
    first = viewer.get(path).json()
    assert (first["state"], first["sentences"]) == ("writing", [])
    assert first["story"]["first"]  # the plain explanation is there at once
    wait_for(lambda: viewer.get(path).json()["state"] == "written")
    done = viewer.get(path).json()
    assert len(done["sentences"]) == 6
    assert all(one["alerts"] for one in done["sentences"])
    assert len(done["struck"]) == 1
    health = viewer.get("/api/health")
    assert health.json()["texts"]["asked"] == 1
    assert "top-secret" not in health.text + json.dumps(server.requests)


def test_the_incident_shows_checked_sentences_as_they_come(
    portal: Served, server: ModelServer
) -> None:
    server.write, server.pause = _honest, 0.03
    incident = next(iter(portal.portal.overview.incidents))
    token = portal.portal.accounts.link("admin")
    with browser() as chromium, opened(chromium, portal.address, token, "ann") as page:
        page.goto(f"{portal.address}/#/incident/{incident}")
        page.wait_for_selector('.written[data-state="writing"]')
        page.wait_for_selector(".written p:has-text('median 64.7')")
        page.wait_for_selector('.written[data-state="written"]')
        text = page.inner_text(".written")
        assert "score of 0.72" in text
        assert "1 sentences do not follow" in text
        assert "bearing is broken" not in page.inner_text("main")
        kept(page, "incident-text")
        page.emulate_media(color_scheme="dark")
        assert violations(page) == []
        assert faults_of(page) == []
