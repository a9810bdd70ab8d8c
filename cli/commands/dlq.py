"""`padit dlq`: messages of alerting that could not be delivered."""

import argparse
from pathlib import Path

from padit.alerting.store.sqlite import SqliteStore
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
    add("--data", required=True, help="folder of the store of `padit alerting`")


def run(args: argparse.Namespace) -> int:
    """List or replay."""
    if not (Path(args.data) / "alerting.sqlite").exists():
        message = f"{args.data} holds no store of `padit alerting`"
        raise ConfigurationError(message)
    store = SqliteStore(Path(args.data), leading=False)
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
