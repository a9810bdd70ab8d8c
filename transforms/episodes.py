"""The state of alerts: episodes of series, and incidents of sources; rules of when they end.

An *episode* is an alert that is open, or one that was accepted while what it reported goes on. An
*incident* is one page: the alerts of one source that open together. What flows in is event time;
nothing here knows scores.
"""

from typing import NamedTuple

import msgspec

from padit.domain.alert import Alert, ResolveReason
from padit.domain.errors import FRESH_START, StateError
from padit.domain.message import digest_of
from padit.domain.metric import Series
from padit.transforms.detectors.columns import Columns
from padit.transforms.usual_range import UsualRange

__all__ = ["Durations", "Episode", "Followed", "Incident", "Spent", "dump", "join", "load", "purge"]

_VERSION = 2
_encoder = msgspec.msgpack.Encoder()


class Durations(NamedTuple):
    """Event time after which something ends, microseconds.

    Attributes:
        resolve_after: without a window that keeps an alert open.
        unknown_after: the same for a series so slow that several windows may lie between samples,
            and while no window says that it is over.
        accept_after: that an alert has stood, after which what goes on is the new normal.
        together: after an alert of a source in which further ones belong to the same incident.
    """

    resolve_after: int
    unknown_after: int
    accept_after: int
    together: int


class Episode(msgspec.Struct, array_like=True):
    """An alert of a series; times in microseconds.

    Attributes:
        alert: as of its latest transition, with the highest score since.
        last: end of the latest window that kept it open.
        since: from when on its age counts for acceptance: its opening, or the latest window in
            which it was held.
        slow: that window had so few samples that the next may come after `resolve_after`.
        missing: that window reported missing samples.
        over: end of the first window after it that says it is over.
        accepted: it is resolved, and opens again only after it was over, or if it gets worse.
        usual: range of the series when it opened, see `UsualRange`; None where the detector has a
            level of its own, or nothing is known.
    """

    alert: Alert
    last: int
    since: int
    slow: bool = False
    missing: bool = False
    over: int | None = None
    accepted: bool = False
    usual: tuple[float, float, float, float] | None = None

    def due(self, after: Durations) -> int:
        """When it ends if no further window keeps it open, microseconds."""
        if not self.slow:
            return self.last + after.resolve_after
        if self.over is None:
            return self.last + after.unknown_after
        return max(self.last + after.resolve_after, self.over)

    @property
    def reason(self) -> ResolveReason:
        """Why it resolves when it is due.

        `no_level`: no window says that it is over, because the series sent no samples, or because
        its detectors warm up again.
        """
        if self.over is None:
            return "no_level"
        return "no_data_ended" if self.missing else "level"


class Incident(msgspec.Struct, array_like=True):
    """Alerts of one source that are one page.

    Attributes:
        id: hash of the source and its first opening.
        latest: latest opening of a member, microseconds.
    """

    id: str
    latest: int


class Spent(msgspec.Struct, array_like=True):
    """What the budget of alerts has come to so far.

    Attributes:
        hours: hours of series in which they were judged.
        alerts: alerts under the budget.
        more: alerts that twice the budget would have added; see `Lines`.
    """

    hours: int = 0
    alerts: int = 0
    more: int = 0


class Followed(msgspec.Struct):
    """All that is remembered of alerts.

    Attributes:
        episodes: by series.
        incidents: by source.
        members: series of the open alerts of each incident, by source; derived from the others.
        calibration: state of `BudgetLines`; None without a budget.
        ranges: state of `UsualRange`.
        spent: of the budget.
    """

    episodes: dict[Series, Episode] = {}
    incidents: dict[str, Incident] = {}
    members: dict[str, dict[Series, None]] = {}
    calibration: Columns | None = None
    ranges: Columns = msgspec.field(default_factory=UsualRange().initial)
    spent: Spent = msgspec.field(default_factory=Spent)

    def put(self, key: Series, episode: Episode) -> None:
        """Take an alert that opens."""
        self.episodes[key] = episode
        self.members.setdefault(key.source_id, {})[key] = None

    def drop(self, key: Series) -> Episode | None:
        """Forget an episode."""
        self.leave(key)
        return self.episodes.pop(key, None)

    def leave(self, key: Series) -> None:
        """An alert is not open any more."""
        members = self.members.get(key.source_id)
        if members is not None:
            members.pop(key, None)
            if not members:
                del self.members[key.source_id]


def join(followed: Followed, source: str, time: int, after: Durations) -> str:
    """The incident of an alert of a source that opens at a time, microseconds."""
    incident = followed.incidents.get(source)
    members = followed.members.get(source, {})
    if incident is None or not (
        time <= incident.latest + after.together
        or any(followed.episodes[one].due(after) >= time for one in members)
    ):
        incident = Incident(digest_of("incident", source, str(time)), time)
        followed.incidents[source] = incident
    incident.latest = time
    return incident.id


def purge(followed: Followed, until: int, after: Durations) -> None:
    """Forget incidents that no alert after a time can join, microseconds."""
    gone = [
        source
        for source, one in followed.incidents.items()
        if source not in followed.members and one.latest + after.together <= until
    ]
    for source in gone:
        del followed.incidents[source]


def next_due(followed: Followed, after: Durations) -> int | None:
    """When time alone changes something, microseconds; None: never."""
    due = [one.due(after) for one in followed.episodes.values()]
    due += [
        one.latest + after.together
        for source, one in followed.incidents.items()
        if source not in followed.members
    ]
    return min(due, default=None)


class _Saved(msgspec.Struct, array_like=True):
    version: int
    episodes: list[tuple[Series, Episode]]
    incidents: list[tuple[str, Incident]]
    calibration: bytes
    ranges: bytes
    spent: Spent


_decoder = msgspec.msgpack.Decoder(_Saved)


class _Version(msgspec.Struct, array_like=True):
    version: int


def dump(followed: Followed, calibration: bytes, ranges: bytes) -> bytes:
    """Versioned bytes, the same for the same state."""
    saved = _Saved(
        _VERSION,
        sorted(followed.episodes.items(), key=_key),
        sorted(followed.incidents.items(), key=_key),
        calibration,
        ranges,
        followed.spent,
    )
    return _encoder.encode(saved)


def load(data: bytes) -> tuple[Followed, bytes, bytes]:
    """State from bytes, and the bytes of its calibration and ranges.

    Raises:
        StateError: damaged, or of another version.
    """
    try:
        version = msgspec.msgpack.decode(data, type=_Version).version
        if version != _VERSION:
            message = f"the saved alerts have version {version}, this code reads {_VERSION}"
            message += f": {FRESH_START}"
            raise StateError(message)
        saved = _decoder.decode(data)
    except ValueError as error:
        message = f"the saved alerts ({len(data)} bytes) are damaged: {error}"
        raise StateError(message) from error
    followed = Followed({}, dict(saved.incidents), spent=saved.spent)
    for key, episode in saved.episodes:
        if episode.accepted:
            followed.episodes[key] = episode
        else:
            followed.put(key, episode)
    return followed, saved.calibration, saved.ranges


def _key(item: tuple[Series | str, object]) -> Series | str:
    return item[0]
