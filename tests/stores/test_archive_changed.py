"""An archive whose service changes while it is written: keys, rights and buckets come and go."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from padit.connectors.archive_manifest import latest
from padit.domain.errors import ConfigurationError, PaditError
from padit.stores.archive_service import Plan, archive_topic, open_place
from tests.adapters.live import until
from tests.limits import allowed
from tests.parts import KafkaPart, required
from tests.s3 import S3Server, start_s3
from tests.stores.records import plain
from tests.stores.test_archive_topic import everything


@pytest.fixture
def own(tmp_path: Path) -> Iterator[S3Server]:
    """A server whose keys may be changed."""
    made = required(lambda: start_s3(tmp_path / "s3"))
    made.bucket("plant")
    yield made
    made.stop()


class _Topic:
    """A topic that goes on."""

    def __init__(self, kafka: KafkaPart) -> None:
        self.name = kafka.topic("changed")
        self.uri = kafka.uri(self.name)
        self.count = 0
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap})

    def more(self, count: int = 200) -> None:
        for value in plain(count, self.count):
            self._producer.produce(self.name, value)
        assert self._producer.flush(allowed(30)) == 0
        self.count += count


@contextmanager
def _live(uri: str, topic: _Topic) -> Iterator[tuple[list[str], list[PaditError]]]:
    """`padit archive --live` in a thread; what it says, and what ended it."""
    stopped = threading.Event()
    said: list[str] = []
    errors: list[PaditError] = []

    def work() -> None:
        try:
            archive_topic(Plan(topic.uri, uri, live=True, commit_sec=0.1), stopped, said.append)
        except PaditError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield said, errors
    finally:
        stopped.set()
        thread.join()


def _has(uri: str, count: int) -> Callable[[], bool]:
    def holds() -> bool:
        with contextlib.suppress(PaditError):
            manifest = latest(open_place(uri))
            return manifest is not None and bool(manifest.begins) and manifest.following(0) == count
        return False

    return holds


def _other_secret(server: S3Server, secret: str) -> None:
    """The server knows another secret from now on."""
    server.part.stop()
    server.part._env = {**os.environ, "ROOT_ACCESS_KEY": "padit-test", "ROOT_SECRET_KEY": secret}
    server.part.start()


def test_a_key_that_is_changed_is_waited_for_and_read_again(
    kafka: KafkaPart, own: S3Server
) -> None:
    topic, uri = _Topic(kafka), own.uri("plant/metrics")
    topic.more()
    with _live(uri, topic) as (said, errors):
        until(_has(uri, 200), "the first records", 60)
        _other_secret(own, "another-secret")
        topic.more()
        until(lambda: any("check" in one and "trying again" in one for one in said), "told", 60)
        assert not any("another-secret" in one for one in said)
        own.secrets.write_text("access_key=padit-test\nsecret_key=another-secret\n")
        until(_has(uri, 400), "all of them", 60)
    assert not errors
    assert everything(uri)["rows"] == everything(topic.uri)["rows"]


def test_a_bucket_that_somebody_moved_away_is_waited_for(kafka: KafkaPart, own: S3Server) -> None:
    topic, uri = _Topic(kafka), own.uri("plant/metrics")
    topic.more()
    with _live(uri, topic) as (said, errors):
        until(_has(uri, 200), "the first records", 60)
        os.rename(own.directory / "plant", own.directory / "moved")
        topic.more()
        until(lambda: any("no such bucket" in one for one in said), "told", 60)
        os.rename(own.directory / "moved", own.directory / "plant")
        until(_has(uri, 400), "all of them", 60)
    assert not errors
    assert everything(uri)["rows"] == everything(topic.uri)["rows"]


def test_an_archive_that_was_deleted_ends_its_writer_and_the_next_one_begins_anew(
    kafka: KafkaPart, own: S3Server
) -> None:
    topic, uri = _Topic(kafka), own.uri("plant/metrics")
    topic.more()
    with _live(uri, topic) as (_, errors):
        until(_has(uri, 200), "the first records", 60)
        shutil.rmtree(own.directory / "plant")
        own.bucket("plant")
        topic.more()
        until(lambda: bool(errors), "it ends", 60)
    assert isinstance(errors[0], ConfigurationError)
    assert "the archive is gone" in str(errors[0])
    with _live(uri, topic) as (_, errors):
        until(_has(uri, 400), "all that the topic holds", 60)
    assert not errors
    assert everything(uri)["rows"] == everything(topic.uri)["rows"]


def test_what_is_refused_before_the_first_commit_ends_the_start(
    kafka: KafkaPart, own: S3Server, tmp_path: Path
) -> None:
    topic, wrong = _Topic(kafka), tmp_path / "wrong.conf"
    topic.more()
    wrong.write_text("access_key=padit-test\nsecret_key=none\n")
    uris: Any = (own.uri("plant/m").replace(str(own.secrets), str(wrong)), own.uri("nowhere/m"))
    for uri in uris:
        with _live(uri, topic) as (_, errors):
            until(errors.__len__, "it ends", 60)
        assert isinstance(errors[0], ConfigurationError)
