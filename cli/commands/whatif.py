"""`padit whatif`: another alerting configuration over the recorded past."""

import argparse
from collections.abc import Mapping, Sequence
from datetime import date

from padit.alerting.entries import AlertEvent, Entry
from padit.alerting.policy import AlertingConfig, duration_of
from padit.alerting.preview import Comparison, compare, preview
from padit.alerting.recorded import merged, of_store, reaches_back_to
from padit.analysis.alert_files import read_lines
from padit.cli.times import time_of
from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.timestamps import MICROS, format_utc
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "add_past", "entries_of", "run"]

HELP = "Try an alerting configuration over the recorded past: who would have been paged, and when."
EXAMPLES = """examples:
  padit whatif --config new.yaml --now alerting.yaml --data /var/lib/padit/alerting
  padit whatif --config new.yaml --alerts alerts.jsonl
  padit whatif --config new.yaml --now alerting.yaml --alerts kafka://127.0.0.1:9092/alerts \\
      --commands kafka://127.0.0.1:9092/alert-commands --since 2026-11-01

The preview is what a live run with that configuration would have sent, because it is decided by the
same code over the same log. Alerts that the job did not record cannot be shown: a lower --open_at
is answered with the `padit sweep` that tries it. Exit codes: 0 done; 1 it needs detection;
2 something cannot be read.
"""
_SHOWN = 20
_NEEDS_DETECTION = (
    "needs detection: the job wrote no alert with a score below {least:.3g}, so alerts from "
    "{wanted:g} on are not in this past. Try them over its input:\n"
    "    padit sweep INPUT --config job.yaml --grid sweep.yaml"
    "    # sweep.yaml: vary: {{alerts.open_at: {wanted:g}}}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two configurations, and the past."""
    add = parser.add_argument
    add("--config", required=True, help="the configuration to try")
    add("--now", help="the present one; without it one route that takes everything")
    add_past(parser)
    add("--since", help="from when on messages count: RFC 3339, or 30d before the last entry")
    add("--open_at", type=Number(0.0, 1.0), help="try a higher score from which on alerts open")


def add_past(parser: argparse.ArgumentParser) -> None:
    """The options that `entries_of` reads."""
    add = parser.add_argument
    add("--data", help="store of `padit alerting` (folder or database): its log is the past")
    add("--alerts", help="or: the job's alerts, a .jsonl file or kafka://host/topic")
    add("--commands", help="what people did")
    add("--audit", help="audit log of the job")


def run(args: argparse.Namespace) -> int:
    """Print the comparison."""
    entries = entries_of(args)
    new = load_model(args.config, AlertingConfig)
    if args.open_at is not None:
        least = min((one.score for one in _openings(entries)), default=0.0)
        if args.open_at < least:
            print(_NEEDS_DETECTION.format(wanted=args.open_at, least=least))
            return 1
        new = new.model_copy(update={"min_score": max(new.min_score, args.open_at)})
    now = load_model(args.now, AlertingConfig) if args.now else _everything()
    end = max((one.time for one in entries), default=0) + 7 * 86_400 * MICROS
    before, after = (preview(one, entries, end, brief=True) for one in (now, new))
    since = _since(args.since, entries) if args.since else 0
    if args.data:
        begins = reaches_back_to(args.data)
        if begins > since:
            print(f"the log of {args.data} begins at {format_utc(begins)} (`keep`): what was "
                  "before cannot be shown")  # fmt: skip
    if since:
        before, after = (one.since(since) for one in (before, after))
    alerts = sum(isinstance(one, AlertEvent) for one in entries)
    print(f"{alerts} transitions of alerts; pages now {len(before.pages)}, then {len(after.pages)}")
    _print(compare(before, after, entries, new.timezone), new.timezone)
    return 0


def _openings(entries: Sequence[Entry]) -> list[AlertEvent]:
    return [one for one in entries if isinstance(one, AlertEvent) and one.kind == "opened"]


def _since(text: str, entries: Sequence[Entry]) -> int:
    """An event time, or so long before the last entry."""
    if not text[-1:].isalpha() or text[-1:] in "Zz":
        return time_of("--since", text)
    try:
        length = duration_of(text)
    except ValueError as error:
        message = f"--since {text}: {error}"
        raise ConfigurationError(message) from error
    return max((one.time for one in entries), default=0) - length


def entries_of(args: argparse.Namespace) -> list[Entry]:
    """The past that the arguments name.

    Raises:
        ConfigurationError: they name none, or two, or one that cannot be read.
    """
    if bool(args.data) == bool(args.alerts):
        message = "give the past once: --data FOLDER, or --alerts FILE or topic"
        raise ConfigurationError(message)
    if args.data:
        return of_store(args.data)
    parts = [("alert", args.alerts), ("audit", args.audit), ("command", args.commands)]
    try:
        found, refused = merged((kind, read_lines(uri)) for kind, uri in parts if uri)
    except SourceError as error:  # a code of its own: 1 is an answer here
        raise ConfigurationError(str(error)) from error
    if refused:
        print(f"{refused} records are neither alerts, commands nor audit records: left out")
    return found


def _everything() -> AlertingConfig:
    return AlertingConfig.model_validate(
        {"receivers": {"-": {"kind": "webhook"}}, "routes": [{"name": "all", "receiver": "-"}]}
    )


def _print(found: Comparison, zone: str) -> None:
    _table("pages by route", {name: pair for name, pair in sorted(found.pages.items())})
    days = {format_utc(day * 86_400 * MICROS)[:10]: pair
            for day, pair in sorted(found.days.items())}  # fmt: skip
    _table("pages by day", {day: pair for day, pair in days.items() if pair[0] != pair[1]})
    nights = {f"{date.fromordinal(evening)} {route}": pair
              for (evening, route), pair in sorted(found.nights.items())}  # fmt: skip
    _table(f"pages by night (22:00 to 06:00, {zone}) and route", nights)
    if found.later:
        ordered = sorted(found.later.values())
        print(
            f"the first page of {len(ordered)} alerts comes at another time: "
            f"{ordered[0]:+.0f} s to {ordered[-1]:+.0f} s, "
            f"median {ordered[len(ordered) // 2]:+.0f} s (+: later)"
        )
    if found.hidden:
        print("marked as real, and nobody would be sent:")
        for one in found.hidden[:_SHOWN]:
            print(f"    {one.source_id} {one.metric_name}: {one.reason}")
        _more(found.hidden)


def _table(title: str, rows: Mapping[str, tuple[int, int]]) -> None:
    if not rows:
        return
    print(f"{title}, now and then:")
    for name, (before, after) in list(rows.items())[:_SHOWN]:
        print(f"    {name:<30} {before:>6} {after:>6}")
    _more(list(rows))


def _more(items: Sequence[object]) -> None:
    if len(items) > _SHOWN:
        print(f"    and {len(items) - _SHOWN} more")
