"""An archive gives what its topic gives: real Kafka, a real S3 server, crashes and refusals."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from padit.codecs.validate import Validate
from padit.connectors.archive_manifest import latest
from padit.connectors.cursor import advance, first_cursors
from padit.connectors.uris import Bounds, source_from_uri
from padit.domain.errors import ConfigurationError, PaditError, SinkError, SourceError
from padit.stores import archive_query
from padit.stores.archive_care import check, compact
from padit.stores.archive_service import Done, Plan, archive_topic, open_place
from padit.stores.archive_writer import ArchiveWriter
from tests.adapters.live import until
from tests.s3 import S3Server, troubled
from tests.stores.archive_faults import archived_through_crashes
from tests.stores.records import ODD, START, plain

_DECODE = Validate(1 << 20, 3_600_000_000)
_COUNT = 6000


def _fill(kafka: Any, topic: str, count: int = _COUNT, seed: int = 0) -> None:
    """Samples, odd records, late rows; a transaction that is given up and one that is not."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "lz4"})
    odd = itertools.cycle(ODD)
    for n, value in enumerate(plain(count, seed)):
        stamp = (START + n // 10) * 1000
        producer.produce(topic, value, partition=n % 3, timestamp=stamp)
        if n % 50 == 0:
            record = next(odd)
            producer.produce(topic, record, partition=n % 3, timestamp=stamp)
        if n % 700 == 0:
            late = plain(1)[0].replace(b"1767225600.0", b"1767222000.0")
            producer.produce(topic, late, partition=n % 3, timestamp=stamp)
    assert producer.flush(30) == 0
    transactional = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{topic}-{seed}"}
    )
    transactional.init_transactions(30)
    for kept in (False, True):
        transactional.begin_transaction()
        for value in plain(20, 9):
            transactional.produce(topic, value, partition=0, timestamp=START * 1000)
        transactional.commit_transaction(30) if kept else transactional.abort_transaction(30)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    until(
        lambda: _end(admin, topic, _COMMITTED) == _end(admin, topic, _ALL), "the end is stable", 60
    )


_COMMITTED, _ALL = IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED


def _end(admin: AdminClient, topic: str, level: IsolationLevel) -> int:
    """Where a reader would end: a broker marks the end of a transaction after it has answered."""
    (found,) = admin.list_offsets(
        {TopicPartition(topic, 0): OffsetSpec.latest()}, isolation_level=level
    ).values()
    return int(found.result(30).offset)


def everything(uri: str, **bounds: Any) -> dict[str, Any]:
    """All that the job would get: rows, late rows, dead letters, and where partitions stand."""
    source = source_from_uri(uri, Bounds(**bounds))
    ranges = source.ranges()
    (cursor,) = first_cursors(ranges, 1)
    reader = source.open(ranges, _DECODE)
    found: dict[str, Any] = {"rows": {}, "late": [], "dead": [], "source": source.name}
    try:
        while not cursor.finished:
            for read in reader.read(5.0):
                step = advance(cursor, [read], 2_000_000, source.name)
                cursor, rows = step.cursor, step.batch.rows
                names = [rows.series[code] for code in rows.code.tolist()]
                mine = found["rows"].setdefault(read.partition, [])
                mine += zip(names, rows.time.tolist(), rows.value.tolist(), strict=True)
                found["late"] += [(one.partition, one.first, len(one.rows)) for one in step.late]
                found["dead"] += [one.letter() for one in step.dead]
    finally:
        reader.close()
    found["late"] = sorted(
        (partition, first + n) for partition, first, count in found["late"] for n in range(count)
    )
    found["dead"].sort(key=lambda one: (one.partition, one.offset))
    found["at"] = {number: one for number, one in cursor.at.items()}
    found["losses"] = sorted(map(repr, cursor.losses))
    return found


def _archive(uri: str, topic: str, **options: Any) -> Done:
    settings = {"commit_records": 1500, "groups": 3, "patience": 20.0, **options}
    return archive_topic(Plan(topic, uri, **settings), threading.Event(), lambda _: None)


@pytest.fixture(scope="module")
def filled(kafka: Any) -> str:
    topic = kafka.topic("archived", 3)
    _fill(kafka, topic)
    return str(kafka.uri(topic))


@pytest.fixture(scope="module")
def archived(filled: str, s3: S3Server) -> str:
    s3.bucket("plant")
    uri = s3.uri("plant/metrics")
    done = _archive(uri, filled)
    assert done.commits > 2
    assert done.raw < 200
    return uri


def test_a_replay_from_s3_gives_what_the_topic_gives(filled: str, archived: str) -> None:
    assert everything(archived) == everything(filled)
    checked = check(open_place(archived))
    assert checked.sound
    assert not checked.strays


