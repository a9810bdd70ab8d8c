"""The Beam shell around the fleet; nothing is decided here."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec

from padit.domain.audit import FleetTotals, Silenced, encode_record
from padit.domain.config import JobConfig
from padit.domain.message import Kind, Message
from padit.domain.watermark import WATERMARK_END
from padit.ops.metric_names import NAMESPACE, OF_THE_FLEET, RELEASED, SILENCED
from padit.transforms.checksum import with_checksum, without_checksum
from padit.transforms.fleet import FleetMachine, Judged
from padit.transforms.fleet_state import Totals
from padit.transforms.peer_report import read_report
from padit.transforms.watch import ALERTS, AUDIT, FLEET, Accounts
from padit.transforms.windows import WindowOptions

__all__ = ["WatchFleet", "fleet_of", "told"]


class WatchFleet(beam.DoFn):  # type: ignore[misc]
    """(0, report of a key group) to alerts that are told, and audit records of the others.

    All reports of a job meet under one key. Their number is that of the passes of key groups,
    however many series there are. It has no timer: time comes with the reports.

    Args:
        together: openings within this time are one shift of many, microseconds.
        audit: whether there is an audit log.
        accounts: takes the totals; None: of several configurations only one is counted.
    """

    HEADER = ReadModifyWriteStateSpec("header", BytesCoder())
    MEMORY = ReadModifyWriteStateSpec("memory", BytesCoder())
    WAITING = BagStateSpec("waiting", BytesCoder())
    _HEADER_PARAM = beam.DoFn.StateParam(HEADER)
    _MEMORY_PARAM = beam.DoFn.StateParam(MEMORY)
    _WAITING_PARAM = beam.DoFn.StateParam(WAITING)

    def __init__(self, together: int, *, audit: bool, accounts: Accounts | None = None) -> None:
        self._machine = FleetMachine(together)
        self._audit = audit
        self._accounts = accounts
        self._counters = {name: Metrics.counter(NAMESPACE, name) for name in OF_THE_FLEET}

    def process(
        self,
        element: tuple[int, bytes],
        header: Any = _HEADER_PARAM,
        memory: Any = _MEMORY_PARAM,
        waiting: Any = _WAITING_PARAM,
    ) -> Iterator[Any]:
        """Take one report."""
        store = _BeamFleetStore({"header": header, "memory": memory}, waiting)
        judged = self._machine.advance(store, read_report(element[1]))
        for message in judged.alerts:
            yield beam.pvalue.TaggedOutput(ALERTS, message)
        if judged.totals is not None:
            self._account(judged.totals)
        if self._audit:
            for record in _records(judged):
                yield beam.pvalue.TaggedOutput(AUDIT, record)

    def _account(self, totals: Totals) -> None:
        if self._accounts is None:
            return
        named = {SILENCED: totals.silenced, RELEASED: totals.released}
        for name, more in self._accounts.account("fleet", 0, named).items():
            self._counters[name].inc(more)


class _BeamFleetStore:
    """A `FleetStore` over Beam's state of one key; its cells have checksums."""

    def __init__(self, cells: dict[str, Any], waiting: Any) -> None:
        self._cells = cells
        self._waiting = waiting

    def read(self, cell: str) -> bytes | None:
        """See `FleetStore`."""
        found = self._cells[cell].read()
        return None if found is None else without_checksum(found, "fleet")

    def write(self, cell: str, data: bytes) -> None:
        """See `FleetStore`."""
        self._cells[cell].write(with_checksum(data))

    def add(self, data: bytes) -> None:
        """See `FleetStore`."""
        self._waiting.add(with_checksum(data))

    def waiting(self) -> Sequence[bytes]:
        """See `FleetStore`."""
        return [without_checksum(one, "reports") for one in self._waiting.read()]

    def clear(self) -> None:
        """See `FleetStore`."""
        self._waiting.clear()


def _records(judged: Judged) -> Iterator[Message]:
    for one in judged.silenced:
        yield _silenced(one)
    if judged.ended and judged.totals is not None:
        value = encode_record(FleetTotals(*judged.totals))
        identity = ("fleet_totals", *map(str, judged.totals))
        yield Message.of(Kind.AUDIT, ("fleet_totals",), WATERMARK_END, value, *identity)


def _silenced(one: Silenced) -> Message:
    about = (one.source_id, one.metric_name)
    identity = ("silenced", one.alert, one.told_after_all)
    return Message.of(Kind.AUDIT, about, one.time, encode_record(one), *identity)


def fleet_of(config: JobConfig, groups: int) -> int | None:
    """How many key groups report to the fleet; None without the option `peers`."""
    return None if config.alerts.peers is None else groups


def told(
    watched: Any,
    config: JobConfig,
    windows: WindowOptions,
    outputs: Collection[str],
    accounts: Accounts | None = None,
    *,
    name: str = "",
) -> tuple[beam.PCollection, list[beam.PCollection]]:
    """The alerts of key groups that are told, and audit records of those that are not, if any.

    Args:
        watched: outputs of `WatchGroup`.
        config: of the job.
        windows: shape of the windows.
        outputs: names of the outputs that are wanted.
        accounts: as of `WatchFleet`.
        name: ends the label of the step.
    """
    if config.alerts.peers is None:
        return watched[ALERTS], []
    watched[FLEET].element_type = beam.typehints.Tuple[int, bytes]
    watch = WatchFleet(windows.size, audit=AUDIT in outputs, accounts=accounts)
    found = watched[FLEET] | f"WatchFleet{name}" >> beam.ParDo(watch).with_outputs(ALERTS, AUDIT)
    found[AUDIT].element_type = Message
    return found[ALERTS], [found[AUDIT]]
