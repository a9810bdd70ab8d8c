"""What an advance of a key group gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from padit.domain.alert import Transition
from padit.domain.audit import Provenance, RunTotals
from padit.domain.watermark import WATERMARK_NONE
from padit.transforms.counts import Counts
from padit.transforms.detect import DetectionResult
from padit.transforms.limit import Refused
from padit.transforms.peers import Heard
from padit.transforms.warmup import Status

__all__ = ["Closing", "Done", "Outcome"]


class Closing(NamedTuple):
    """Windows that closed together.

    Attributes:
        detected: on each of them.
        status: of every row of `detected`.
    """

    detected: DetectionResult
    status: Status


class Outcome(NamedTuple):
    """The result of an advance.

    Attributes:
        counts: what this advance did.
        closings: the windows that closed; more than one where series were evicted in between.
        transitions: of alerts.
        provenance: of the transitions that a window caused; none without an audit.
        judged: by name of the detector, series of which it gave a score for the first time.
        refused: series that found no place, slot by slot.
        run_totals: what all advances did, once nothing can come any more; None before.
        since_begin: counts of all advances, and scored series by detector; None after a repeated
            batch, which changes neither.
        watermark: of the group, microseconds; not stated after a repeated batch.
        heard: what the fleet is told of the closings; None without peers.
        passed: up to when the fleet was told all before, and is now, microseconds; None if no
            window could close.
    """

    counts: Counts
    closings: Sequence[Closing] = ()
    transitions: Sequence[Transition] = ()
    provenance: Sequence[Provenance] = ()
    judged: Mapping[str, int] = {}  # never changed
    refused: Sequence[Refused] = ()
    run_totals: RunTotals | None = None
    since_begin: tuple[Counts, Mapping[str, int]] | None = None
    watermark: int = WATERMARK_NONE
    heard: Heard | None = None
    passed: tuple[int | None, int] | None = None


@dataclass(slots=True)
class Done:
    """Results of the stages of a close so far; see `Outcome`."""

    counts: Counts = field(default_factory=Counts)
    closings: list[Closing] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    provenance: list[Provenance] = field(default_factory=list)
    judged: dict[str, int] = field(default_factory=dict)
    heard: Heard | None = None

    def outcome(self, refused: Sequence[Refused]) -> Outcome:
        """All of it."""
        left_out = sum(one.samples for one in refused)
        counts = self.counts
        if left_out:
            counts = counts.plus(Counts(dead_lettered=left_out, waiting=-left_out))
        return Outcome(
            counts,
            self.closings,
            self.transitions,
            self.provenance,
            self.judged,
            refused,
            heard=self.heard,
        )
