"""Alerts and incidents as JSON, encoded once for each change."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from padit.alerting.alert_rows import AlertState
from padit.alerting.overview import Change, Overview
from padit.domain.timestamps import format_utc

__all__ = ["Presenter", "joined", "moment"]

_encode = msgspec.json.Encoder().encode
_MOST_CACHED = 50_000
_MOST_SHOWN = 100


def moment(micros: int) -> str | None:
    """Event time as text; None for 0."""
    return format_utc(micros) if micros else None


def joined(parts: Iterable[bytes]) -> bytes:
    """A JSON array of encoded values."""
    return b"[" + b",".join(parts) + b"]"


class Presenter:
    """Encodes what an overview holds.

    Args:
        overview: to show.
    """

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._alerts: dict[str, tuple[dict[str, str], bytes]] = {}
        self._incidents: dict[str, bytes] = {}

    def forget(self, change: Change) -> None:
        """What a change touched is encoded again when it is asked for."""
        for name in change.incidents:
            self._incidents.pop(name, None)
        for name in change.alerts:
            self._alerts.pop(name, None)

    def alert(self, name: str) -> bytes:
        """An alert without its evidence."""
        row = self._overview.alerts[name]
        suppressed = self._overview.suppressed(row.incident)
        found = self._alerts.get(name)
        if found is None or found[0] != suppressed:
            if len(self._alerts) >= _MOST_CACHED:
                self._alerts.clear()
            found = self._alerts[name] = suppressed, _encode(alert_of(row, suppressed))
        return found[1]

    def incident(self, name: str) -> bytes:
        """An incident."""
        found = self._incidents.get(name)
        if found is None:
            if len(self._incidents) >= _MOST_CACHED:
                self._incidents.clear()
            found = self._incidents[name] = _encode(self.incident_of(name))
        return found

    def incident_of(
        self, name: str, members: int = 20, behind: tuple[bool, int, int, str, str] | None = None
    ) -> dict[str, Any]:
        """An incident with its times as text, and at most so many of its members."""
        view = self._overview.incident(name, members, behind)
        for key in ("opened", "closed", "acknowledged_at", "silenced"):
            view[key] = moment(view[key])
        for one in view["silences"]:
            one["start"] = moment(one["start"])
            one["end"] = moment(one["end"]) if one["end"] < 1 << 53 else None
        for member in view["members"]:
            for key in ("opened", "closed", "acknowledged_at"):
                member[key] = moment(member[key])
        return view

    def changes(self, changes: Sequence[Change]) -> list[bytes]:
        """Changes for streams, with the alerts and incidents as they are now.

        An incident stands in the last change that touches it: a command about each of its series
        would show it as often. Of a change of more than 100 alerts or incidents `left_out` says how
        many are missing, which have to be asked for.
        """
        found, later = [], set[str]()
        for one in reversed(changes):
            names = [each for each in one.incidents
                     if each in self._overview.incidents and each not in later]  # fmt: skip
            later.update(names)
            found.append(self._change(one, names))
        return found[::-1]

    def _change(self, change: Change, incidents: list[str]) -> bytes:
        alerts = [one for one in change.alerts if one in self._overview.alerts]
        left_out = sum(max(len(one) - _MOST_SHOWN, 0) for one in (alerts, incidents))
        head = _encode({"n": change.n, "kind": change.kind, "time": moment(change.time),
                        "left_out": left_out})  # fmt: skip
        return (
            head[:-1]
            + b',"alerts":'
            + joined(map(self.alert, alerts[:_MOST_SHOWN]))
            + b',"incidents":'
            + joined(map(self.incident, incidents[:_MOST_SHOWN]))
            + b"}"
        )


def alert_of(row: AlertState, suppressed: dict[str, str]) -> dict[str, Any]:
    """An alert with its times as text, and by route what keeps it from being sent."""
    return {
        "id": row.id, "fingerprint": row.fingerprint, "source_id": row.source_id,
        "metric_name": row.metric_name, "severity": row.severity, "score": row.score,
        "summary": row.summary, "detector": row.detector, "labels": row.labels,
        "shift": row.shift, "opened": moment(row.opened), "closed": moment(row.closed),
        "state": "resolved" if row.closed else "open", "reason": row.reason,
        "incident": row.incident, "suppressed": suppressed,
        "steps": [{"n": one.n, "id": one.id, "kind": one.kind, "time": moment(one.time),
                   "severity": one.severity, "score": one.score} for one in row.steps],
        "steps_left_out": row.left_out,
    }  # fmt: skip
