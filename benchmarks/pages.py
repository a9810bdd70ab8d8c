"""What alerting makes of alerts, for the scorer of the operator's scenes.

    ../shared/tools/scenes/run.py --after '.venv/bin/python -m benchmarks.pages {alerts} {pages}'

Writes the transitions of all alerts that reach somebody, with the incident of alerting as their
page; alerts that no message ever showed are left out.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml

from padit.alerting.compiled import Policy
from padit.alerting.effects import Handed
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent
from padit.alerting.policy import AlertingConfig
from padit.alerting.recorded import merged
from padit.alerting.state import State

_CONFIG = "{receivers: {r: {kind: webhook}}, routes: [{name: all, receiver: r}]}"


def main(arguments: Sequence[str]) -> int:
    """Read alerts, write pages."""
    alerts, pages = Path(arguments[0]), Path(arguments[1])
    lines = [line for line in alerts.read_bytes().splitlines() if line.strip()]
    config = AlertingConfig.model_validate(yaml.safe_load(_CONFIG))
    engine, state = Engine(Policy(config)), State()
    incident_of: dict[str, str] = {}
    shown: set[str] = set()
    for entry in merged([("alert", lines)])[0]:
        for effect in engine.apply(state, entry):
            if isinstance(effect, Handed) and effect.view is not None:
                shown.add(effect.view.id)
        if isinstance(entry, AlertEvent) and entry.alert in state.alerts:
            incident_of[entry.alert] = state.alerts[entry.alert][0]
    with pages.open("wb") as file:
        for line in lines:
            event = msgspec.json.decode(line)
            incident = incident_of.get(event["data"]["id"])
            if incident in shown:
                event["data"].setdefault("metadata", {})["incident"] = incident
                file.write(msgspec.json.encode(event) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
