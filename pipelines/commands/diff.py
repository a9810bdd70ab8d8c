"""`padit diff`: whether two runs raised the same alerts, to the byte."""

import argparse
import sys

from domain.errors import SourceError
from pipelines.alertfiles import Event, read_events

HELP = "Compare two runs' alerts: equal to the byte, or the first difference."
EXAMPLES = """examples:
  padit diff live.jsonl replay.jsonl
  padit diff kafka://127.0.0.1:9092/alerts replay.jsonl

Order and repetition do not count (each transition has an id), every byte else does.
Exit codes: 0 equal, 1 different, 2 unreadable.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two places with alerts."""
    parser.add_argument("left", metavar="A", help="A .jsonl file or kafka://host:port/topic.")
    parser.add_argument("right", metavar="B", help="The other one.")


def run(args: argparse.Namespace) -> int:
    """Print the verdict; the exit code."""
    try:
        left, right = read_events(args.left), read_events(args.right)
    except SourceError as error:
        print(f"padit: {error}", file=sys.stderr)
        return 2  # 1 says that they were read and differ
    if [event.line for event in left] == [event.line for event in right]:
        print(f"equal: {len(left)} transitions, every byte")
        return 0
    of_right = {event.id: event for event in right}
    of_left = {event.id: event for event in left}
    removed = [event for event in left if event.id not in of_right]
    added = [event for event in right if event.id not in of_left]
    changed = [
        (event, of_right[event.id])
        for event in left
        if event.id in of_right and event.line != of_right[event.id].line
    ]
    print(
        f"different: {len(left)} and {len(right)} transitions; "
        f"{len(removed)} only in A, {len(added)} only in B, {len(changed)} changed"
    )
    for mark, events in (("-", removed), ("+", added)):
        for event in events[:10]:
            print(f"{mark} {_headline(event)}")
    for before, after in changed[:10]:
        print(f"~ {_headline(before)}")
        for line in _fields(before.content, after.content, ""):
            print(f"    {line}")
    return 1


def _headline(event: Event) -> str:
    content = event.content
    kind = content["type"].rpartition(".")[2]
    return f"{content['time']} {kind:8} {event.key} {content['data']['summary']}"


def _fields(left: object, right: object, path: str) -> list[str]:
    """Where two JSON values differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        return [
            line
            for name in sorted(left.keys() | right.keys())
            for line in _fields(left.get(name), right.get(name), f"{path}.{name}" if path else name)
        ]
    return [] if left == right else [f"{path}: {left!r} in A, {right!r} in B"]
