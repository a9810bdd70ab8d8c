"""Keys and headers of records in an archive, and archives that an earlier version wrote."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer, TopicPartition

from padit.codecs.archive_table import SCHEMA
from padit.codecs.record_batches import Walked, headers_in
from padit.codecs.values import JoinedValues
from padit.connectors.archive_log import SliceFiles, slice_records, slices_of
from padit.connectors.archive_manifest import existing
from padit.connectors.archive_place import ArchivePlace
from padit.stores.archive_care import check, compact
from padit.stores.archive_query import ask
from padit.stores.archive_service import Plan, archive_topic, open_place
from padit.stores.archive_topic import Piece
from padit.stores.archive_writer import ArchiveWriter
from tests.stores.records import ODD, START, plain, walked

Record = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]

_KEYS = (b"cell-001", None, b"", "\U0001f600 k\u00e9y".encode(), b"\x00\xff\n\x00", b"k" * 10_000)
_TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-%02d"
_OLD = Path(__file__).with_name("archive_version_1.zip")


def _fill(kafka: Any, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "zstd"})
    for n, value in enumerate([*plain(count), *ODD]):
        headers = [("traceparent", _TRACE % (n % 100)), ("empty", b""), ("none", None)][: n % 4]
        producer.produce(topic, value, _KEYS[n % len(_KEYS)], partition=n % 2, headers=headers,
                         timestamp=(START + n) * 1000)  # fmt: skip
    assert producer.flush(30) == 0


def _of_topic(kafka: Any, topic: str) -> list[Record]:
    """By Kafka's own consumer."""
    consumer = Consumer(
        {"bootstrap.servers": kafka.bootstrap, "group.id": "keys", "enable.partition.eof": True,
         "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )  # fmt: skip
    found: list[Record] = []
    for number in range(2):
        consumer.assign([TopicPartition(topic, number, 0)])
        while (one := consumer.poll(10)) is not None and one.error() is None:
            headers = tuple(one.headers() or ())
            found.append((number, one.offset(), one.key(), one.value(), headers))
    consumer.close()
    return found


def _of_archive(place: ArchivePlace) -> list[Record]:
    manifest, files = existing(place), SliceFiles(place)
    found: list[Record] = []
    for number in manifest.partitions:
        for one in slices_of(manifest, number):
            tables = files.tables(one, SCHEMA.names)
            for part in slice_records(tables, one, number, place.uri):
                assert isinstance(part, Walked)
                assert part.keys is not None
                assert part.headers is not None
                columns = (part.offset.tolist(), part.keys, part.values, part.headers)
                found += [
                    (number, offset, key, value, tuple(headers_in(headers)))
                    for offset, key, value, headers in zip(*columns, strict=True)
                ]
    files.close()
    return found


def test_a_record_comes_back_with_its_key_and_headers(kafka: Any, tmp_path: Path) -> None:
    topic, place = kafka.topic("keyed", 2), open_place(f"{tmp_path}/archive")
    for count in (3000, 500):
        _fill(kafka, topic, count)
        plan = Plan(kafka.uri(topic), place.uri, commit_records=900, groups=3)
        archive_topic(plan, threading.Event(), lambda _: None)
    expected = _of_topic(kafka, topic)
    assert len(expected) == 3500 + 2 * len(ODD)
    assert _of_archive(place) == expected
    before = len(list(existing(place).files()))
    assert compact(place).after < before
    assert _of_archive(place) == expected
    assert check(place).sound
    counted = ask(place, "SELECT count(*) FROM archive WHERE key = 'cell-001'::BLOB "
                         "AND element = 0")  # fmt: skip
    assert counted.split() == ["count_star()", str(sum(one[2] == b"cell-001" for one in expected))]


def test_a_key_whose_bytes_changed_on_the_disk_is_noticed(tmp_path: Path) -> None:
    place = open_place(f"{tmp_path}/archive")
    writer = ArchiveWriter(place, existing(_old(tmp_path)), lambda call: call())
    first = writer.manifest.following(0)
    writer.begin(0, first)
    values = plain(50)
    text = walked([b"key-%04d-%d" % (n * 7919 % 10_000, n) for n in range(50)]).values
    writer.add(Piece(0, first + 50, walked(values, first)._replace(keys=_close(text))))
    writer.commit()
    writer.close()
    assert check(place).sound
    newest = existing(place).segments[-1].files
    path = tmp_path / "archive" / newest[0].name
    meta = pq.ParquetFile(path).metadata.row_group(0)
    column = next(meta.column(n) for n in range(meta.num_columns)
                  if meta.column(n).path_in_schema == "key")  # fmt: skip
    at = column.dictionary_page_offset + column.total_compressed_size // 2
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    found = check(place)
    assert not found.sound
    assert any(path.name in line and "crc" in line.lower() for line in found.lines())


def _close(values: Any) -> Any:
    """The texts without what lies between them, as keys are read."""
    length = values.length
    text = np.frombuffer(b"".join(one or b"" for one in values), np.uint8)
    return JoinedValues(text, np.cumsum(length) - length, length)


def _old(tmp_path: Path) -> ArchivePlace:
    """An archive of version 1, written by the code of that time."""
    folder = tmp_path / "archive"
    if not folder.exists():
        with zipfile.ZipFile(_OLD) as file:
            file.extractall(folder)
    return open_place(str(folder))


def _old_values() -> list[bytes | None]:
    short = [one for one in ODD if one is None or len(one) < 1000]
    return [*plain(40, 0), *short, *plain(40, 1), *short]


def test_an_archive_of_the_version_without_keys_is_read_continued_and_compacted(
    tmp_path: Path,
) -> None:
    place = _old(tmp_path)
    values = _old_values()
    assert [one[3] for one in _of_archive(place)] == values
    assert {one[2] for one in _of_archive(place)} == {None}
    found = check(place)
    assert found.sound
    assert found.keyless == len(values)
    assert any("kept no keys" in line for line in found.lines())

    writer = ArchiveWriter(place, existing(place), lambda call: call())
    writer.begin(0, writer.manifest.following(0))
    for n in range(2):
        first = writer.manifest.following(0)
        more = walked(plain(30, n), first)
        keys = _close(walked([b"k%d" % i for i in range(30)]).values)
        writer.add(Piece(0, first + 30, more._replace(keys=keys)))
        writer.commit()
    writer.close()
    expected = [*[None] * len(values), *[b"k%d" % i for i in range(30)] * 2]
    for _ in range(2):
        records = _of_archive(place)
        assert [one[2] for one in records] == expected
        assert [one[3] for one in records] == [*values, *plain(30, 0), *plain(30, 1)]
        answer = ask(place, "SELECT count(*), count(key) FROM archive WHERE element = 0")
        assert answer.splitlines()[1].split("\t") == [str(len(expected)), "60"]
        compact(place)
    manifest = existing(place)
    assert [one.keyed for one in manifest.segments] == [False, True]
    assert manifest.version == 2
