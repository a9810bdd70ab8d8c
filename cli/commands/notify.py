"""`padit notify`: sends a test message through a route's receiver."""

import argparse
import time

from padit.alerting.compiled import Policy
from padit.alerting.effects import Handed
from padit.alerting.policy import AlertingConfig
from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError
from padit.domain.message import digest_of
from padit.domain.timestamps import MICROS

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Send a test message to the receiver of a route."
EXAMPLES = """examples:
  padit notify test oncall --config alerting.yaml

Exit codes: 0 the receiver took it; 1 it did not, and why; 2 there is no such route.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The route."""
    add = parser.add_argument
    add("action", choices=("test",), help="what to do")
    add("route", metavar="ROUTE", help="name of a route")
    add("--config", required=True, help="YAML file of `padit alerting`")


def run(args: argparse.Namespace) -> int:
    """Send one message."""
    try:
        from padit.alerting.delivery.receivers import receivers_of
    except ModuleNotFoundError as error:
        message = f"`padit notify` needs {error.name}: pip install 'padit[alerting]'"
        raise ConfigurationError(message) from error
    config = load_model(args.config, AlertingConfig)
    route = Policy(config).by_name.get(args.route)
    if route is None:
        have = ", ".join(sorted(Policy(config).by_name)) or "none"
        message = f"there is no route {args.route!r} (have: {have})"
        raise ConfigurationError(message)
    now = time.time_ns() // 1000
    identity = digest_of("test", args.route, str(now))
    test = Handed(identity, args.route, route.receiver, "test", now // MICROS * MICROS, None)
    receivers = receivers_of(config)
    try:
        result = receivers[route.receiver].attempt(test, "")
    finally:
        for one in receivers.values():
            one.close()
    said = {
        "delivered": "took it",
        "retry": "did not take it; the service would try again",
        "dead": "refused it; the service would not try again",
    }[result.state]
    print(f"{route.receiver} {said}" + (f": {result.reason}" if result.reason else ""))
    return 0 if result.state == "delivered" else 1
