"""`padit why-not`: why an alert of a series was, or was not, sent to somebody."""

import argparse

from padit.alerting.effects import Outcome
from padit.alerting.entries import AlertEvent
from padit.alerting.policy import AlertingConfig
from padit.alerting.preview import preview
from padit.alerting.unalerted import Recorded, Unalerted
from padit.analysis.alert_files import read_lines
from padit.cli.commands.whatif import add_past, entries_of
from padit.domain.config import load_config, load_model
from padit.domain.timestamps import MICROS, format_utc, parse_timestamp

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Explain what became of the alerts of a series on each route, and why."
EXAMPLES = """examples:
  padit why-not press-1 torque_nm --config alerting.yaml --alerts alerts.jsonl
  padit why-not press-1 torque_nm --at 2026-11-28T03:10:00Z --config alerting.yaml \\
      --data /var/lib/padit/alerting
  padit why-not press-1 torque_nm --at 2026-11-28T03:10:00Z --config alerting.yaml \\
      --alerts alerts.jsonl --features features.jsonl --late late.jsonl --dlq dlq.jsonl

With --at only the transitions within an hour count. Exit codes: 0 there are some; 1 the job wrote
no alert of that series then, and what can be done about it; 2 something cannot be read.
"""
_NEAR = 3600 * MICROS
_UNKNOWN = (
    ": no data, a dead letter, late, still warming up, or a score below the threshold; give "
    "--features (of the job, or of `padit replay` over the topic), --late and --dlq to see which"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The series, the time, the past."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="source_id")
    add("metric", metavar="METRIC", help="metric_name")
    add("--at", help="event time, RFC 3339")
    add("--config", required=True, help="YAML file of `padit alerting`")
    add_past(parser)
    add("--features", help="what the job wrote with --features, to explain why there is no alert")
    add("--late", help="what it wrote with --late")
    add("--dlq", help="what it wrote with --dlq")
    add("--job-config", help="YAML file of the job, for its open_at")


def run(args: argparse.Namespace) -> int:
    """Print each transition with its outcomes."""
    entries = entries_of(args)
    config = load_model(args.config, AlertingConfig)
    when = parse_timestamp(args.at) if args.at else None
    wanted = [
        one
        for one in entries
        if isinstance(one, AlertEvent)
        and (one.source_id, one.metric_name) == (args.source, args.metric)
        and (when is None or abs(one.time - when) <= _NEAR)
    ]
    if not wanted:
        print(
            f"the job wrote no alert of {args.source} {args.metric}"
            + (f" within an hour of {args.at}" if args.at else "")
            + ("" if args.features else _UNKNOWN)
        )
        for reason in _unalerted(args, when):
            print(f"    {reason}")
        return 1
    outcomes: dict[str, list[Outcome]] = {}
    for effect in preview(config, entries).effects:
        if isinstance(effect, Outcome):
            outcomes.setdefault(effect.transition, []).append(effect)
    for one in wanted:
        print(f"{format_utc(one.time)} {one.kind} {one.severity} {one.score:.2f} {one.summary}")
        for outcome in outcomes.get(one.id, []):
            detail = f" ({outcome.detail})" if outcome.detail else ""
            print(f"    {outcome.route or 'no route'}: {outcome.reason.value}{detail}")
        if one.id not in outcomes:
            print("    waits: its outcome is open at the end of the recording")
    return 0


def _unalerted(args: argparse.Namespace, when: int | None) -> list[str]:
    open_at = load_config(args.job_config).alerts.open_at
    places = (args.features, args.late, args.dlq)
    lines = [read_lines(place) if place else None for place in places]
    one = Unalerted(args.source, args.metric, when, _NEAR, open_at)
    return one.explain(Recorded(*lines))
