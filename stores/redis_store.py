"""Writes to Redis: one transaction a batch, with the positions of the topics in it."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from padit.connectors.uris import Address, read_client_config
from padit.domain.errors import ConfigurationError, PaditError, SinkError
from padit.stores.base import (
    Background,
    Batch,
    Content,
    Place,
    Positions,
    Unbuffered,
    Writer,
    Written,
)
from padit.stores.decode import float_of
from padit.stores.live_keys import Lag, LiveKeys
from padit.stores.redis_settings import Settings

__all__ = ["RedisStore", "connection_of"]

_LOG = logging.getLogger(__name__)
_NO_NAME = "messages without a series or an id"
_KEYS = ("username", "password")
_MOST_KNOWN = 1_000_000
_PAGE = 1000

# Adds those events whose offset is not behind the position, and moves that: a batch that comes
# again adds nothing. KEYS: stream, positions; ARGV: partition, following, length, then
# (offset, count, field, value, ...) for each event.
_ADD = """
local at = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '-1')
local added, place = 0, 4
while place <= #ARGV do
  local offset, count = tonumber(ARGV[place]), tonumber(ARGV[place + 1])
  if offset >= at then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*',
               unpack(ARGV, place + 2, place + 1 + count))
    added = added + 1
  end
  place = place + 2 + count
