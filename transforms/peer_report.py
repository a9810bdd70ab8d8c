"""What a key group tells the fleet: farthest values of its sources, openings, alerts to judge."""

from typing import NamedTuple

import msgspec

from padit.domain.message import Message
from padit.domain.saved import read_saved
from padit.transforms.peer_ranges import Past

__all__ = ["Extreme", "Kin", "Opening", "Question", "Report", "Step", "read_report"]

_VERSION = 1


class Kin(NamedTuple):
    """Series of several sources that are compared with each other.

    Attributes:
        metric_name, unit: of all of them.
        label: value of the label of the option `peers`; empty where all sources are peers.
    """

    metric_name: str
    unit: str
    label: str = ""


class Extreme(NamedTuple):
    """How far a source has been on a day, outside of alerts and in a stretch that is over.

    Attributes:
        source: the source.
        high: which end.
        length: class of the length of the stretch.
        day: number of the day.
        value: farthest median of a window.
        other: how far it has been to the other side on that day, its usual value included.
        time: end of the stretch with that value, microseconds.
        span: how long that was, microseconds.
    """

    source: str
    high: bool
    length: int
    day: int
    value: float
    other: float
    time: int
    span: int


class Opening(NamedTuple):
    """An alert of a source opened; time in microseconds."""

    source: str
    time: int


class Question(NamedTuple):
    """An alert that peers may silence.

    Attributes:
        kin: of the series.
        source: the source.
        metric_name: the metric.
        alert: its id.
        time: of the opening, microseconds.
        high: whether it lies above the usual range, or below.
        value: how far: median of those samples of the window that lie outside.
        length: class of the length of the stretch so far.
        began: first window of that stretch, microseconds.
        usual: what is usual for the series.
        since: from when on stretches of the series are known, microseconds.
        past: the farthest of them to the same side.
        message: the opening.
    """

    kin: Kin
    source: str
    metric_name: str
    alert: str
    time: int
    high: bool
    value: float
    length: int
    began: int
    usual: float
    since: int
    past: Past
    message: Message


class Step(NamedTuple):
    """A later transition of an alert that was asked about.

    Attributes:
        alert: its id.
        time: microseconds.
        ends: whether it is resolved.
        message: the transition.
    """

    alert: str
    time: int
    ends: bool
    message: Message


class Report(msgspec.Struct, array_like=True):
    """What a pass of a key group has for the fleet.

    Attributes:
        group, groups: number of the key group, and how many there are.
        since: up to when it had told all before, microseconds; None: it is its first.
        until: up to when it has told all now.
        direct: alerts that no peer can silence.
        extremes: each with the time from which on it is known.
        openings, questions, steps: see there; openings are of all alerts.
    """

    group: int
    groups: int
    since: int | None
    until: int
    direct: list[Message] = []
    extremes: list[tuple[int, Kin, Extreme]] = []
    openings: list[tuple[Kin, Opening]] = []
    questions: list[Question] = []
    steps: list[Step] = []
    version: int = _VERSION

    def encode(self) -> bytes:
        """As bytes, which `read_report` reads."""
        return _encoder.encode(self)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Report)


def read_report(data: bytes) -> Report:
    """Read a report.

    Raises:
        StateError: it is damaged, or of another version.
    """
    return read_saved(_decoder, data, _VERSION, "a report of a key group")
