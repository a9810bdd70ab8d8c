"""Audit records of alerts: where their rows came from, and a digest of the detectors' state.

A group machine has an audit only where an audit log is wanted. Everything is worked out once per
close: states are loaded once, each source is stepped once, offsets are joined once per window.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from padit.domain.alert import Transition
from padit.domain.audit import Provenance
from padit.domain.batch import OffsetRange
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.provenance import provenance_of
from padit.transforms.state_digest import memory_digests
from padit.transforms.windows import WindowOptions

__all__ = ["Audit"]


class Audit:
    """Provenance of the transitions of a close.

    Args:
        detection: the detectors.
        windows: their shape.
    """

    def __init__(self, detection: Detection, windows: WindowOptions) -> None:
        self._detection = detection
        self._windows = windows

    def step(
        self,
        transitions: Sequence[Transition],
        offset_ranges: Callable[[], Sequence[OffsetRange]],
        began: Mapping[int, int],
        saved: Sequence[tuple[str, int, bytes]] | None,
        table: FeatureTable,
    ) -> list[Provenance]:
        """A record for every transition that a window caused; an alert resolves without one.

        Args:
            transitions: of the close.
            offset_ranges: gives where the rows came from; asked only if a window caused one.
            began: by partition the offset at which the job began; for windows without samples,
                which have no rows.
            saved: states of the detectors before the close; None: the initial ones.
            table: the windows that closed.
        """
        if all(one.kind == "resolved" for one in transitions):
            return []
        found = provenance_of(transitions, offset_ranges(), self._windows)
        wanted = {record.transition: _window(one) for record, one in found}
        states = memory_digests(self._detection, saved, table, wanted.values())
        return [
            msgspec.structs.replace(
                record,
                state=states[wanted[record.transition]],
                began=record.began or dict(began),
            )
            for record, _ in found
        ]


def _window(transition: Transition) -> tuple[int, Series]:
    alert = transition.alert
    return transition.time, Series(alert.source_id, alert.metric_name, alert.evidence["unit"])
