"""A database of its own for a test, and records of every content to put into it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from padit.codecs.validate import Validate
from padit.domain.alert import Alert, Transition
from padit.domain.errors import SinkError
from padit.stores.base import Batch, Content, Store, Writer, Written
from padit.stores.decode import Decoder
from padit.stores.registry import store_from_uri
from tests.limits import allowed
from tests.postgres import Postgres
from tests.stores.faking import records_of

__all__ = ["BEGIN", "Database", "alert_events", "batch_of", "check_sum", "opened", "sample"]

BEGIN = 1_767_225_600  # 2026-01-01, seconds
_VALIDATE = Validate(4 << 20, 3_600_000_000, ("site",))


@dataclass(frozen=True)
class Database:
    """A database of the session's server."""

    server: Postgres
    name: str

    @property
    def uri(self) -> str:
        return self.server.uri(self.name)

    def store(self, **settings: Any) -> Store:
        return store_from_uri(self.uri, settings)

    def writer(self, **settings: Any) -> Writer:
        return opened(self.store(**settings))

    def query(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.server.query(text, self.name, *values)

    def query_none(self, text: str) -> None:
        with self.server.connect(self.name) as connection:
            connection.execute(text.encode())

    def one(self, text: str, *values: Any) -> Any:
        return self.query(text, *values)[0][0]


def opened(store: Store, patience: float = 10.0) -> Writer:
    """A writer, once the server has noticed that the one before is gone."""
    end = time.monotonic() + allowed(patience)
    while True:
        try:
            return store.open()
        except SinkError as error:
            if "stands by" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def batch_of(content: str, values: Sequence[bytes], first: int = 0, partition: int = 0) -> Batch:
    """Records of a topic named after its content, decoded."""
    decoder = Decoder(content, Content(content), _VALIDATE, raw=False)
    return decoder(records_of(values, partition, first))


def sample(metric: str, second: float, value: float, source: str = "press-1", **more: Any) -> bytes:
    """One sample, `second` seconds after `BEGIN`."""
    fields = {"timestamp": BEGIN + second, "source_id": source, "metric_name": metric}
    return json.dumps(fields | {"value": value} | more).encode()


def alert_events(count: int, source: str = "press-1", first: int = 0) -> list[bytes]:
    """The CloudEvents of so many transitions, each of an alert of its own."""
    alert = Alert(
        "a", source, "torque_nm", "WARNING", 0.8, "it is 3 above", {"text": "high"},
        {"name": "usual", "version": 3}, "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:00:00.000000Z", metadata={"incident": "i-1"},
    )  # fmt: skip
    made = []
    for n in range(first, first + count):
        time = (BEGIN + n) * 10**6
        alert.id = f"a-{source}-{n}"
        made.append(Transition("opened", time, alert).to_cloud_event())
    return made


def check_sum(written: Written, batch: Batch) -> None:
    """Every row of the batch is accounted for."""
    others = sum(written.others.values())
    assert written.written + written.repeated + written.refused + others == batch.count
