"""A real Prometheus gets features, scores and bands, and each point once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from padit.codecs.prometheus_proto import Label, WriteRequest
from padit.codecs.remote_write_out import labels_out, request_of
from padit.devcluster.ports import LOOPBACK
from padit.devcluster.processes import Part
from padit.domain.errors import ConfigurationError
from padit.stores.base import Content, Store
from padit.stores.registry import store_from_uri
from tests.stores.records import START
from tests.stores.servers import bring, get, prometheus_server

Server = tuple[int, Part]


@pytest.fixture(params=[None, "10y"], ids=["in order only", "out of order too"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    port, part = prometheus_server(tmp_path / "prometheus", request.param)
    yield port, part
    part.stop()


def _store(port: int, **settings: Any) -> Store:
    return store_from_uri(f"prometheus://{LOOPBACK}:{port}", settings)


def _features(minutes: Sequence[int], sources: int = 3) -> list[bytes | None]:
    return [
        json.dumps(
            {"source_id": f"m{n}", "metric_name": "rpm", "unit": "1/min", "metric_type": "speed",
             "window_end": f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:00.000000Z",
             "mean": 1500.5 + minute, "score": minute / 100, "expected_low": None if minute < 2
             else 1490.0, "expected_high": 1510.0, "judged_by": ["rule"], "odd name": 5}
        ).encode()
        for minute in minutes
        for n in range(sources)
    ]  # fmt: skip


def _ask(port: int, query: str) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    """All points of a range of ten hours."""
    path = f"/api/v1/query?query={quote(query)}[20h]&time={START + 36_000}"
    status, body = get(port, path)
    assert status == 200, body
    return [
        (one["metric"], [(at, float(value)) for at, value in one["values"]])
        for one in json.loads(body)["data"]["result"]
    ]


def test_bands_scores_and_features_can_be_asked_for(server: Server) -> None:
    port, _ = server
    loop, _ = bring(_store(port, labels={"job": "padit"}), Content.FEATURES, [_features(range(9))])
    assert loop.counts.written == 27
    found = _ask(port, 'padit_expected_low{source_id="m1"}')
    assert found == [
        (
            {"__name__": "padit_expected_low", "source_id": "m1", "metric_name": "rpm",
             "unit": "1/min", "job": "padit"},
            [(START + 60 * minute, 1490.0) for minute in range(2, 9)],
        )
    ]  # fmt: skip
    assert len(_ask(port, 'padit_mean{job="padit"}')) == 3
    names = json.loads(get(port, "/api/v1/label/__name__/values")[1])["data"]
    assert sorted(names) == [f"padit_{one}" for one in
                             ("expected_high", "expected_low", "mean", "score")]  # fmt: skip


def test_what_comes_again_changes_nothing_and_is_no_dead_letter(server: Server) -> None:
    port, _ = server
    bring(_store(port), Content.FEATURES, [_features(range(6))])
    before = _ask(port, '{__name__=~"padit_.+"}')
    loop, _ = bring(_store(port), Content.FEATURES, [_features(range(10))], records=18)
    assert loop.counts.refused == loop.counts.dead == 0
    after = _ask(port, '{__name__=~"padit_.+"}')
    assert [one[: len(old)] for (_, one), (_, old) in zip(after, before, strict=True)] == [
        old for _, old in before
    ]
    assert {len(points) for metric, points in after if metric["__name__"] == "padit_mean"} == {10}


def test_samples_are_written_in_the_order_of_their_times(server: Server) -> None:
    port, _ = server
    samples: list[bytes | None] = [
        json.dumps({"timestamp": START + second, "source_id": name, "metric_name": "rpm",
                    "value": second + 0.5}).encode()
        for second in (3, 1, 2, 2, 9)
        for name in ("a", 'quo"te\n⚡')
    ]  # fmt: skip
    loop, _ = bring(_store(port, prefix="raw_"), Content.METRICS, [samples])
    assert loop.counts.holds
    found = _ask(port, 'raw_value{source_id="a"}')[0][1]
    assert found == [(START + second, second + 0.5) for second in (1, 2, 3, 9)]
    assert len(_ask(port, "raw_value")) == 2


def test_only_the_fields_that_are_asked_for_are_written(server: Server) -> None:
    port, _ = server
    store = _store(port, fields=["score"])
    bring(store, Content.FEATURES, [[*_features([1]), b'{"score":1}', b"[]"]])
    assert [one["__name__"] for one, _ in _ask(port, '{__name__=~"padit_.+"}')] == [
        "padit_score"
    ] * 3


def test_a_server_that_was_away_gets_everything(server: Server) -> None:
    port, part = server
    store = _store(port)
    part.kill()
    part.launch()
    bring(store, Content.FEATURES, [_features(range(30))])
    assert {len(points) for _, points in _ask(port, "padit_mean")} == {30}


def test_a_server_that_does_not_receive_is_named_at_the_start(tmp_path: Path) -> None:
    port, part = prometheus_server(tmp_path / "prometheus")
    try:
        with pytest.raises(ConfigurationError, match="enable-remote-write-receiver"):
            _store(port, path="/elsewhere").open()
        with pytest.raises(ConfigurationError, match="no name in Prometheus"):
            _store(port, prefix="a-b")
        with pytest.raises(ConfigurationError, match="`path`"):
            store_from_uri(f"prometheus://{LOOPBACK}:{port}/api/v1/write")
    finally:
        part.stop()


def test_a_request_is_what_protobuf_reads() -> None:
    labels = {"b": "é" * 200, "a": "1", "none": ""}
    points = [(-5, 1.5), (START * 1000, -0.0), (2**62, float("inf"))]
    read = WriteRequest()
    read.ParseFromString(request_of([(labels_out(labels), points)] * 2))
    assert len(read.timeseries) == 2
    one = read.timeseries[0]
    found = [Label.FromString(each) for each in one.labels]
    assert [(each.name, each.value) for each in found] == [("a", "1"), ("b", "é" * 200)]
    assert [(each.timestamp, each.value) for each in one.samples] == points
