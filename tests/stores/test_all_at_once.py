"""Every store is written from one topic at once and holds the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.s3 import S3Server
from tests.stores.day import all_stores, fill, truth_of


def test_all_stores_hold_the_same_counts_and_sums(kafka: Any, s3: S3Server, tmp_path: Path) -> None:
    seconds, series = 300, 40
    topic = kafka.topic("day", 4)
    fill(kafka.bootstrap, topic, seconds, series, 4)
    expected = truth_of(seconds, series)
    found, keys, _ = all_stores(kafka.bootstrap, topic, s3, tmp_path, seconds, lambda _: None)
    for count, total in found.values():
        assert count == expected[0]
        assert total == pytest.approx(expected[1], rel=1e-12)
    assert len(found) == 3
    assert len(keys) == 30
    assert all(float(value) for value in keys.values())
