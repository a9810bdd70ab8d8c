"""Live features out of the keys that `padit store redis://…` writes."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from padit.analysis.series_extent import SeriesInfo
from padit.connectors.uris import Address
from padit.domain.errors import SinkError
from padit.domain.features import FEATURES
from padit.domain.timestamps import parse_timestamp
from padit.stores.redis_settings import Settings
from padit.stores.redis_store import connection_of

__all__ = ["LiveFeatures"]

_COLUMNS = (*FEATURES, "score", "level", "expected_low", "expected_high")
_PAUSE_SECONDS = 1.0


class LiveFeatures:
    """Asks Redis for the latest window of series.

    Args:
        address: `redis://host:6379/0`.

    Raises:
        ConfigurationError: it is none.
    """

    def __init__(self, address: Address) -> None:
        settings = Settings(timeout_sec=1.0, **address.options)
        self.name = f"{address.kind}://{address.host}/{address.path}"
        self._template = settings.features_key
        self._client = redis.Redis(
            **connection_of(address, settings), retry=Retry(NoBackoff(), 0), max_connections=16
        )
        self._until = 0.0
        self._lock = threading.Lock()
        self.trouble = ""

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def look(self) -> None:
        """Whether it answers."""
        try:
            self._asked(self._client.ping)
        except SinkError:
            return

    def status(self, source: str, series: Sequence[SeriesInfo]) -> list[dict[str, Any]]:
        """Latest window of each series of a source.

        Raises:
            SinkError: Redis is away.
        """

        def ask() -> list[dict[bytes, bytes]]:
            with self._client.pipeline(transaction=False) as pipe:
                for one in series:
                    key = self._template.format(
                        source=source, metric=one.metric_name, unit=one.unit
                    )
                    pipe.hgetall(key)
                found: list[dict[bytes, bytes]] = pipe.execute()
            return found

        return [_row(one, row) for one, row in zip(series, self._asked(ask), strict=True)]

    def _asked(self, ask: Any) -> Any:
        if self._until > time.monotonic():
            raise SinkError(self.trouble)
        try:
            found = ask()
        except redis.RedisError as error:
            self._until = time.monotonic() + _PAUSE_SECONDS
            self.trouble = f"{self.name} is away: {error}"[:300]
            raise SinkError(self.trouble) from error
        self.trouble = ""
        return found


def _row(one: SeriesInfo, found: dict[bytes, bytes]) -> dict[str, Any]:
    text = {key.decode("utf-8", "replace"): value for key, value in found.items()}
    features: dict[str, float] = {}
    for name in _COLUMNS:
        if name in text:
            try:
                features[name] = float(text[name])
            except ValueError:
                continue  # somebody else's key
    try:
        end = parse_timestamp(text["window_end"].decode()) if "window_end" in text else 0
    except (ValueError, OverflowError):
        end = 0
    return {
        "metric_name": one.metric_name, "unit": one.unit, "last": max(one.last, end),
        "window_end": end, "features": features, "live": bool(features),
    }  # fmt: skip
