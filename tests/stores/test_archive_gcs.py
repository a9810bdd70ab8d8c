"""An archive on Google Cloud Storage: pyarrow's client against a server that speaks as it does."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from padit.cli.main import main
from padit.connectors.archive_manifest import latest
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError, PaditError, SinkError
from padit.stores.archive_care import check, compact
from padit.stores.archive_service import Plan, archive_topic, open_place
from tests.gcs import GcsServer
from tests.s3 import troubled
from tests.stores.archive_faults import archived_through_crashes
from tests.stores.test_archive_topic import _fill, everything


@pytest.fixture(scope="module")
def filled(kafka: Any) -> str:
    topic = kafka.topic("google", 3)
    _fill(kafka, topic, 2400)
    return str(kafka.uri(topic))


def _archive(uri: str, topic: str, **options: Any) -> None:
    settings = {"commit_records": 700, "groups": 2, "patience": 30.0, **options}
    archive_topic(Plan(topic, uri, **settings), threading.Event(), lambda _: None)


def test_a_replay_from_google_gives_what_the_topic_gives(
    kafka: Any, gcs: GcsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gcs.bucket("plant")
    uri, filled = gcs.uri("plant/metrics"), str(kafka.uri(kafka.topic("gs", 3)))
    for seed in range(2):
        _fill(kafka, filled.rpartition("/")[2], 600, seed)
        _archive(uri, filled)
    expected = everything(filled)
    assert everything(uri) == expected
    done = compact(open_place(uri))
    assert done.after < done.before
    assert everything(uri) == expected
    assert check(open_place(uri), clean=True).sound
    assert main(["archive", uri, "--ask", "SELECT count(value) AS n FROM archive"]) == 0
    rows = sum(map(len, expected["rows"].values())) + len(expected["late"])
    assert capsys.readouterr().out == f"n\n{rows}\n"
    assert main(["archive", uri, "--files"]) == 0
    assert capsys.readouterr().out.startswith("gs://plant/metrics/date=")


@pytest.mark.parametrize("seed", range(2))
def test_crashes_lose_and_double_nothing_there(filled: str, gcs: GcsServer, seed: int) -> None:
    gcs.bucket(f"crashes{seed}")
    uri = gcs.uri(f"crashes{seed}/metrics")
    assert archived_through_crashes(filled, uri, seed)
    assert everything(uri) == everything(filled)


def test_a_busy_service_is_asked_again_and_one_that_stays_away_ends_the_run(
    filled: str, gcs: GcsServer
) -> None:
    gcs.bucket("busy")
    kinds: list[str] = []  # of connections, which carry many requests

    def trouble(_: bytes) -> str:
        kinds.append(("slow", "cut", "slow", "cut")[len(kinds)] if len(kinds) < 4 else "")
        return kinds[-1]

    with troubled(gcs.port, trouble) as port:
        _archive(gcs.uri("busy/metrics", port) + "&request_timeout_sec=10", filled, patience=60.0)
    assert kinds[:5] == ["slow", "cut", "slow", "cut", ""]
    assert everything(gcs.uri("busy/metrics")) == everything(filled)
    before = latest(open_place(gcs.uri("busy/metrics")))
    with (
        troubled(gcs.port, lambda _: "slow") as port,
        pytest.raises(SinkError, match="given up"),
    ):
        _archive(gcs.uri("busy/metrics", port) + "&request_timeout_sec=1", filled, patience=1.0)
    assert latest(open_place(gcs.uri("busy/metrics"))) == before


def test_what_cannot_work_is_named_at_the_start(filled: str, gcs: GcsServer) -> None:
    with pytest.raises(ConfigurationError, match="no such bucket"):
        _archive(gcs.uri("nowhere/metrics"), filled)
    gcs.bucket("empty")
    with pytest.raises(PaditError, match="there is no archive"):
        source_from_uri(gcs.uri("empty/metrics")).ranges()
    for option in ("client_config=x", "region=x", "attempts=3"):
        with pytest.raises(ConfigurationError, match=r"is of S3.*GOOGLE_APPLICATION_CREDENTIALS"):
            open_place(gcs.uri("empty/metrics") + f"&{option}")
