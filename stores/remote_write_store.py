"""Writes to a Prometheus or VictoriaMetrics; see `stores.kinds.remote_write`."""

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cramjam
import numpy as np

from padit.codecs.remote_write_out import labels_out, request_of
from padit.connectors.uris import Address, read_client_config
from padit.domain.errors import ConfigurationError
from padit.domain.rows import Rows
from padit.stores.base import (
    Background,
    Batch,
    Content,
    RefusedError,
    Unbuffered,
    Writer,
    Written,
)
from padit.stores.decode import float_of, micros_of
from padit.stores.http_post import Answer, Post, opened

__all__ = ["RemoteWriteStore"]

_KEYS = ("username", "password", "token")
_NO_POINT = "without a number or a time"
_TOO_OLD = "older than what Prometheus has or takes (out_of_order_time_window)"
_OLDER = ("out of order", "out of bounds", "too old", "duplicate sample")
_MOST_KNOWN = 1_000_000
Key = tuple[str, str, str, str]
Points = list[tuple[int, float]]


class RemoteWriteStore:
    """See `stores.kinds.remote_write`.

    Args:
        address: of the server.
        settings: see there.
    """

    raw = False
    wants_headers = False
    keeps_positions = False
    keeps_dead_letters = False
    contents = frozenset((Content.METRICS, Content.FEATURES))

    def __init__(self, address: Address, settings: Any) -> None:
        self.name = f"prometheus://{address.host}"
        self.settings = settings
        self._host = address.host
        if not address.host or address.path:
            message = (
                f"{address.uri}: Prometheus is written prometheus://host:9090; another path of the "
                "receiver is the setting `path`"
            )
            raise ConfigurationError(message)
        _login(settings.client_config)  # a wrong file is an error of the start
        self._first = True

    def open(self) -> Writer:
        """Connect; see `Store`."""
        where = self.settings.client_config or "PROMETHEUS_USERNAME, _PASSWORD and _TOKEN"
        post = Post(
            self.name, self._host, self.settings.timeout_sec, tls=self.settings.tls,
            headers={
                **_login(self.settings.client_config),
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
            remedy=f"check {where}",
            needs=f"{self.settings.path} has to be a receiver: Prometheus needs "
            "--web.enable-remote-write-receiver",
        )  # fmt: skip
        post.first = self._first
        writer = _RemoteWriter(self, post)
        opened(post, lambda: writer.post([]))
        self._first = False
        return writer

    def background(self) -> Sequence[Background]:
        """None."""
        return ()


def _login(config: str | None) -> dict[str, str]:
    """The header of a login; read anew for each connection, so that a password may change."""
    given = read_client_config(config)
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        message = f"client_config={config}: {unknown[0]} is not known; "
        raise ConfigurationError(message + f"allowed are {', '.join(_KEYS)}")
    username, password, token = (
        given.get(one) or os.environ.get(f"PROMETHEUS_{one.upper()}") for one in _KEYS
    )
    if token:
        return {"Authorization": f"Bearer {token}"}
    if not username:
        return {}
    text = f"{username}:{password or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}


class _RemoteWriter(Unbuffered):
    """An open connection."""

    def __init__(self, store: RemoteWriteStore, post: Post) -> None:
        self._store, self._post, self._settings = store, post, store.settings
        self._newest: dict[Key, int] = {}
        self._labels: dict[Key, bytes] = {}

    def write(self, batch: Batch) -> Written:
        """See `Writer`; a record counts as repeated if none of its points is new."""
        points: dict[Key, dict[int, tuple[float, int]]] = {}
        without = 0
        for record, found in enumerate(self._points(batch)):
            some = False
            for key, time, value in found:
                points.setdefault(key, {})[time] = (value, record)
                some = True
            without += not some
        fresh = {
            key: [(time, each[time][0]) for time in sorted(each) if time > self._newest.get(key, 0)]
            for key, each in points.items()
        }
        taken = self._send_all({key: each for key, each in fresh.items() if each})
        records = {
            record
            for key, first in taken.items()
            for time, (_, record) in points[key].items()
            if time >= first
        }
        if len(self._newest) > _MOST_KNOWN:
            self._newest.clear()
            self._labels.clear()
        for key, each in points.items():
            self._newest[key] = max(self._newest.get(key, 0), max(each))
        older = {
            points[key][time][1]
            for key, each in fresh.items()
            for time, _ in each
            if key not in taken or time < taken[key]
        } - records
        others = {_NO_POINT: without, _TOO_OLD: len(older)}
        return Written(
            len(records),
            batch.count - without - len(records) - len(older),
            others={why: count for why, count in others.items() if count},
            durable=batch.after,
        )

    def _points(self, batch: Batch) -> Iterator[list[tuple[Key, int, float]]]:
        if batch.content is Content.METRICS:
            yield from _of_rows(batch.rows)
            return
        wanted = frozenset(self._settings.fields)
        for one in batch.messages:
            yield _of_features(one, wanted)

    def _send_all(self, points: Mapping[Key, Points]) -> dict[Key, int]:
        """Send some series at a time; the time of the first point that was taken, by series."""
        taken: dict[Key, int] = {}
        some: dict[Key, Points] = {}
        size = 0
        for key, each in points.items():
            some[key] = each
            size += len(each)
            if size >= self._settings.most_points:
                taken |= self._send(some)
                some, size = {}, 0
        return taken | self._send(some)

    def _send(self, points: Mapping[Key, Points]) -> dict[Key, int]:
        """Send; where a point is older than what is there, find out which ones are not."""
        if not points:
            return {}
        answer = self.post([(self._head(key), each) for key, each in points.items()])
        if answer.good:
            return {key: each[0][0] for key, each in points.items()}
        if not any(sign in answer.text for sign in _OLDER):
            message = f"{answer.status} {answer.text}"
            raise RefusedError(message)
        if len(points) > 1:
            keys = list(points)
            half = len(keys) // 2
            first = self._send({key: points[key] for key in keys[:half]})
            return first | self._send({key: points[key] for key in keys[half:]})
        ((key, each),) = points.items()
        # Oldest first: once a point is taken, none before it can be, and all behind it can.
        return self._send({key: each[1:]}) if len(each) > 1 else {}

    def post(self, series: Sequence[tuple[bytes, Points]]) -> Answer:
        """One call."""
        body = cramjam.snappy.compress_raw(request_of(series))
        return self._post("POST", self._settings.path, bytes(body))

    def _head(self, key: Key) -> bytes:
        if key not in self._labels:
            field, source, metric, unit = key
            labels = {
                **self._settings.labels,
                "__name__": f"{self._settings.prefix}{field}",
                "source_id": source,
                "metric_name": metric,
                "unit": unit,
            }
            self._labels[key] = labels_out(labels)
        return self._labels[key]

    def close(self) -> None:
        """Disconnect."""
        self._post.close()


def _of_rows(rows: Rows) -> Iterator[list[tuple[Key, int, float]]]:
    keys: list[Key] = [("value", *one) for one in rows.series]
    time = np.floor_divide(rows.time, 1000)
    for code, at, value in zip(rows.code.tolist(), time.tolist(), rows.value.tolist(), strict=True):
        yield [(keys[code], at, value)]


def _of_features(one: Mapping[str, Any], wanted: frozenset[str]) -> list[tuple[Key, int, float]]:
    source, metric, unit = (one.get(name) for name in ("source_id", "metric_name", "unit"))
    unit = unit or ""
    if not all(isinstance(text, str) for text in (source, metric, unit)):
        return []
    try:
        time = micros_of(one["window_end"]) // 1000
    except (KeyError, TypeError, ValueError):
        return []
    found = []
    for name, value in one.items():
        number = float_of(value) if name.isascii() and name.isidentifier() else None
        if number is not None and (not wanted or name in wanted):
            found.append(((name, str(source), str(metric), str(unit)), time, number))
    return found
