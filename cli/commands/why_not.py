"""`padit why-not`: why an alert of a series was, or was not, sent to somebody."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing

from padit.alerting.effects import Outcome
from padit.alerting.entries import AlertEvent
from padit.alerting.fates import fate_of
from padit.alerting.notifiers.base import plain
from padit.alerting.policy import AlertingConfig
from padit.alerting.preview import preview
from padit.alerting.sentences import Told
from padit.alerting.store.opening import open_recorded
from padit.alerting.unalerted import Recorded, Unalerted
from padit.analysis.alert_files import read_lines
from padit.analysis.audit_log import read_audit_log
from padit.analysis.explain.history import Reading
from padit.analysis.explain.series_replay import SeriesReplay, replay_series
from padit.analysis.silenced import silenced_lines
from padit.cli.commands.whatif import add_past, entries_of
from padit.cli.times import time_of
from padit.domain.config import JobConfig, load_config, load_model
from padit.domain.timestamps import MICROS, format_utc, seconds_to_micros
from padit.pipelines.bounds import SECONDS, SECONDS_OR_NONE, Number
from padit.pipelines.option_checks import windows_of
from padit.transforms.windows import WindowOptions

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Explain what became of the alerts of a series on each route, and why."
EXAMPLES = """examples:
  padit why-not press-1 torque_nm --config alerting.yaml --alerts alerts.jsonl
  padit why-not press-1 torque_nm --at 2026-11-28T03:10:00Z --config alerting.yaml \\
      --data /var/lib/padit/alerting
  padit why-not press-1 torque_nm --at 2026-11-28T03:10:00Z --config alerting.yaml \\
      --alerts alerts.jsonl --features features.jsonl --late late.jsonl --dlq dlq.jsonl
  padit why-not press-1 torque_nm --at 2026-11-28T03:10:00Z --config alerting.yaml \\
      --alerts alerts.jsonl --input kafka://127.0.0.1:9092/metrics --job-config job.yaml

What the job recorded is used; where one of --features, --late and --dlq is missing, it is computed
again from --input: all of it is read, and the rows of the source go through the job's own code.
With --audit it says which alerts peers silenced (option `peers` of the job), and which peers.
With --at only the transitions within an hour count. With --data it says, too, what came of each
message: delivered, waiting (its receiver fails, or is left alone), or dead with the reason. Exit
codes: 0 there are some; 1 the job wrote no alert of that series then, and what can be done about
it; 2 something cannot be read.
"""
_NEAR = 3600 * MICROS
_FOREVER = 2**62
_UNKNOWN = (
    ": no data, a dead letter, late, still warming up, or a score below the threshold; give "
    "--features, --late and --dlq of the job, or its --input, to see which"
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
    add("--job-config", help="YAML file of the job, for its open_at, and for --input")
    add("--input", help="input of the job, to compute again what it did not record")
    add("--start_time", help="read --input from here on; give the job time to warm up")
    add("--window_size_sec", type=SECONDS, default=300.0, help="as the job had it (default 300)")
    add("--extract_interval_sec", type=SECONDS, default=60.0, help="as the job had it (default 60)")
    add(
        "--out_of_orderness_sec",
        type=SECONDS_OR_NONE,
        default=10.0,
        help="as the job had it (default 10)",
    )
    add("--max_ahead_sec", type=SECONDS, default=3600.0, help="as the job had it (default 3600)")
    add(
        "--max_samples",
        type=Number(1, 1_000_000),
        default=1000,
        help="as the job had it (default 1000)",
    )


def run(args: argparse.Namespace) -> int:
    """Print each transition with its outcomes."""
    entries = entries_of(args)
    config = load_model(args.config, AlertingConfig)
    when = time_of("--at", args.at) if args.at else None
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
            + ("" if args.features or args.input else _UNKNOWN)
        )
        for reason in (*_silenced(args, when), *_unalerted(args, when)):
            print(f"    {reason}")
        return 1
    outcomes: dict[str, list[Outcome]] = {}
    effects = preview(config, entries).effects
    for effect in effects:
        if isinstance(effect, Outcome):
            outcomes.setdefault(effect.transition, []).append(effect)
    with ExitStack() as stack:
        fate = _fates(args.data, stack)
        _print(wanted, outcomes, Told(effects, fate))
    return 0


def _fates(place: str | None, stack: ExitStack) -> Callable[[str], str]:
    """What came of a message, where the store of the service is there to be asked."""
    if not place:
        return lambda message: ""
    store = stack.enter_context(closing(open_recorded(place)))
    return lambda message: fate_of(store, message)


def _print(wanted: Iterable[AlertEvent], outcomes: Mapping[str, list[Outcome]], told: Told) -> None:
    for one in wanted:
        print(f"{format_utc(one.time)} {one.kind} {one.severity} {one.score:.2f} "
              f"{plain(one.summary)}")  # fmt: skip
        for outcome in outcomes.get(one.id, []):
            print(f"    {told.line(outcome)}")
        if one.id not in outcomes:
            print("    waits: its outcome is open at the end of the recording")


def _silenced(args: argparse.Namespace, when: int | None) -> Iterable[str]:
    """Alerts that peers silenced, where the audit log is given."""
    if not args.audit:
        return []
    return silenced_lines(read_audit_log(args.audit), (args.source, args.metric), when, _NEAR)


def _unalerted(args: argparse.Namespace, when: int | None) -> list[str]:
    job = load_config(args.job_config)
    places = (args.features, args.late, args.dlq)
    lines: list[Iterable[bytes] | None] = [read_lines(place) if place else None for place in places]
    notes = []
    if args.input and not all(places):
        again = _replayed(args, job, when)
        computed = (again.features, again.late, again.dead)
        lines = [have if have is not None else new
                 for have, new in zip(lines, computed, strict=True)]  # fmt: skip
        notes = _transitions(again, when, args.input)
    one = Unalerted(args.source, args.metric, when, _NEAR, job.alerts.open_at)
    return [*one.explain(Recorded(*lines)), *notes]


def _replayed(args: argparse.Namespace, job: JobConfig, when: int | None) -> SeriesReplay:
    reading = Reading(
        args.input,
        job.input,
        None if args.start_time is None else time_of("--start_time", args.start_time),
        seconds_to_micros(args.out_of_orderness_sec),
        seconds_to_micros(args.max_ahead_sec),
    )
    sizes = {"window_size_sec": args.window_size_sec,
             "extract_interval_sec": args.extract_interval_sec}  # fmt: skip
    checked = windows_of(sizes)
    windows = WindowOptions(checked["window_size"], checked["extract_interval"], args.max_samples)
    until = _FOREVER if when is None else when + _NEAR + windows.interval
    return replay_series((args.source, args.metric), reading, job, windows, until)


def _transitions(again: SeriesReplay, when: int | None, place: str) -> list[str]:
    """Alerts that the job would write today: then it had other rows, or other settings."""
    near = [one for one in again.transitions if when is None or abs(one.time - when) <= _NEAR]
    notes = [f"computed again from {place}: {again.read:,} rows were read"]
    if near:
        shown = ", ".join(f"{one.kind} {format_utc(one.time)}" for one in near[:3])
        notes.append(
            f"from these rows the job would write an alert today ({shown}): then it had other "
            "rows or other settings, or those alerts are not in --alerts"
        )
    return notes
