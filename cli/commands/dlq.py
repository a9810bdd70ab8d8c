"""`padit dlq`: records that the job could not read, and messages that no receiver took."""

import argparse

from padit.alerting.store.opening import open_recorded
from padit.analysis.alert_files import read_letters
from padit.analysis.losses.report import printable
from padit.cli.dead_letters import grouped, lines
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import format_utc

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Show what the job could not read; list messages that no receiver took, or send them again."
EXAMPLES = """examples:
  padit dlq letters --input kafka://127.0.0.1:9092/dlq
  padit dlq list --data /var/lib/padit/alerting
  padit dlq replay 17 18 --data /var/lib/padit/alerting
  padit dlq replay --all --data /var/lib/padit/alerting

`letters` groups the dead letters of `padit run --dlq` by reason and partition, with an example.
Exit codes: 0 done; 1 the topic cannot be read; 2 there is no such message, store or letter.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and where."""
    add = parser.add_argument
    add("action", choices=("letters", "list", "replay"), help="what to do")
    add("numbers", nargs="*", type=int, metavar="NUMBER", help="messages, as `list` numbers them")
    add("--all", action="store_true", help="all of them")
    add("--data", help="store of `padit alerting`: a folder, or postgresql://…")
    add("--input", help="for `letters`: what `--dlq` names, a .jsonl file or kafka://host/topic")


def run(args: argparse.Namespace) -> int:
    """Show letters, list, or replay."""
    wanted = "input" if args.action == "letters" else "data"
    if getattr(args, wanted) is None:
        message = f"`padit dlq {args.action}` needs --{wanted}"
        raise ConfigurationError(message)
    return _letters(args.input) if args.action == "letters" else _messages(args)


def _letters(place: str) -> int:
    groups = grouped(read_letters(place))
    for line in lines(groups):
        print(printable(line))
    print(f"{sum(one.letters for one in groups)} dead letters in {len(groups)} groups")
    return 0


def _messages(args: argparse.Namespace) -> int:
    """List or replay what no receiver took."""
    store = open_recorded(args.data)
    try:
        dead = {one.number: one for one in store.deliveries("dead")}
        if args.action == "list":
            for one in dead.values():
                print(f"{one.number} {format_utc(one.time)} {one.route} {one.kind}: {one.reason}")
            print(f"{len(dead)} dead messages")
            return 0
        if args.all and not dead:
            print("there is no dead message")
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
