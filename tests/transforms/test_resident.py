"""A pass that goes on with what the one before it left writes what one that reads it all writes."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.batch import KeyedBatch
from padit.domain.config import JobConfig
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.transforms.detect import Detection
from padit.transforms.group import Outcome
from padit.transforms.resident import Resident
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.laws.machine import SECOND, machine_of, rows_of
from tests.laws.streams import samples_of

WINDOWS = WindowOptions(60 * SECOND, 20 * SECOND, 50)


def _batches(size: int) -> list[KeyedBatch]:
    """Samples of two machines in the order of time, so many in each batch."""
    samples = sorted(samples_of("factory"), key=lambda one: one.time)
    found = []
    for first in range(0, len(samples), size):
        part = samples[first : first + size]
        position = Position(0, 0, first, first + len(part), part[-1].time - SECOND)
        found.append(KeyedBatch(1, (position,), rows_of(part)))
    return found


def _stated(batches: list[KeyedBatch], every: int) -> list[KeyedBatch]:
    """The same samples, of which each states one of three families in turn."""
    table = [Attributes(), Attributes("latency"), Attributes("custom", (("site", "a"),))]
    found = []
    for keyed in batches:
        rows = keyed.rows
        code = (rows.time // (every * SECOND) + rows.code) % 3
        known = AttributeColumn.of(table, code, rows.code, len(rows.series))
        found.append(replace(keyed, rows=structs.replace(rows, attributes=known)))
    return found


def _cells(store: MemoryStore) -> list[object]:
    return [store.header, store.detection, store.changes, store.rows, store.kept]


def _events(outcome: Outcome) -> list[bytes]:
    return [one.to_cloud_event() for one in outcome.transitions]


@pytest.mark.parametrize("stated", [0, 1, 30, 90])
@pytest.mark.parametrize("size", [7, 150, 900])
def test_every_cell_is_the_same_to_the_byte_whether_the_state_was_read_or_kept(
    size: int, stated: int
) -> None:
    batches = _batches(size)[:400]
    batches = _stated(batches, stated) if stated else batches
    detectors = JobConfig().detectors
    kept = machine_of(Detection(detectors), WINDOWS, resident=Resident())
    read = machine_of(Detection(detectors), WINDOWS)
    one, other = MemoryStore(), MemoryStore()
    closings = 0
    for keyed in batches:
        first, second = kept.advance(one, keyed, group=3), read.advance(other, keyed)
        assert _cells(one) == _cells(other)
        assert _events(first) == _events(second)
        assert first.counts == second.counts
        assert first.provenance == second.provenance
        closings += len(first.closings)
    assert closings > 2


class _Counting(MemoryStore):
    """Counts how often the states are read."""

    reads = 0

    def read_detection(self) -> bytes | None:
        type(self).reads += 1
        return super().read_detection()


def test_the_states_are_read_once_and_then_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Counting, "reads", 0)
    machine = machine_of(Detection(JobConfig().detectors), WINDOWS, resident=Resident())
    store = _Counting()
    closings = sum(len(machine.advance(store, one).closings) for one in _batches(400)[:20])
    assert closings > 3
    assert _Counting.reads == 1


def test_a_state_that_another_worker_moved_on_is_read() -> None:
    detectors = JobConfig().detectors
    kept = machine_of(Detection(detectors), WINDOWS, resident=Resident())
    store, plain = MemoryStore(), MemoryStore()
    batches = _batches(150)[:60]
    for number, keyed in enumerate(batches):
        machine = machine_of(Detection(detectors), WINDOWS) if 20 <= number < 40 else kept
        machine.advance(store, keyed)
        machine_of(Detection(detectors), WINDOWS).advance(plain, keyed)
    assert _cells(store) == _cells(plain)


def test_a_pass_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of(Detection(JobConfig().detectors), WINDOWS, resident=Resident())
    store, plain = MemoryStore(), MemoryStore()
    batches = _batches(150)
    for keyed in batches[:10]:
        machine.advance(store, keyed)
    before = store.copy()

    def broken(*_: object) -> None:
        message = "the runner is gone"
        raise OSError(message)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "write_header", broken)
        with pytest.raises(OSError, match="gone"):
            machine.advance(store, batches[10])
    store = before  # a runner drops what a bundle that failed wrote
    for keyed in batches[10:20]:
        machine.advance(store, keyed)
    for keyed in batches[:20]:
        machine_of(Detection(JobConfig().detectors), WINDOWS).advance(plain, keyed)
    assert _cells(store) == _cells(plain)


def test_a_group_without_room_is_read_each_time() -> None:
    resident = Resident(most=100)
    machine = machine_of(Detection(JobConfig().detectors), WINDOWS, resident=resident)
    store = _Counting()
    for keyed in _batches(400)[:20]:
        machine.advance(store, keyed)
        assert resident.take(0, store.header) is None


def test_an_empty_batch_changes_nothing_of_what_is_kept() -> None:
    detectors = JobConfig().detectors
    kept = machine_of(Detection(detectors), WINDOWS, resident=Resident())
    read = machine_of(Detection(detectors), WINDOWS)
    one, other = MemoryStore(), MemoryStore()
    for keyed in _batches(700)[:20]:
        late = keyed.positions[0]._replace(first=keyed.positions[0].following)
        for given in (keyed, KeyedBatch(1, (late,), Rows.empty())):
            kept.advance(one, given)
            read.advance(other, given)
            assert _cells(one) == _cells(other)
    assert np.any([cell is not None for cell in _cells(one)])
