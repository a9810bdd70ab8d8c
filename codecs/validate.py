"""Validation: record values to rows, and why the others are dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from padit.codecs.records import Decoded, Reject, decode
from padit.domain.timestamps import MICROS

__all__ = ["Validate"]


@dataclass(frozen=True, slots=True)
class Validate:
    """The decoder that a reader is handed.

    Attributes:
        max_bytes: a longer record is a dead letter.
        max_ahead: how far an event may lie ahead of its own record's timestamp, microseconds.
            A clock that runs wild must not drag the watermarks with it; comparing with the record
            and never with the wall clock lets a replay judge alike.
    """

    max_bytes: int
    max_ahead: int

    def __call__(
        self, values: Sequence[bytes | None], record_time: NDArray[np.int64] | None
    ) -> Decoded:
        """Decode records; `record_time` in microseconds, None where records have none."""
        decoded = decode(values, self.max_bytes)
        if record_time is None or not len(decoded.rows):
            return decoded
        ahead = decoded.rows.time - record_time[decoded.record]
        too_far = ahead > self.max_ahead
        if not too_far.any():
            return decoded
        rejects = [
            Reject(
                int(decoded.record[i]),
                f"timestamp lies {ahead[i] / MICROS:.3f} s ahead of its record's, "
                f"more than the {self.max_ahead / MICROS:g} s of --max_ahead_sec",
            )
            for i in np.flatnonzero(too_far).tolist()
        ]
        return Decoded(
            decoded.rows.select(~too_far),
            decoded.record[~too_far],
            sorted([*decoded.rejects, *rejects], key=lambda reject: reject.record),
        )
