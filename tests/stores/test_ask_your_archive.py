"""The page "Ask your archive": each of its queries is asked, and its answer computed otherwise."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from padit.codecs.record_batches import Walked
from padit.connectors.archive_manifest import Manifest
from padit.domain.timestamps import format_utc
from padit.stores.archive_query import ask
from padit.stores.archive_service import open_place
from padit.stores.archive_topic import Piece
from padit.stores.archive_writer import ArchiveWriter
from tests.stores.databases import alert_events
from tests.stores.records import joined

_PAGE = Path(__file__).parents[2] / "docs" / "archive.md"
_DAY = 1_767_571_200  # 2026-01-05
_BROKEN = (b"no record", b"\xff\xfe\x00 not text", None, b"")


def _queries() -> dict[str, str]:
    """By the comment before each."""
    text = _PAGE.read_text().partition("## Ask your archive")[2]
    block = re.search(r"```sql\n(.*?)```", text, re.DOTALL)
    assert block
    found = {}
    for part in block[1].strip().split("\n\n"):
        comment, _, query = part.partition("\n")
        found[comment.removeprefix("-- ")] = query
    return found


def _archive(folder: Path, values: list[bytes | None]) -> str:
    """Records of a partition, a minute apart, by the writer of `padit archive`."""
    uri = f"{folder}/"
    writer = ArchiveWriter(open_place(uri), Manifest("topic", groups=3), lambda call: call())
    writer.begin(0, 0)
    offset = np.arange(len(values), dtype=np.int64)
    found = Walked(joined(values), offset, (_DAY + 60 * offset) * 1000, len(values))
    writer.add(Piece(0, len(values), found))
    writer.commit()
    writer.close()
    return uri


def _samples() -> list[dict[str, object]]:
    return [
        {"timestamp": _DAY + 60 * n, "source_id": f"press-{n % 3}",
         "metric_name": ("torque_nm", "rpm")[n % 2], "value": n * 0.25}
        for n in range(300)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> str:
    values: list[bytes | None] = [json.dumps(one).encode() for one in _samples()]
    return _archive(tmp_path_factory.mktemp("metrics"), [*values, *_BROKEN])


def _asked(uri: str, words: str) -> list[list[str]]:
    (query,) = [query for comment, query in _queries().items() if words in comment]
    return [line.split("\t") for line in ask(open_place(uri), query).splitlines()[1:]]


def _written(second: float) -> str:
    return format_utc(round(second * 1e6)).replace("T", " ")[:19]


def test_how_many_samples_and_of_when(metrics: str) -> None:
    ((count, first, last),) = _asked(metrics, "How many samples")
    assert count == "300"
    assert (first[:19], last[:19]) == (_written(_DAY), _written(_DAY + 60 * 299))


def test_the_mean_of_an_hour(metrics: str) -> None:
    hours = defaultdict(list)
    for one in _samples():
        if one["metric_name"] == "torque_nm":
            hour = int(str(one["timestamp"])) // 3600 * 3600
            hours[one["source_id"], _written(hour)].append(float(str(one["value"])))
    rows = _asked(metrics, "The mean of an hour")
    found = {(source, hour[:19]): float(mean) for source, hour, mean in rows}
    assert found == {key: sum(each) / len(each) for key, each in sorted(hours.items())}
    assert rows == sorted(rows)


def test_what_could_not_be_read(metrics: str) -> None:
    rows = _asked(metrics, "What could not be read")
    assert [int(offset) for _, offset, _ in rows] == [300, 301, 303]
    assert rows[0][2] == "no record"


def test_which_sources_stopped(metrics: str) -> None:
    last = {one["source_id"]: int(str(one["timestamp"])) for one in _samples()}
    found = {row[0]: row[1][:19] for row in _asked(metrics, "Which sources stopped")}
    assert found == {source: _written(at) for source, at in last.items()}


def test_kinds_of_alerts_by_day(tmp_path: Path) -> None:
    uri = _archive(tmp_path, list[bytes | None](alert_events(70)))
    assert _asked(uri, "A topic of alerts") == [["2026-01-05", "io.padit.alert.opened", "70"]]


def test_every_query_of_the_page_is_asked_here() -> None:
    text = Path(__file__).read_text()
    for comment in _queries():
        words = [one for one in re.findall(r'_asked\(\w+, "([^"]+)"\)', text) if one in comment]
        assert words, comment
