"""Stores as outputs of a run: `--output postgresql://db/plant --features redis://127.0.0.1:6379/0`.

What an item must look like: the `Message` of an alert, a feature vector or an anomaly; of the other
outputs (audit, late, dead letters) a store has no table, which is an error of the start. Unit of
parallelism: one writer a process, for each kind. In a crash a bundle comes again: PostgreSQL,
InfluxDB and Prometheus know its results by their ids, series and times; Redis has a repeated alert
twice in its stream, with one id.

The writers are those of `padit store`, with its pauses, breaker and halving, but without its
background work. Behind topics a store can be away without end; here the job waits for it, as long
as `_PATIENCE`.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from padit.codecs.validate import Validate
from padit.connectors.sink import Message, Sink, Start
from padit.connectors.sink import Writer as SinkWriter
from padit.connectors.uris import Address, sink_for
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.message import Kind
from padit.domain.timestamps import LATEST_US
from padit.stores.base import NOTHING, Content, Place, Positions, Records
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from padit.stores.registry import store_from_uri, stores
from padit.stores.topics import Read

__all__ = ["StoreSink"]

_LOG = logging.getLogger(__name__)
_PATIENCE = 120.0
_PACE = Pace(poll=0.0, longest=5.0, open=5.0)
_CONTENTS = {
    Kind.ALERT: Content.ALERTS,
    Kind.FEATURE: Content.FEATURES,
    Kind.ANOMALY: Content.ANOMALIES,
}


@dataclass
class StoreSink:
    """See the module.

    Attributes:
        uri: of the store.
        name: for people.
        single_writer: so that one process at a time writes.
        opens_early: connecting takes a moment.
    """

    uri: str
    name: str = field(init=False)
    single_writer: bool = field(init=False, default=True)
    opens_early: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        """Refuse what is no store or has a wrong setting."""
        self.name = store_from_uri(self.uri).name

    def prepare(self, start: Start) -> None:
        """Connect once: credentials, tables, and whether it takes such results."""
        store = store_from_uri(self.uri)
        if start.run.output not in {str(one) for one in store.contents}:
            takes = sorted(str(one) for one in store.contents if one in _CONTENTS.values())
            message = (
                f"{self.name} keeps {', '.join(takes)}, and no {start.run.output}: "
                "give that output a file or a topic"
            )
            raise ConfigurationError(message)
        store.open().close()

    def open(self) -> SinkWriter:
        """Make a writer; it connects at its first message."""
        return _Writer(self.uri)

    def finish(self, complete: bool = True) -> None:
        """Nothing to do: a store keeps its own order."""


class _Writer:
    """Hands messages to the lines of this process."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lines: dict[Content, _Line] = {}
        self._pending: dict[Content, list[Message]] = {}

    def write(self, messages: Sequence[Message]) -> None:
        """Keep them for `flush`."""
        for one in messages:
            if one.kind not in _CONTENTS:
                message = f"{self._uri} has no place for a message of the kind {one.kind}"
                raise SinkError(message)
            self._pending.setdefault(_CONTENTS[one.kind], []).append(one)

    def flush(self) -> None:
        """Write them; each kind in the order in which it came."""
        pending, self._pending = self._pending, {}
        for content, messages in pending.items():
            if content not in self._lines:
                self._lines[content] = _taken(self._uri, content)
            self._lines[content].deliver(messages)

    def close(self) -> None:
        """Forget what was not flushed; the last writer of a process disconnects."""
        self._pending = {}
        for content, line in self._lines.items():
            _given_back(self._uri, content, line)
        self._lines = {}


