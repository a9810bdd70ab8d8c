"""`padit routes`: where an alert would go, and why."""

import argparse

from padit.alerting.compiled import Policy
from padit.alerting.decide import gate
from padit.alerting.entries import AlertEvent
from padit.alerting.policy import AlertingConfig, never_taken
from padit.alerting.state import State
from padit.cli.times import time_of
from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import format_utc
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Test an alerting configuration: the routes that an alert would take."
EXAMPLES = """examples:
  padit routes test --config alerting.yaml --source press-1 --metric torque_nm
  padit routes test --config alerting.yaml --source press-1 --metric torque_nm \\
      --severity CRITICAL --label site=hall-2 --at 2026-11-28T03:00:00Z

Exit codes: 0 a route takes it; 1 none does; 2 the configuration is wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The alert to try."""
    add = parser.add_argument
    add("action", choices=("test",), help="what to do")
    add("--config", required=True, help="YAML file of `padit alerting`")
    add("--source", required=True, help="source_id")
    add("--metric", required=True, help="metric_name")
    add("--severity", choices=("INFO", "WARNING", "CRITICAL"), default="WARNING", help="severity")
    add("--score", type=Number(0.0, 1.0), default=0.8, help="score, in [0, 1]")
    add("--label", action="append", default=[], metavar="NAME=VALUE", help="a label")
    add("--at", required=False, default="2026-01-01T12:00:00Z", help="event time, RFC 3339")


def run(args: argparse.Namespace) -> int:
    """Print the routes that take the alert."""
    from padit.alerting.delivery.receivers import kind_of, kinds  # needs an extra

    config = load_model(args.config, AlertingConfig)
    have = kinds()
    for name, setting in sorted(config.receivers.items()):
        kind_of(name, setting, have)
    policy = Policy(config)
    time = time_of("--at", args.at)
    event = AlertEvent(
        id="test",
        kind="opened",
        time=time,
        alert="test",
        source_id=args.source,
        metric_name=args.metric,
        severity=args.severity,
        score=args.score,
        summary="test",
        opened=time,
        labels=_labels(args.label),
    )
    taking = policy.traits_of(event).routes
    for route in taking:
        held = gate(policy, State(), event, route, time)
        words = f"{route.name} -> {route.receiver}"
        if held is None:
            least = route.setting.min_duration
            words += f": sent, if it lasts {least / 1e6:g} s" if least else ": sent"
        else:
            words += f": {held.reason.value} ({held.detail})"
            words += f" until {format_utc(held.until)}" if held.until else ""
        print(words)
    for name, taker in never_taken(config.routes):
        print(f"note: no alert reaches the route {name}: {taker} before it takes everything")
    if not taking:
        print("no route takes it; add one without `match` at the end to catch everything")
    return 0 if taking else 1


def _labels(given: list[str]) -> dict[str, str]:
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            message = f"--label {one!r}: a label is written NAME=VALUE"
            raise ConfigurationError(message)
        found[name] = value
    return found
