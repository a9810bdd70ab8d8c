"""What compiles or loads every kernel before the first rows: a few of them, through all parts.

A detector joins by itself, by the registry; any other module with kernels by what is called here,
or by a function with `@warm_up`. Kernels are compiled for the types that they are called with, so
the parts are called as a job calls them: records as they come, state that was written and read.
"""

import struct
from collections.abc import Callable, Iterator

import crc32c
import numpy as np

from padit.codecs import archive_read  # noqa: F401  # its kernels
from padit.codecs.record_batches import headers_in, headers_of, walk
from padit.codecs.validate import Validate
from padit.codecs.values import JoinedValues
from padit.connectors.cursor import Cursor, PartitionCursor, advance
from padit.connectors.source import ReadBatch
from padit.domain.batch import Batch, decode_keyed_batch, encode_keyed_batch
from padit.domain.config import AlertSettings, DetectorSetting
from padit.domain.errors import ConfigurationError
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS
from padit.ops import compiled
from padit.ops.compiled import warm_up
from padit.transforms.alerts import Alerts
from padit.transforms.audit import Audit
from padit.transforms.detect import Detection
from padit.transforms.detectors import create_detector, registry
from padit.transforms.group import GroupMachine
from padit.transforms.keying import split_batch
from padit.transforms.peers import ALL, Peers
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

__all__ = ["prepare", "record_batch"]

_BEGIN = 1_767_225_600  # seconds
_SAMPLES = 90
_VALIDATE = Validate(1 << 20, 3600 * MICROS)


def prepare(done: Callable[[str, float], None] | None = None) -> None:
    """Load every kernel of a job, and compile what is not there yet.

    Args:
        done: is told the name of each part and its seconds.

    Raises:
        KernelError: kernels can be neither loaded nor compiled here.
    """
    compiled.ready(done)


def _samples() -> list[bytes]:
    return [
        b'{"timestamp":%d,"source_id":"a","metric_name":"%s","value":%d.25}'
        % (_BEGIN + n, b"xy"[n % 2 :][:1], n * 7919 % 101)
        for n in range(_SAMPLES)
    ]


def _joined(values: list[bytes]) -> JoinedValues:
    """As a reader of record batches gives them."""
    length = np.array([len(one) for one in values], np.int64)
    text = np.frombuffer(b"\n".join([*values, b""]), np.uint8).copy()
    return JoinedValues(text, np.cumsum(length + 1) - length - 1, length)


def record_batch(value: bytes) -> bytes:
    """A record batch of one record, uncompressed."""
    size = struct.pack(">B", len(value) << 1)
    record = b"\0\0\0\1" + size + value + b"\0"
    body = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + bytes([len(record) << 1]) + record
    return struct.pack(">qiibI", 0, 9 + len(body), 0, 2, crc32c.crc32c(body)) + body


@warm_up
def record_batches() -> None:
    """Kafka's batches to values."""
    batches = list(headers_of(memoryview(record_batch(b"{}"))))
    headers_in((walk(batches, 0, headers=True, keys=True).headers or [None])[0])


@warm_up
def records() -> None:
    """Values to columns, one by one and joined; arrays too."""
    values = _samples()
    array = b"[" + b",".join(values) + b"]"
    for given in (values, _joined(values), [array], _joined([array, b"no record"])):
        _VALIDATE(given, np.full(len(given), _BEGIN * MICROS))


@warm_up
def groups() -> None:
    """Rows through windows, features, every detector and alerts; state is written and read."""
    settings = [DetectorSetting(name=name) for name in registry() if _needs_nothing(name)]
    windows = WindowOptions(20 * MICROS, 10 * MICROS, 1000)
    for cuts in (3, 1):  # rows that are joined with others are arrays of their own
        store = MemoryStore()
        for keyed in _keyed_batches(cuts):
            detection = Detection(settings)  # as after a restart
            alerts = Alerts.of(detection, AlertSettings(), windows)
            audit, peers = Audit(detection, windows), Peers.of(ALL, detection, windows)
            machine = GroupMachine(windows, detection, alerts, audit=audit, peers=peers)
            machine.advance(store, decode_keyed_batch(keyed))


def _needs_nothing(detector: str) -> bool:
    """Whether a detector works without a parameter; of others the kernels are compiled later."""
    try:
        create_detector(detector, {})
    except ConfigurationError:
        return False
    return True


def _keyed_batches(cuts: int) -> Iterator[bytes]:
    rows = _VALIDATE(_samples(), None).rows
    part = _SAMPLES // cuts
    cursor = Cursor(0, 1, 1, {0: PartitionCursor(0, 0, None)})
    for first in range(0, _SAMPLES, part):
        chosen = np.zeros(len(rows), np.bool_)
        chosen[first : first + part] = True
        cursor, batch = _read(cursor, rows.select(chosen), first + part)
        yield from (encode_keyed_batch(keyed) for _, keyed in split_batch(batch, 1))


def _read(cursor: Cursor, rows: Rows, following: int) -> tuple[Cursor, Batch]:
    moved, batch, *_ = advance(cursor, [ReadBatch(0, following, rows)], 0)
    return moved, batch
