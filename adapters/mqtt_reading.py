"""What one MQTT message gave: its samples, and everything in it that became none."""

from msgspec.structs import replace

from padit.adapters.base import Emitter
from padit.domain.metric import Metric

__all__ = ["SKIPPED", "Reading"]

SKIPPED = "the message was retained, so it is old; `retained: mark` reads it"


class Reading:
    """What one message holds.

    Attributes:
        samples: what becomes a sample.
        faults: (cause, message) to count, of what is refused.
        left: (what, message) to count, of what becomes no sample by decision.
    """

    def __init__(self) -> None:
        self.samples: list[Metric] = []
        self.faults: dict[str, tuple[str, int]] = {}
        self.left: dict[str, tuple[str, int]] = {}

    def fault(self, cause: str, message: str, count: int = 1) -> None:
        """Count what is refused; the first message of a cause is kept."""
        first, before = self.faults.get(cause, (message, 0))
        self.faults[cause] = first, before + count

    def unwatched(self, what: str, message: str, count: int = 1) -> None:
        """Count what becomes no sample; the first message of a kind is kept."""
        first, before = self.left.get(what, (message, 0))
        self.left[what] = first, before + count

    def hand_to(self, emitter: Emitter) -> None:
        """Pass everything on."""
        emitter.emit(self.samples)
        for cause, (message, count) in self.faults.items():
            emitter.fault(cause, message[:500], count)
        for what, (message, count) in self.left.items():
            emitter.unwatched(what, message[:500], count)

    def skip_retained(self, topic: str) -> None:
        """Turn all samples into unwatched values of a retained message."""
        if self.samples:
            self.unwatched("retained", f"{topic}: {SKIPPED}", len(self.samples))
            self.samples = []

    def mark_retained(self) -> None:
        """Say in the metadata of all samples that their message was retained."""
        self.samples = [
            replace(metric, metadata={**metric.metadata, "retained": True})
            for metric in self.samples
        ]
