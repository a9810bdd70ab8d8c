"""Writes to InfluxDB, version 1 or 2; see `stores.kinds.influx`."""

import base64
import gzip
import os
import re
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from padit.connectors.uris import Address, read_client_config
from padit.domain.errors import ConfigurationError
from padit.stores.base import (
    Background,
    Batch,
    Content,
    RefusedError,
    Unbuffered,
    Writer,
    Written,
)
from padit.stores.http_post import Post, opened
from padit.stores.influx_lines import lines_of_messages, lines_of_rows

__all__ = ["InfluxStore"]

_NO_LINE = "without a form in line protocol"
_TOO_OLD = "older than what the server keeps (retention policy)"
# Version 1 says so only if it has taken all others.
_OLD = re.compile(r"points beyond retention policy dropped=(\d+)")


class InfluxStore:
    """See `stores.kinds.influx`.

    Args:
        address: of the server; the path is a database, or an organisation and a bucket.
        settings: see there.
    """

    raw = False
    wants_headers = False
    keeps_positions = False
    keeps_dead_letters = False
    contents = frozenset(Content)

    def __init__(self, address: Address, settings: Any) -> None:
        self.name = f"influxdb://{address.host}/{address.path}"
        self._host, self._settings = address.host, settings
        parts = address.path.split("/")
        if not address.host or not all(parts) or len(parts) > 2:
            message = (
                f"{address.uri}: InfluxDB is written influxdb://host:8086/database (version 1) or "
                "influxdb://host:8086/org/bucket (version 2)"
            )
            raise ConfigurationError(message)
        if len(parts) == 1:
            query = {"db": parts[0], "precision": "ns"}
            self._path = f"/write?{urlencode(query)}"
        else:
            query = {"org": parts[0], "bucket": parts[1], "precision": "ns"}
            self._path = f"/api/v2/write?{urlencode(query)}"
        self._login = partial(_login, settings.client_config, len(parts) == 2)
        self._login()  # a wrong file is an error of the start
        self._first = True

    def open(self) -> Writer:
        """Connect; see `Store`."""
        where = self._settings.client_config or "INFLUX_TOKEN, INFLUX_USERNAME and INFLUX_PASSWORD"
        post = Post(
            self.name, self._host, self._settings.timeout_sec, tls=self._settings.tls,
            headers=self._login(), remedy=f"check {where}",
            needs="create the database or bucket first",
        )  # fmt: skip
        post.first = self._first
        opened(post, lambda: post("POST", self._path))  # no line: is there such a place?
        self._first = False
        return _InfluxWriter(self, post)

    def background(self) -> Sequence[Background]:
        """None."""
        return ()


def _login(config: str | None, token: bool) -> dict[str, str]:
    given = read_client_config(config)
    allowed = ("token",) if token else ("username", "password")
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        message = f"client_config={config}: {unknown[0]} is not known; allowed: {allowed}"
        raise ConfigurationError(message)
    found = [given.get(one) or os.environ.get(f"INFLUX_{one.upper()}") for one in allowed]
    if token:
        return {"Authorization": f"Token {found[0]}"} if found[0] else {}
    if not found[0]:
        return {}
    text = f"{found[0]}:{found[1] or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}


class _InfluxWriter(Unbuffered):
    """An open connection."""

    def __init__(self, store: InfluxStore, post: Post) -> None:
        self._store, self._post = store, post

    def write(self, batch: Batch) -> Written:
        """See `Writer`."""
        prefix = self._store._settings.prefix
        if batch.content is Content.METRICS:
            found: Sequence[str | None] = lines_of_rows(batch.rows)
        else:
            found = [*lines_of_messages(batch.content.value, batch.messages, prefix)]
        lines = [one for one in found if one is not None]
        most = self._store._settings.most_points
        old = sum(
            self._send("\n".join(lines[first : first + most]).encode())
            for first in range(0, len(lines), most)
        )
        others = {_NO_LINE: len(found) - len(lines), _TOO_OLD: old}
        return Written(
            len(lines) - old,
            others={why: count for why, count in others.items() if count},
            durable=batch.after,
        )

    def _send(self, body: bytes) -> int:
        """Write lines; how many of them are older than what the server keeps.

        What else it refuses of them it names; halving finds the record.
        """
        packed = gzip.compress(body, 1)
        answer = self._post("POST", self._store._path, packed, Content_Encoding="gzip")
        if answer.good:
            return 0
        if answer.status in (400, 422) and (old := _OLD.search(answer.text)):
            return int(old[1])
        message = f"{answer.status} {answer.text}"
        raise RefusedError(message)

    def close(self) -> None:
        """Disconnect."""
        self._post.close()
