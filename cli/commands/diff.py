"""`padit diff`: compares the alerts of two runs to the byte, and explains the differences."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from padit.analysis.alert_files import Event, read_events
from padit.analysis.explain.alert_history import AlertHistory
from padit.analysis.explain.compare import Change, Comparison, compare
from padit.domain.errors import SourceError
from padit.domain.timestamps import format_utc

HELP = "Compare two runs' alerts: equal to the byte, or the differences and their reasons."
EXAMPLES = """examples:
  padit diff live.jsonl replay.jsonl
  padit diff kafka://127.0.0.1:9092/alerts replay.jsonl
  padit diff before.jsonl tuned.jsonl --json | jq .settings

Order and repetition are ignored (each transition has an id), every other byte counts. An alert
that opens at another time in B is reported as moved: its line in A, then in B.
Exit codes: 0 equal, 1 different, 2 unreadable.
"""
_MOST = 10
_MOST_SETTINGS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two places with alerts."""
    parser.add_argument("left", metavar="A", help="A .jsonl file or kafka://host:port/topic.")
    parser.add_argument("right", metavar="B", help="The other one.")
    parser.add_argument("--json", action="store_true", help="One JSON object, for programs.")


def run(args: argparse.Namespace) -> int:
    """Print the comparison; the exit code."""
    try:
        left, right = read_events(args.left), read_events(args.right)
    except SourceError as error:
        print(f"padit: {error}", file=sys.stderr)
        return 2  # 1 means that they were read and differ
    equal = [event.line for event in left] == [event.line for event in right]
    if args.json:
        found = None if equal else compare(left, right)
        print(msgspec.json.encode(_plain(left, right, found)).decode())
    elif equal:
        print(f"equal: {len(left)} transitions, every byte")
    else:
        _print(left, right, compare(left, right))
    return 0 if equal else 1


def _print(left: Sequence[Event], right: Sequence[Event], found: Comparison) -> None:
    print(
        f"different: {len(left)} and {len(right)} transitions; "
        f"{found.only_left} only in A, {found.only_right} only in B, {found.changed} changed"
    )
    print(
        f"{found.alerts[0]} alerts in A, {found.alerts[1]} in B: {len(found.removed)} removed, "
        f"{len(found.added)} added, {len(found.moved)} moved, {len(found.altered)} changed, "
        f"{found.settings_only} the same but for the settings they record"
    )
    for line in found.renamed:
        print(line)
    if found.settings:
        print("set differently:")
        for item in found.settings[:_MOST_SETTINGS]:
            print(f"    {item.path}: {item.left!r} in A, {item.right!r} in B")
        _more(len(found.settings) - _MOST_SETTINGS)
    _print_changes("removed:", found.removed)
    _print_changes("added:", found.added)
    _print_changes("moved:", found.moved)
    _print_changes("changed:", found.altered)


def _print_changes(title: str, changes: Sequence[Change]) -> None:
    if not changes:
        return
    print(title)
    for one in changes[:_MOST]:
        if one.left is not None and one.right is not None and one.left.id == one.right.id:
            print(f"~ {_headline(one.left)}")
        else:
            for sign, life in (("-", one.left), ("+", one.right)):
                if life is not None:
                    print(f"{sign} {_headline(life)}")
        for line in one.why:
            print(f"    {line}")
    _more(len(changes) - _MOST)


def _more(count: int) -> None:
    if count > 0:
        print(f"    and {count} more; --json has them all")


def _headline(life: AlertHistory) -> str:
    data = life.events[-1].content["data"]
    severity = f" {data['severity']}" if "severity" in data else ""
    return f"{format_utc(life.opened)[:19]}Z{severity} {':'.join(life.series)} {data['summary']}"


def _plain(
    left: Sequence[Event], right: Sequence[Event], found: Comparison | None
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "equal": found is None,
        "transitions": {"a": len(left), "b": len(right), "only_a": 0, "only_b": 0, "changed": 0},
    }
    if found is None:
        return result
    result["transitions"] |= {
        "only_a": found.only_left,
        "only_b": found.only_right,
        "changed": found.changed,
    }
    result["alerts"] = {"a": found.alerts[0], "b": found.alerts[1]}
    result["settings"] = [
        {"path": item.path, "a": item.left, "b": item.right} for item in found.settings
    ]
    result["settings_only"] = found.settings_only
    result["renamed"] = found.renamed
    for name in ("removed", "added", "moved", "altered"):
        changes: list[Change] = getattr(found, name)
        result[name] = [
            {"a": _alert(one.left), "b": _alert(one.right), "why": one.why} for one in changes
        ]
    return result


def _alert(life: AlertHistory | None) -> dict[str, Any] | None:
    if life is None:
        return None
    data = life.events[-1].content["data"]
    return {
        "id": life.id,
        "source_id": life.series[0],
        "metric_name": life.series[1],
        "opened": format_utc(life.opened),
        "severity": data.get("severity"),
        "score": data.get("score"),
        "summary": data["summary"],
    }
