"""What people did to each incident: every command that met an alert of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from padit.alerting.alert_rows import AlertState
from padit.alerting.effects import CommandResult, Effect
from padit.alerting.entries import Command, Entry

__all__ = ["Deed", "Deeds"]


class Deed(NamedTuple):
    """A command: its entry in the log, event time, kind, who, note, and the alerts it met."""

    n: int
    time: int
    kind: str
    by: str
    note: str
    alerts: tuple[str, ...]


class Deeds:
    """Follows the results of commands, also of those that waited for their time."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, Command]] = {}
        self._of: dict[str, list[Deed]] = {}

    def of(self, incident: str) -> list[Deed]:
        """What was done to an incident, in the order of its effect."""
        return self._of.get(incident, [])

    def follow(
        self, n: int, entry: Entry, effects: Sequence[Effect], alerts: Mapping[str, AlertState]
    ) -> None:
        """Take what an entry led to.

        Args:
            n: number of the entry.
            entry: of the log.
            effects: of it.
            alerts: all that are known.
        """
        for one in effects:
            if not isinstance(one, CommandResult):
                continue
            given = (n, entry) if isinstance(entry, Command) and entry.id == one.id else None
            if one.result == "held" and given is not None:
                self._waiting[one.id] = given
                continue
            known = self._waiting.pop(one.id, None) or given
            if known is not None and one.result == "applied":
                self._note(*known, one.alerts, alerts)

    def _note(
        self, n: int, command: Command, met: Sequence[str], alerts: Mapping[str, AlertState]
    ) -> None:
        by_incident: dict[str, list[str]] = {}
        for name in met:
            if name in alerts:
                by_incident.setdefault(alerts[name].incident, []).append(name)
        for incident, mine in by_incident.items():
            deed = Deed(n, command.time, command.kind, command.by, command.note, tuple(mine))
            self._of.setdefault(incident, []).append(deed)
