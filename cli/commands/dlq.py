"""`padit dlq`: messages of alerting that could not be delivered."""

import argparse

from padit.alerting.store.opening import open_recorded
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import format_utc

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "List messages that no receiver took, or send them again."
EXAMPLES = """examples:
  padit dlq list --data /var/lib/padit/alerting
  padit dlq replay 17 18 --data /var/lib/padit/alerting
  padit dlq replay --all --data /var/lib/padit/alerting

Exit codes: 0 done; 2 there is no such message or store.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and where."""
    add = parser.add_argument
    add("action", choices=("list", "replay"), help="what to do")
    add("numbers", nargs="*", type=int, metavar="NUMBER", help="messages, as `list` numbers them")
    add("--all", action="store_true", help="all of them")
    add("--data", required=True, help="store of `padit alerting`: a folder, or postgresql://…")


def run(args: argparse.Namespace) -> int:
    """List or replay."""
    store = open_recorded(args.data)
    try:
        dead = {one.number: one for one in store.deliveries("dead")}
        if args.action == "list":
            for one in dead.values():
                print(f"{one.number} {format_utc(one.time)} {one.route} {one.kind}: {one.reason}")
            print(f"{len(dead)} dead messages")
            return 0
        numbers = list(dead) if args.all else args.numbers
        unknown = [number for number in numbers if number not in dead]
        if unknown or not numbers:
            message = f"no dead message {unknown[0]}" if unknown else "give numbers, or --all"
            raise ConfigurationError(message)
        with store.transaction():
            for number in numbers:
                store.replay(number)
        print(f"{len(numbers)} messages will be sent again by `padit alerting`")
    finally:
        store.close()
    return 0