class _Line:
    """Results of one kind on their way to a store: the source of its loop, numbered as offsets."""

    def __init__(self, uri: str, content: Content) -> None:
        self.users = 0
        self._lock = threading.Lock()
        self._topic = f"{content}"
        self._held: Sequence[Message] = ()
        self._store = store_from_uri(uri, _reader(uri, content))
        validate = Validate(4 << 20, LATEST_US)  # the job's own results are never too far ahead
        self._decoder = Decoder(self._topic, content, validate, raw=False)
        self._begin()

    def _begin(self) -> None:
        """As if nothing was known of the store: what it holds says where numbers go on."""
        self._first: int | None = None  # number of the first that is held
        self._next = self._written = 0
        store, dead = self._store, _Refused(self._store.name)
        self._loop = Consume(self, store, {self._topic: self._decoder}, dead, _PACE)

    def deliver(self, messages: Sequence[Message]) -> None:
        """Write them, or raise SinkError once patience is over."""
        with self._lock:
            self._held = messages
            self._next = self._first or 0
            self._loop.bring(_Until(time.monotonic() + _PATIENCE), self._done)
            if not self._done():
                self._loop.close()
                self._begin()  # part of it may be written, under numbers that others now get
                message = f"{self._store.name} did not take the results within {_PATIENCE:g} s"
                raise SinkError(message)
            self._first, self._held = self._written, ()

    def _done(self) -> bool:
        return self._first is not None and self._written >= self._first + len(self._held)

    def seek(self, positions: Positions | None) -> None:
        """After a connection was lost: what is held and not written comes again."""
        known = (positions or {}).get(Place(self._topic, 0), 0)
        if self._first is None:
            self._first = self._written = known
        self._next = min(max(known, self._first), self._first + len(self._held))

    def poll(self, most: int, seconds: float) -> list[Read]:
        """What is held."""
        begin = self._next - (self._first or 0)
        some = self._held[begin : begin + most]
        if not some:
            return []
        offsets = np.arange(self._next, self._next + len(some), dtype=np.int64)
        self._next += len(some)
        records = Records(
            np.zeros(len(some), np.int32),
            offsets,
            np.array([one.time for one in some], np.int64),
            [one.key.encode() for one in some],
            [one.value for one in some],
            [[("id", one.id.encode())] for one in some],
        )
        return [Read(self._topic, records)]

    def anew(self) -> Positions:
        """Numbers go on where the store stands."""
        return NOTHING

    def commit(self, positions: Positions) -> None:
        """Up to here everything is durable."""
        self._written = max(self._written, positions.get(Place(self._topic, 0), 0))

    def close(self) -> None:
        """Disconnect."""
        self._loop.close()


class _Until:
    """A `Stopped` that comes with the time."""

    def __init__(self, end: float) -> None:
        self._end = end

    def is_set(self) -> bool:
        return time.monotonic() >= self._end

    def wait(self, timeout: float) -> bool:
        time.sleep(max(0.0, min(timeout, self._end - time.monotonic())))
        return self.is_set()


class _Refused:
    """What a store without dead letters of its own refuses is named in the log."""

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, messages: Sequence[Message]) -> None:
        for one in messages:
            reason = dict(one.headers).get("reason")
            _LOG.warning("%s, result %s is not there: %s", self._name, one.id, reason)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _reader(uri: str, content: Content) -> dict[str, str]:
    """Each kind writes under a name of its own, where a store locks that."""
    module = stores()[uri.partition("://")[0].lower()]
    return {"reader": f"output-{content}"} if "reader" in module.Settings.model_fields else {}


_lock = threading.Lock()
_open: dict[tuple[str, Content], _Line] = {}


def _taken(uri: str, content: Content) -> _Line:
    """The line of this process: runners use several instances of a step in turn."""
    with _lock:
        line = _open.get((uri, content)) or _Line(uri, content)
        line.users += 1
        _open[uri, content] = line
        return line


def _given_back(uri: str, content: Content, line: _Line) -> None:
    with _lock:
        line.users -= 1
        if not line.users:
            _open.pop((uri, content), None)
            line.close()


@sink_for(*stores(), several=True)
def _from_address(address: Address) -> Sink:
    return StoreSink(address.uri)