@pytest.mark.parametrize(
    "bounds",
    [
        {"start_time": (START + 300) * 1_000_000},
        {"start_time": (START + 100) * 1_000_000 + 500, "stop_time": (START + 400) * 1_000_000},
        {"start": 700, "stop": 1200},
        {"decisions": ((0, 500, (START + 60) * 1_000_000), (1, 900, (START + 9999) * 1_000_000))},
    ],
    ids=["start_time", "both times", "offsets", "decisions"],
)
def test_bounds_mean_what_they_mean_for_the_topic(
    filled: str, archived: str, bounds: dict[str, Any]
) -> None:
    assert everything(archived, **bounds) == everything(filled, **bounds)


def test_what_was_asked_for_and_is_not_there_is_an_error(archived: str) -> None:
    with pytest.raises(SourceError, match="no record in the times"):
        source_from_uri(archived, Bounds(start_time=(START + 10**6) * 1_000_000)).ranges()


def test_compaction_changes_files_and_no_result(kafka: Any, tmp_path: Path) -> None:
    topic = kafka.topic("compacted", 3)
    uri = f"{tmp_path}/archive/"
    for seed in range(4):
        _fill(kafka, topic, 300, seed)
        _archive(uri, kafka.uri(topic))
    before = everything(uri)
    assert before == everything(kafka.uri(topic))
    done = compact(open_place(uri))
    assert done.after < done.before / 2
    assert everything(uri) == before
    checked = check(open_place(uri), clean=True)
    assert checked.sound
    assert checked.retired == done.before
    assert everything(uri) == before
    assert len(list(tmp_path.rglob("*.parquet"))) == done.after


def test_a_second_run_adds_only_what_is_new(kafka: Any, tmp_path: Path) -> None:
    topic = kafka.topic("twice", 3)
    uri = f"{tmp_path}/archive"
    _fill(kafka, topic, 900)
    first = _archive(uri, kafka.uri(topic))
    assert _archive(uri, kafka.uri(topic)).records == 0
    _fill(kafka, topic, 300, 1)
    second = _archive(uri, kafka.uri(topic))
    assert 0 < second.records < first.records
    assert everything(f"{uri}/") == everything(kafka.uri(topic))


@pytest.mark.parametrize("seed", range(4))
def test_a_crash_anywhere_loses_and_doubles_nothing(filled: str, tmp_path: Path, seed: int) -> None:
    uri = f"{tmp_path}/archive"
    assert archived_through_crashes(filled, uri, seed)
    assert everything(f"{uri}/") == everything(filled)
    checked = check(open_place(uri))
    assert checked.sound
    assert checked.records == sum(map(len, _records(filled)))


def test_a_process_that_is_killed_is_followed_by_one_that_goes_on(
    kafka: Any, tmp_path: Path
) -> None:
    topic = kafka.topic("killed", 3)
    _fill(kafka, topic, 1500)
    uri, source = f"{tmp_path}/archive", kafka.uri(topic)
    command = [sys.executable, "-m", "padit.cli.main", "archive", uri, "--from", source,
               "--commit_records", "500", "--live", "--commit_sec", "0.2"]  # fmt: skip
    manifests = tmp_path / "archive" / "_manifest"
    for turn in (1, 2):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(partial(_several, manifests, turn), "a commit", 60)
        process.kill()
        process.wait()
        _grow(source)
    _archive(uri, source)
    assert everything(f"{uri}/") == everything(source)


def _several(folder: Path, count: int) -> bool:
    return len([*folder.glob("*")]) >= count


def _grow(uri: str) -> None:
    """A few more records."""
    bootstrap, topic = uri.removeprefix("kafka://").split("/")
    producer = Producer({"bootstrap.servers": bootstrap})
    for n, value in enumerate(plain(100, 77)):
        producer.produce(topic, value, partition=n % 3, timestamp=(START + 900) * 1000)
    assert producer.flush(30) == 0