end
if tonumber(ARGV[2]) > at then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
return added
"""


def connection_of(address: Address, settings: Settings) -> dict[str, Any]:
    """Parameters of a connection; user and password from `client_config` or the environment.

    Raises:
        ConfigurationError: the address or the file cannot be used.
    """
    host, _, port = address.host.rpartition(":")
    if not port.isdecimal() or not (address.path or "0").isdecimal():
        message = f"{address.uri}: Redis is written redis://host:6379/0"
        raise ConfigurationError(message)
    given = read_client_config(settings.client_config)
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        message = f"client_config={settings.client_config}: {unknown[0]} is not known; "
        raise ConfigurationError(message + f"allowed are {', '.join(_KEYS)}")
    return {
        "host": host.strip("[]"),
        "port": int(port),
        "db": int(address.path or "0"),
        "ssl": address.kind == "rediss",
        "username": given.get("username") or os.environ.get("REDIS_USERNAME"),
        "password": given.get("password") or os.environ.get("REDIS_PASSWORD"),
        "socket_timeout": settings.timeout_sec,
        "socket_connect_timeout": settings.timeout_sec,
    }


class RedisStore:
    """See `stores.kinds.redis`.

    Args:
        address: of the server; the path is the number of the database.
        settings: see there.
    """

    raw = False
    wants_headers = False
    keeps_positions = True
    keeps_dead_letters = False
    contents = frozenset((Content.METRICS, Content.FEATURES, Content.ALERTS))

    def __init__(self, address: Address, settings: Settings) -> None:
        self.name = f"{address.kind}://{address.host}/{address.path}"
        self._settings = settings
        self._where = settings.client_config or "REDIS_USERNAME and REDIS_PASSWORD"
        self._address = address
        self._first = True
        connection_of(address, settings)  # a wrong one is an error of the start

    def open(self) -> Writer:
        """Connect; see `Store`."""
        # The loop tries again, and looks at the positions first.
        retry = Retry(NoBackoff(), 0)
        client = redis.Redis(**connection_of(self._address, self._settings), retry=retry)
        try:
            writer = _RedisWriter(client, self._settings, self.name)
        except redis.RedisError as error:
            client.close()
            raise self._wrong(error) from error
        self._first = False
        return writer

    def _wrong(self, error: redis.RedisError) -> PaditError:
        """An error of the start, unless waiting may help: a password is changed meanwhile."""
        denied = redis.AuthenticationError, redis.exceptions.NoPermissionError
        message = _explained(self.name, error)
        if isinstance(error, denied):
            message = f"{self.name}: {error}; check {self._where}"
        elif isinstance(error, redis.ReadOnlyError):
            message = f"{self.name} is a replica that takes no writes: name its primary"
        elif not isinstance(error, redis.ResponseError) or "WRONGTYPE" not in str(error):
            return SinkError(message)
        return ConfigurationError(message) if self._first else SinkError(message)

    def background(self) -> Sequence[Background]:
        """None."""
        return ()


class _RedisWriter(Unbuffered):
    """An open connection."""

    def __init__(self, client: Any, settings: Settings, name: str) -> None:
        self._client, self._settings, self._name = client, settings, name
        self._expire = round(settings.expire_sec * 1000)
        self._keys = LiveKeys(settings.keys)
        self._lag = Lag(self._keys.longest)
        self._windows: dict[str, str] = {}
        self._add = client.register_script(_ADD)
        _look_at_memory(client, name)
        if (kind := client.type(settings.stream)) not in (b"none", b"stream"):
            message = f"WRONGTYPE {settings.stream} is a {kind.decode()}, and no stream"
            raise redis.ResponseError(message)
        lost = not client.hexists(settings.positions_key, "_")
        client.hset(settings.positions_key, "_", "")  # fails at once where nothing can be written
        client.script_load(_ADD)
        for group in settings.groups:
            try:
                client.xgroup_create(settings.stream, group, "0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
        if lost:
            self._recover()
        self._at = _positions(client.hgetall(settings.positions_key))

    def _recover(self) -> None:
        """Positions that were evicted or deleted alone: the stream says which alerts it has."""
        found: dict[str, int] = {}
        before = "+"
        while some := self._client.xrevrange(self._settings.stream, before, count=_PAGE):
            for _, fields in some:
                place, _, offset = fields.get(b"place", b"").decode().rpartition(":")
                if place and offset.isdecimal():
                    found[place] = max(found.get(place, 0), int(offset) + 1)
            before = f"({some[-1][0].decode()}"
        if found:
            self._client.hset(self._settings.positions_key, mapping=found)
            _LOG.warning(
                "%s has lost %s and not %s: alerts go on behind those it has, all else is filled "
                "again", self._name, self._settings.positions_key, self._settings.stream,
            )  # fmt: skip

    def positions(self) -> Positions:
        """Where reading goes on; nothing, if the server has lost its memory."""
        return self._at

    def begin(self, positions: Positions) -> None:
        """See `Writer`."""
        try:
            self._note(self._client, positions)
        except redis.RedisError as error:
            raise SinkError(_explained(self._name, error)) from error
        self._at = {**self._at, **positions}

    def write(self, batch: Batch) -> Written:
        """See `Writer`."""
        try:
            with self._client.pipeline(transaction=True) as pipe:
                pipe.watch(self._settings.positions_key)  # whatever takes it, nothing is written
                if not pipe.hexists(self._settings.positions_key, "_"):
                    message = f"{self._name} has lost its memory; it is filled from the topics"
                    raise SinkError(message)  # positions are read anew
                pipe.multi()
                if batch.content is Content.METRICS:
                    return self._samples(pipe, batch)
                if batch.content is Content.FEATURES:
                    return self._features(pipe, batch)
                return self._alerts(pipe, batch)
        except redis.RedisError as error:
            raise SinkError(_explained(self._name, error)) from error

    def _note(self, pipe: Any, positions: Mapping[Place, int]) -> None:
        found = {f"{one.topic}:{one.partition}": at for one, at in positions.items()}
        if found:
            pipe.hset(self._settings.positions_key, mapping=found)

    def _samples(self, pipe: Any, batch: Batch) -> Written:
        updates, left = self._keys.update(batch.rows)
        for one in updates:
            pipe.set(one.key, repr(one.value), px=self._expire)
        self._note(pipe, self._lagging(batch))
        pipe.execute()
        return Written(batch.count - sum(left.values()), others=left, durable=batch.after)

    def _lagging(self, batch: Batch) -> dict[Place, int]:
        """Positions from which a new process finds all samples of the windows again."""
        found = {}
        partition = batch.records.partition[batch.record]
        for place, after in batch.after.items():
            mine = batch.records.partition == place.partition
            first = int(batch.records.offset[mine].min()) if mine.any() else after
            times = batch.rows.time[partition == place.partition]
            newest = int(times.max()) if len(times) else np.iinfo(np.int64).min // 2
            found[place] = self._lag.note(place.partition, first, after, newest)
        return found

    def _features(self, pipe: Any, batch: Batch) -> Written:
        latest: dict[str, dict[str, Any]] = {}
        left = 0
        for one in batch.messages:
            key = self._key(one)
            if key is None:
                left += 1
            elif key not in latest or _end(one) >= _end(latest[key]):
                latest[key] = one
        self._look_up([key for key in latest if key not in self._windows])
        written = 0
        for key, one in latest.items():
            if _end(one) < self._windows.get(key, ""):
                continue  # it is there already: the topic is read again
            fields = {name: _text(value) for name, value in one.items() if value is not None}
            pipe.delete(key)  # what a window does not have is not left from the one before
            pipe.hset(key, mapping=fields)
            pipe.pexpire(key, self._expire)
            written += 1
        self._note(pipe, batch.after)
        pipe.execute()
        if len(self._windows) > _MOST_KNOWN:
            self._windows.clear()
        self._windows |= {
            key: max(_end(one), self._windows.get(key, "")) for key, one in latest.items()
        }
        left_out = {_NO_NAME: left} if left else {}
        repeated = batch.count - written - left
        return Written(written, repeated, others=left_out, durable=batch.after)

    def _key(self, one: Mapping[str, Any]) -> str | None:
        source, metric = one.get("source_id"), one.get("metric_name")
        if not isinstance(source, str) or not isinstance(metric, str):
            return None
        return self._settings.features_key.format(
            source=source, metric=metric, unit=one.get("unit") or ""
        )

    def _look_up(self, keys: Sequence[str]) -> None:
        """The windows of keys that an earlier process may have written."""
        if not keys:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, "window_end")
            found = pipe.execute(raise_on_error=False)
        for key, window in zip(keys, found, strict=True):
            if isinstance(window, bytes):
                self._windows[key] = window.decode("utf-8", "replace")

    def _alerts(self, pipe: Any, batch: Batch) -> Written:
        events: dict[int, list[Any]] = {one.partition: [] for one in batch.after}
        left = 0
        for message, record in zip(batch.messages, batch.record.tolist(), strict=True):
            if not isinstance(message.get("id"), str):
                left += 1
                continue
            names = ("id", "type", "source", "subject", "time")
            fields = [part for name in names if isinstance(message.get(name), str)
                      for part in (name, message[name])]  # fmt: skip
            fields += ["event", batch.records.values[record] or b""]
            offset = int(batch.records.offset[record])
            partition = int(batch.records.partition[record])
            fields += ["place", f"{batch.topic}:{partition}:{offset}"]
            events[partition] += [offset, len(fields), *fields]
        keys = [self._settings.stream, self._settings.positions_key]
        for place, after in batch.after.items():
            arguments = [f"{place.topic}:{place.partition}", after, self._settings.stream_length]
            self._add(keys, [*arguments, *events[place.partition]], client=pipe)
        added = sum(pipe.execute())
        left_out = {_NO_NAME: left} if left else {}
        return Written(added, batch.count - left - added, others=left_out, durable=batch.after)

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


def _explained(name: str, error: redis.RedisError) -> str:
    """An error with what to do about it."""
    text = str(error)
    if "OOM" in text or isinstance(error, redis.exceptions.OutOfMemoryError):
        return (
            f"{name} is full ({text}): raise `maxmemory`, or set expire_sec and stream_length lower"
        )
    if "WRONGTYPE" in text:
        return f"{name}: {text}; a key of the settings is used otherwise: rename one of them"
    return f"{name}: {text}"


def _look_at_memory(client: Any, name: str) -> None:
    """Warn where Redis may throw away the positions, which costs reading everything again."""
    policy = str(client.info("memory").get("maxmemory_policy", ""))
    if policy.startswith("allkeys"):
        _LOG.warning(
            "%s: maxmemory-policy %s may evict the positions, and all is read again then; "
            "volatile-ttl evicts only what expires",
            name, policy,
        )  # fmt: skip


def _end(one: Mapping[str, Any]) -> str:
    """The end of a window; RFC 3339 in UTC with six digits compares as text."""
    return str(one.get("window_end") or "")


def _text(value: Any) -> str | float | int:
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return repr(float_of(value))  # longer than others may read
    if isinstance(value, bool) or not isinstance(value, str | float | int):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value


def _positions(found: Mapping[bytes, bytes]) -> dict[Place, int]:
    positions = {}
    for name, at in found.items():
        topic, _, partition = name.decode().rpartition(":")
        if topic:
            positions[Place(topic, int(partition))] = int(at)
    return positions
