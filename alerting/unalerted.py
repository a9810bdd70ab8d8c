"""Why the job wrote no alert of a series at a time: from recorded features and letters."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from padit.domain.timestamps import format_utc, parse_timestamp

__all__ = ["Recorded", "Unalerted"]

_MOST = 3


class _Feature(msgspec.Struct):
    source_id: str
    metric_name: str
    window_end: str
    score: float | None = None
    extractions: int = 0
    judged_by: list[str] = []


class _Named(msgspec.Struct):
    source_id: str = ""
    metric_name: str = ""
    timestamp: str | float = ""


class _Letter(msgspec.Struct):
    reason: str
    original: bytes = b""


class Recorded(NamedTuple):
    """Records of a job; None: this output was not recorded.

    Attributes:
        features: of `--features`.
        late: of `--late`.
        dead: of `--dlq`.
    """

    features: Iterable[bytes] | None = None
    late: Iterable[bytes] | None = None
    dead: Iterable[bytes] | None = None


class Unalerted:
    """Reads the records of one series.

    Args:
        source_id, metric_name: of the series.
        at: event time, microseconds; None: any.
        near: how far from it counts, microseconds.
        open_at: score from which on an alert opens.
    """

    def __init__(
        self, source_id: str, metric_name: str, at: int | None, near: int, open_at: float
    ) -> None:
        self._series = source_id, metric_name
        self._at, self._near, self._open_at = at, near, open_at

    def explain(self, recorded: Recorded) -> list[str]:
        """Reasons in words, the first is the likeliest; none if nothing was recorded."""
        found: list[str] = []
        if recorded.features is not None:
            found.append(self._of_features(recorded.features))
        if recorded.late is not None:
            count = sum(self._means(line) for line in recorded.late)
            if count:
                found.append(f"late: {count} samples came too late; see --out_of_orderness_sec")
        if recorded.dead is not None:
            found += self._of_letters(recorded.dead)
        return found

    def _of_features(self, lines: Iterable[bytes]) -> str:
        rows = [row for row in map(_feature, lines) if row is not None and self._is_near(row)]
        if not rows:
            return "no data: no window of the series holds a sample then"
        scored = [row for row in rows if row.score is not None]
        if not scored:
            seen = max(row.extractions for row in rows)
            return f"warming up: {len(rows)} windows, none has a score; {seen} windows seen so far"
        best = max(scored, key=lambda row: (row.score or 0.0, row.window_end))
        words = f"the highest score is {best.score or 0.0:.3g}, at {best.window_end}"
        if (best.score or 0.0) < self._open_at:
            return f"score below: {words}; alerts open at {self._open_at:g}"
        return (
            f"{words}, which is enough: an alert of the series was open already, or held back by "
            "the job (episodes, budget); `padit explain` shows it"
        )

    def _is_near(self, row: _Feature) -> bool:
        return (row.source_id, row.metric_name) == self._series and self._counts(row.window_end)

    def _counts(self, moment: str) -> bool:
        return self._at is None or abs(parse_timestamp(moment) - self._at) <= self._near

    def _means(self, line: bytes) -> bool:
        try:
            one = msgspec.json.decode(line, type=_Named)
            moment = one.timestamp
            if not isinstance(moment, str):
                moment = format_utc(round(moment * 1e6))
            return (one.source_id, one.metric_name) == self._series and self._counts(moment)
        except (msgspec.DecodeError, ValueError, OverflowError):
            return False

    def _of_letters(self, lines: Iterable[bytes]) -> list[str]:
        """Letters whose original names the series; most have no event time that can be read."""
        reasons: dict[str, int] = {}
        names = [one.encode() for one in self._series]
        for line in lines:
            try:
                letter = msgspec.json.decode(line, type=_Letter)
            except msgspec.DecodeError:
                continue
            if all(name in letter.original for name in names):
                reasons[letter.reason] = reasons.get(letter.reason, 0) + 1
        ranked = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
        found = [f"dead letter: {count} records: {reason}" for reason, count in ranked[:_MOST]]
        if len(ranked) > _MOST:
            rest = sum(count for _, count in ranked[_MOST:])
            found.append(f"dead letter: {rest} records for {len(ranked) - _MOST} other reasons")
        return found


def _feature(line: bytes) -> _Feature | None:
    try:
        return msgspec.json.decode(line, type=_Feature)
    except msgspec.DecodeError:
        return None
