"""Validation: record values to rows, and why the others are dead letters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from padit.codecs.absent import without_absent
from padit.codecs.contract import Faults, merged
from padit.codecs.records import Decoded, Reject, codec_of, decode
from padit.domain.timestamps import MICROS

__all__ = ["Read", "Validate"]

Read = Callable[[Sequence[bytes | None], int, "NDArray[np.int64] | None"], Decoded]
"""(records, the most bytes of one, their own times) to rows."""


@dataclass(frozen=True, slots=True)
class Validate:
    """The decoder that a reader uses.

    Attributes:
        max_bytes: a longer record is a dead letter.
        max_ahead: how far an event may lie ahead of its own record's timestamp, microseconds. A
            wrong clock must not drag the watermarks with it. The comparison is with the record and
            never with the wall clock, so a replay decides the same.
        labels: keys of the samples' metadata that become labels.
        read: how records are read; None: as PADIT's own formats.
    """

    max_bytes: int
    max_ahead: int
    labels: tuple[str, ...] = ()
    read: Read | None = None

    def reading(self, read: Read) -> "Validate":
        """The same for records that are read in another way."""
        return replace(self, read=read)

    def __call__(
        self, values: Sequence[bytes | None], record_time: NDArray[np.int64] | None
    ) -> Decoded:
        """Decode records; `record_time` in microseconds, None where records have none."""
        if self.read is None:
            decoded = self._decode(values)
            if decoded.rejects:
                decoded = without_absent(values, decoded, self._decode)
        else:
            decoded = self.read(values, self.max_bytes, record_time)
        if record_time is None or not len(decoded.rows):
            return decoded
        ahead = decoded.rows.time - record_time[decoded.record]
        too_far = ahead > self.max_ahead
        if not too_far.any():
            return decoded
        rejects = {reject.record: reject for reject in decoded.rejects}
        for reject in self._refuse(values, decoded, ahead, np.flatnonzero(too_far)):
            known = rejects.get(reject.record)
            rejects[reject.record] = reject if known is None else merged(known, reject)
        return replace(
            decoded,
            rows=decoded.rows.select(~too_far),
            record=decoded.record[~too_far],
            rejects=[rejects[record] for record in sorted(rejects)],
            element=decoded.element[~too_far],
        )

    def _decode(self, values: Sequence[bytes | None]) -> Decoded:
        return decode(values, self.max_bytes, self.labels)

    def _refuse(
        self,
        values: Sequence[bytes | None],
        decoded: Decoded,
        ahead: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> list[Reject]:
        """One reject for each record that these rows, which are too far ahead, belong to.

        A record that holds nothing else is no list of samples, if its format is none.
        """

        def reason(row: int) -> str:
            return (
                f"timestamp lies {ahead[row] / MICROS:.3f} s ahead of its record's, "
                f"more than the {self.max_ahead / MICROS:g} s of --max_ahead_sec"
            )

        rejects = []
        samples = np.bincount(decoded.record, minlength=len(values))
        lossy = {reject.record for reject in decoded.rejects}
        record, first = np.unique(decoded.record[rows], return_index=True)
        for number, chosen in zip(record.tolist(), np.split(rows, first[1:]), strict=True):
            single = self.read is None and not codec_of(values[number] or b"").many
            if single and samples[number] == 1 and number not in lossy:
                rejects.append(Reject(number, reason(int(chosen[0]))))
                continue
            faults = Faults()
            faults.note(decoded.element[chosen], _at(reason, chosen))
            rejects.append(faults.reject(number))
        return rejects


def _at(reason: Callable[[int], str], rows: NDArray[np.int64]) -> Callable[[int], str]:
    return lambda i: reason(int(rows[i]))
