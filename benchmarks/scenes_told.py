"""What alerting makes of the alerts of the scenes, family by family: told once, and ended right.

    make scenes ARGS='--seeds 1' && python -m benchmarks.scenes_told [build/scenes]

Reads `alerts.jsonl` of each folder, which `make scenes` leaves there. One route takes everything.
Of each family it prints the job's pages, alerting's incidents and messages by kind, and counts
what must not be: `untold` alerts that no message stands for, `doubled` beginnings of an incident
that had not ended, `unended` incidents that are over and whose end was not sent, `late` ends that
came later than `settle` after the last alert's, and the residue of the account.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from padit.alerting.compiled import Policy
from padit.alerting.effects import Handed
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Entry, Tick
from padit.alerting.policy import AlertingConfig
from padit.alerting.recorded import merged
from padit.alerting.report import residues
from padit.alerting.state import State
from padit.domain.timestamps import MICROS

__all__ = ["Told", "judge", "main"]

_DAY = 86_400 * MICROS
_CONFIG = {
    "receivers": {"r": {"kind": "webhook"}}, "routes": [{"name": "all", "receiver": "r"}],
}  # fmt: skip


@dataclass
class Told:
    """What became of a family's alerts; see the module."""

    alerts: int = 0
    pages: int = 0
    incidents: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    untold: int = 0
    doubled: int = 0
    unended: int = 0
    late: int = 0
    residue: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing is as it must not be."""
        return not (self.untold or self.doubled or self.unended or self.late or self.residue)


def judge(entries: Sequence[Entry]) -> Told:
    """Run alerts through the engine, and count."""
    policy = Policy(AlertingConfig.model_validate(_CONFIG))
    engine, state, found = Engine(policy), State(), Told()
    incident_of: dict[str, str] = {}
    sent: list[Handed] = []
    last = max((one.time for one in entries), default=0)
    for entry in [*entries, Tick(last + _DAY)]:
        sent += [one for one in engine.apply(state, entry) if isinstance(one, Handed)]
        if isinstance(entry, AlertEvent) and entry.alert in state.alerts:
            incident_of[entry.alert] = state.alerts[entry.alert][0]
    events = [one for one in entries if isinstance(one, AlertEvent)]
    found.alerts, found.incidents = len(incident_of), len(set(incident_of.values()))
    found.pages = len({one.page or one.alert for one in events})
    found.kinds.update(one.kind for one in sent)
    found.residue = sum(abs(one) for one in residues(state, policy.by_name).values())
    _judge_messages(found, sent, incident_of, events, policy)
    return found


def _judge_messages(
    found: Told,
    sent: Sequence[Handed],
    incident_of: dict[str, str],
    events: Sequence[AlertEvent],
    policy: Policy,
) -> None:
    by_incident: dict[str, list[Handed]] = {}
    for one in sent:
        if one.view is not None:
            by_incident.setdefault(one.view.id, []).append(one)
    told = {one.view.id for one in sent if one.view is not None and one.kind != "resolved"}
    found.untold = sum(incident not in told for incident in incident_of.values())
    ends: dict[str, list[int]] = {}
    still: Counter[str] = Counter()
    for event in events:
        incident = incident_of.get(event.alert, "")
        still[incident] += (event.kind == "opened") - (event.kind == "resolved")
        if event.kind == "resolved":
            ends.setdefault(incident, []).append(event.time)
    settle = policy.routes[0].setting.settle
    for incident, messages in by_incident.items():
        begun = False
        for one in messages:
            found.doubled += one.kind == "opened" and begun
            begun = one.kind != "resolved"
        over = still[incident] == 0 and incident in ends
        found.unended += over and begun
        flapped = any(one.kind == "flapping" for one in messages)
        if over and not begun and not flapped:
            found.late += messages[-1].time > max(ends[incident]) + settle


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each family; 1: something is as it must not be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/scenes"))
    args = parser.parse_args(argv)
    files = sorted(args.folder.glob("*/alerts.jsonl"))
    if not files:
        print(f"no alerts in {args.folder}; run `make scenes` first", file=sys.stderr)
        return 2
    good = True
    print(f"{'family':<22} alerts  pages incidents untold doubled unended late residue  messages")
    for path in files:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
        one = judge(merged([("alert", lines)])[0])
        good &= one.good
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(one.kinds.items()))
        print(f"{path.parent.name:<22} {one.alerts:>6} {one.pages:>6} {one.incidents:>9} "
              f"{one.untold:>6} {one.doubled:>7} {one.unended:>7} {one.late:>4} {one.residue:>7}  "
              f"{kinds}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