def _records(uri: str) -> Iterator[list[int]]:
    """Offsets of the committed records of a topic, by its own consumer."""
    from confluent_kafka import Consumer, TopicPartition

    address = uri.removeprefix("kafka://").split("/")
    consumer = Consumer(
        {"bootstrap.servers": address[0], "group.id": "x", "enable.partition.eof": True,
         "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )  # fmt: skip
    for number in range(3):
        consumer.assign([TopicPartition(address[1], number, 0)])
        found: list[int] = []
        while (one := consumer.poll(10)) is not None and one.error() is None:
            found.append(one.offset())
        yield found
    consumer.close()


def test_a_busy_service_is_asked_again_and_nothing_is_lost(filled: str, s3: S3Server) -> None:
    s3.bucket("busy")
    chance = random.Random(5)
    kinds: list[str] = []

    def trouble(line: bytes) -> str:
        kinds.append(chance.choice(["slow", "cut", "", ""]) if len(kinds) < 30 else "")
        return kinds[-1]

    with troubled(s3.port, trouble) as port:
        uri = s3.uri("busy/metrics", port) + "&attempts=3&request_timeout_sec=5"
        _archive(uri, filled, patience=60.0)
    assert kinds.count("slow") > 3
    assert kinds.count("cut") > 3
    assert everything(s3.uri("busy/metrics")) == everything(filled)


def test_a_service_that_stays_away_ends_the_run_and_keeps_the_archive(
    filled: str, s3: S3Server
) -> None:
    s3.bucket("away")
    uri = s3.uri("away/metrics")
    _archive(uri, filled, commit_records=10**6)
    before = latest(open_place(uri))
    with (
        troubled(s3.port, lambda _: "slow") as port,
        pytest.raises(SinkError, match=r"(?i)slow.?down|503"),
    ):
        _archive(s3.uri("away/metrics", port) + "&attempts=1", filled, patience=1.0)
    assert latest(open_place(uri)) == before


def test_wrong_credentials_are_named_at_the_start_with_the_place_to_mend(
    filled: str, s3: S3Server, tmp_path: Path
) -> None:
    s3.bucket("closed")
    wrong = tmp_path / "wrong.conf"
    wrong.write_text("access_key=padit-test\nsecret_key=not-it\n")
    uri = s3.uri("closed/metrics").replace(str(s3.secrets), str(wrong))
    with pytest.raises(ConfigurationError, match=r"wrong\.conf") as found:
        _archive(uri, filled)
    assert "not-it" not in str(found.value)
    with pytest.raises(ConfigurationError, match=r"wrong\.conf"):
        source_from_uri(uri).ranges()
    with pytest.raises(PaditError, match="nowhere"):
        _archive(s3.uri("nowhere/metrics"), filled, patience=0.0)


def test_an_archive_has_one_topic_and_one_writer(kafka: Any, filled: str, tmp_path: Path) -> None:
    uri = f"{tmp_path}/archive"
    _archive(uri, filled)
    other = kafka.topic("other", 1)
    with pytest.raises(ConfigurationError, match="a place of its own"):
        _archive(uri, kafka.uri(other))
    place = open_place(uri)
    manifest = latest(place)
    assert manifest is not None
    first = ArchiveWriter(place, manifest, lambda call: call())
    second = ArchiveWriter(place, manifest, lambda call: call())
    first.publish(manifest.segments, [])
    with pytest.raises(ConfigurationError, match="another process"):
        second.publish(manifest.segments, [])
    first.close()
    second.close()


def test_half_written_files_are_ignored_and_named(filled: str, tmp_path: Path) -> None:
    uri = f"{tmp_path}/archive"
    _archive(uri, filled)
    files = sorted((tmp_path / "archive").rglob("*.parquet"))
    stray = files[0].with_name("00000-0000000000099999-0000000000999999.parquet")
    stray.write_bytes(files[0].read_bytes()[:200])
    newest = max((tmp_path / "archive" / "_manifest").iterdir())
    number = int(newest.name.split(".")[0])
    torn = newest.with_name(f"{number + 1:012d}.json.gz")
    torn.write_bytes(newest.read_bytes()[:100])
    assert everything(f"{uri}/") == everything(filled)
    assert any(stray.name in line for line in check(open_place(uri)).lines())
    files[1].write_bytes(files[1].read_bytes()[:-100])
    with pytest.raises(SourceError, match=files[1].name):
        everything(f"{uri}/")
    found = check(open_place(uri))
    assert not found.sound
    assert any(files[1].name in line for line in found.lines())


def test_a_changed_value_is_noticed_by_its_checksum(filled: str, tmp_path: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    uri = f"{tmp_path}/archive"
    _archive(uri, filled)
    file = sorted((tmp_path / "archive").rglob("*.parquet"))[0]
    table = pq.read_table(file)
    place = table.schema.get_field_index("value")
    one = pc.add(table["value"], 1.0)
    pq.write_table(table.set_column(place, "value", one), file, row_group_size=1 << 20)
    assert not check(open_place(uri)).sound


def test_the_archive_answers_in_sql(filled: str, archived: str) -> None:
    place = open_place(archived)
    rows = sum(map(len, everything(filled)["rows"].values())) + len(everything(filled)["late"])
    answer = archive_query.ask(place, "SELECT count(value), min(date) FROM archive")
    assert answer.splitlines()[1].split("\t") == [str(rows), "2026-01-01"]
    by_source = archive_query.ask(
        place, "SELECT source_id, count(*) n FROM archive GROUP BY ALL ORDER BY n DESC, 1 LIMIT 1"
    )
    assert by_source.splitlines()[0] == "source_id\tn"
    with pytest.raises(ConfigurationError, match="nothing_there"):
        archive_query.ask(place, "SELECT nothing_there FROM archive")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://bucket", "bucket/folder"),
        ("s3://b/c?colour=red", "colour"),
        ("s3://b/c?secret_key=x", "client_config"),
        ("nowhere-at-all/", "there is no archive"),
    ],
)
def test_what_is_no_archive_is_refused_with_the_reason(
    uri: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(PaditError, match=reason):
        source_from_uri(uri.replace("nowhere", f"{tmp_path}/nowhere")).ranges()
