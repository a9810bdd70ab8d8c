"""What stores answer in their own languages: SQL, Redis, InfluxQL, PromQL and DuckDB."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import redis

from padit.devcluster.ports import LOOPBACK
from padit.stores import archive_query
from padit.stores.archive_service import open_place
from tests.postgres import Postgres
from tests.stores.servers import get

__all__ = ["Ports", "Truth", "Wanted", "answers"]

_CHUNK = 3600
_METRICS = "/^(torque_nm|air_temp_k|rpm|vibration_mm_s)$/"
_SENSORS = (
    "SELECT count(v), sum(v::numeric) FROM sensor_log CROSS JOIN LATERAL (VALUES (torque_nm), "
    "(air_temp_k), (rpm), (process_temp_k), (tool_wear_min)) AS one(v)"
)


class Truth(NamedTuple):
    """How many values, and their sum."""

    values: int
    total: float

    def __add__(self, other: object) -> Truth:
        assert isinstance(other, Truth)
        return Truth(self.values + other.values, self.total + other.total)


class Wanted(NamedTuple):
    """What has to be everywhere.

    Attributes:
        samples: all values.
        windows: feature vectors, and the sum of their means.
        anomalies, alerts: how many.
        torque: machines, and the sum of their last torques.
    """

    samples: Truth
    windows: Truth
    anomalies: int
    alerts: int
    torque: Truth


class Ports(Protocol):
    """Where the stores are."""

    postgres: Postgres
    redis: int
    influx: int
    prometheus: int


def answers(
    at: Ports, start: int, seconds: int, archive: str, right: Wanted
) -> Iterator[tuple[str, Any, Any]]:
    """The question, what the store answers, and what is right."""
    sql = at.postgres
    yield (
        "SQL, samples",
        _sql(sql, _SENSORS) + _sql(sql, "SELECT count(value), sum(value::numeric) FROM metric"),
        right.samples,
    )
    windows = _sql(sql, "SELECT count(*), sum(mean::numeric) FROM feature")
    yield "SQL, feature", windows, right.windows
    for table, count in (("anomaly_score", right.anomalies), ("anomaly_history", right.alerts),
                         ("outbox", right.alerts)):  # fmt: skip
        yield f"SQL, {table}", _sql(sql, f"SELECT count(*), 0 FROM {table}").values, count  # noqa: S608
    yield from _redis(at.redis, right)
    yield "InfluxQL, samples", _influx(at.influx, "value", _METRICS), right.samples
    yield "InfluxQL, padit_features", _influx(at.influx, "mean", "padit_features"), right.windows
    if right.anomalies:
        found = _influx(at.influx, "composite", "padit_anomalies").values
        yield "InfluxQL, padit_anomalies", found, right.anomalies
    if right.alerts:
        query = "SELECT count(id) FROM padit_alerts"
        yield "InfluxQL, padit_alerts", int(_influx_rows(at.influx, query)[0][1]), right.alerts
    yield (
        "PromQL, padit_value",
        _prometheus(at.prometheus, "padit_value", start, seconds, right.samples.values),
        right.samples,
    )
    yield (
        "PromQL, padit_mean",
        _prometheus(at.prometheus, "padit_mean", start, seconds, right.windows.values),
        right.windows,
    )
    yield "DuckDB over the archive, samples", _duckdb(archive), right.samples


def _sql(server: Postgres, text: str) -> Truth:
    count, total = server.query(text, "plant")[0]
    return Truth(int(count), float(total or 0))


def _redis(port: int, right: Wanted) -> Iterator[tuple[str, Any, Any]]:
    client: Any = redis.Redis(LOOPBACK, port, decode_responses=True)
    with contextlib.closing(client):
        names = sorted(client.scan_iter("machine:*:last_torque"))
        values = [float(one) for one in client.mget(names)] if names else []
        yield "Redis, last_torque", Truth(len(values), math.fsum(values)), right.torque
        means = sum(1 for _ in client.scan_iter("machine:*:temp_1m_avg"))
        yield "Redis, temp_1m_avg", means, right.torque.values
        yield "Redis, the stream of alerts", client.xlen("alerts"), right.alerts


def _influx(port: int, field: str, measurement: str) -> Truth:
    found = _influx_rows(port, f"SELECT count({field}), sum({field}) FROM {measurement}")  # noqa: S608
    return Truth(sum(int(one[1]) for one in found), math.fsum(one[2] for one in found))


def _influx_rows(port: int, query: str) -> list[list[Any]]:
    """The first row of each measurement."""
    body = get(port, f"/query?db=plant&q={quote(query)}")[1]
    return [one["values"][0] for one in json.loads(body)["results"][0].get("series", [])]


def _prometheus(port: int, name: str, start: int, seconds: int, least: int) -> Truth:
    """Asked again where something is missing, up to a minute.

    While Prometheus moves what came out of order to its blocks, an answer can lack chunks (of 32
    samples); what was lost stays missing.
    """
    for again in range(12):
        found = _of_hours(port, name, start, seconds)
        if found.values >= least:
            break
        print(f"{name}: {found.values} values of {least}, asked {again + 1} times", flush=True)
        time.sleep(5)
    return found


def _of_hours(port: int, name: str, start: int, seconds: int) -> Truth:
    """An hour at a time: a query may load only so many samples.

    Up to version 2 a range holds both of its ends, later only the second: it begins 1 ms later.
    """
    counts: list[float] = []
    sums: list[float] = []
    for begin in range(start - 1, start + seconds + _CHUNK, _CHUNK):
        for what, found in (("count", counts), ("sum", sums)):
            query = quote(f"sum({what}_over_time({name}[{_CHUNK * 1000 - 1}ms]))")
            body = get(port, f"/api/v1/query?time={begin + _CHUNK}&query={query}")[1]
            result = json.loads(body)["data"]["result"]
            if result:
                found.append(float(result[0]["value"][1]))
    return Truth(int(math.fsum(counts)), math.fsum(sums))


def _duckdb(uri: str) -> Truth:
    text = "SELECT count(value), fsum(value) FROM archive"
    count, total = archive_query.ask(open_place(uri), text).splitlines()[1].split("\t")
    return Truth(int(count), float(total))
