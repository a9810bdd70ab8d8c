"""`padit sweep`: evaluate many configurations on one recording, and keep the best."""

import argparse
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from padit.analysis.documents import write_document
from padit.analysis.losses.report import Counted, Limits, Verdict, judge, opening
from padit.analysis.sweep.evaluate import Alerted, Job, WindowSetting, evaluate
from padit.analysis.sweep.labels import labels_for
from padit.analysis.sweep.page import write_page
from padit.analysis.sweep.recording import Recording, read_recording
from padit.analysis.sweep.results import Results, command_of, config_text, table_of, write_csv
from padit.analysis.sweep.score import Wish, measure, ranked
from padit.analysis.sweep.space import read_sweep_file
from padit.analysis.sweep.trials import WINDOW_OPTIONS, Trials, jobs_of, make_trials
from padit.cli.commands._job import LOST_TOO_MUCH
from padit.codecs.validate import Validate
from padit.connectors.side_outputs import LabelLog
from padit.connectors.units import with_labels, with_units
from padit.connectors.uris import Bounds, source_from_uri
from padit.domain.config import JobConfig, load_config
from padit.domain.errors import ConfigurationError, LossError
from padit.domain.findings import Findings
from padit.ops.progress_bar import Progress
from padit.ops.run_context import RunProgress
from padit.pipelines.bounds import Number
from padit.pipelines.options import JobOptions, PaditOptions, parse_options
from padit.pipelines.run_report import say
from padit.transforms.windows import WindowOptions

HELP = "Try many window and detector parameters on a recording, and keep the best."
EXAMPLES = """examples:
  padit sweep machines.jsonl --grid sweep.yaml --labels labels.json --output best.yaml
  padit sweep kafka://127.0.0.1:9092/metrics --grid sweep.yaml --search random --trials 200 \\
      --seed 7 --jobs 4 --alerts_per_day 5 --csv sweep.csv --html sweep.html
  padit sweep "archive/*.parquet" --grid sweep.yaml --config now.yaml \\
      --start_time=2026-01-05T06:00:00Z --end_time=2026-01-06T06:00:00Z

sweep.yaml lists the parameters that vary; docs/sweep.md explains it and every measure:
  config: pipelines/demo/factory.yaml            # optional start
  vary:
    window_size_sec: [120, 300]                  # a list,
    detectors.rule.torque_nm.median_below:       # or a range: with steps or step for a grid
      {from: 10, to: 18, steps: 5}
    alerts.open_at: 0.7                          # or one value

The alerts of a configuration are those of `padit replay`, to the byte. The window and reading
options of `padit replay` (--window_size_sec, --start_time, --end_offset, ...) may follow.
"""
PASS_THROUGH = True
READING = (
    "start_time", "end_time", "start_offset", "end_offset", "max_record_bytes", "max_ahead_sec",
    "broker_timeout_sec",
)  # fmt: skip
_FAILING = ("max_loss_share", "strict")
_KEPT = (*READING, *_FAILING)
_WISH = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("recording", metavar="RECORDING", help="kafka://host:9092/topic, or files, as of replay")
    add("--grid", required=True, metavar="FILE", help="YAML file with the parameters that vary")
    add("--config", help="configuration to start from; overrides `config` of the grid file")
    add("--labels", help="ground truth (.json or .csv of padit simulate, .json of NAB)")
    add("--search", choices=("grid", "random"), default="grid",
        help="every combination (default), or draws from the bounds")  # fmt: skip
    add("--trials", type=Number(1, 1_000_000), help="random: how many configurations (default 100)")
    add(
        "--seed",
        type=Number(0, 2**63 - 1),
        default=0,
        help="random: the same seed draws the same (default 0)",
    )
    add("--jobs", type=Number(1, 1024), default=os.cpu_count() or 1,
        help="parallel processes (default: one for each processor); changes no result")  # fmt: skip
    add("--alerts_per_day", type=Number(0.0, 1e6), default=_WISH,
        help=f"without labels: how many a day are wished for (default {_WISH:g})")  # fmt: skip
    add("--top", type=Number(1, 1_000_000), default=20, help="lines of the table (default 20)")
    add("--output", metavar="FILE", help="the best configuration, as YAML for --config")
    add("--csv", metavar="FILE", help="all configurations with all measures")
    add("--html", metavar="FILE", help="a page with plots; needs no network")


_PEERS = (
    "peers: a sweep judges each source alone, so alerts that peers would silence are counted; "
    "`padit replay` with the configuration says how many"
)


def run(args: argparse.Namespace) -> int:
    """Sweep, print the table and one JSON line.

    Raises:
        PaditError: an option, a file or the recording is wrong.
    """
    started = time.monotonic()
    _check(args)
    raw = _job_options(args)
    trials = _trials(args, raw)
    _tell_left_out(trials)
    jobs, places = jobs_of(trials.tried)
    job = JobOptions.checked({**raw, **trials.tried[0].options})
    recording, verdict = _read(job, trials.tried[0].config, jobs, args.jobs)
    say(verdict.lines)
    if any(config.alerts.peers is not None for one in jobs for config in one.configs):
        say([_PEERS])
    wish = _wish(args, recording)
    found = _evaluate(recording, jobs, args.jobs)
    results = _judge(args, trials, [found[job][place] for job, place in places], wish, recording)
    _write(args, results, [f"--{name}={raw[name]}" for name in _given(args) if name in _KEPT])
    sys.stdout.write(table_of(results, args.top))
    sys.stdout.write(_line(results, recording, len(jobs), time.monotonic() - started))
    return LOST_TOO_MUCH if verdict.failed else 0


def _check(args: argparse.Namespace) -> None:
    if args.trials is not None and args.search == "grid":
        message = "--trials is for --search random; a grid tries every combination"
        raise ConfigurationError(message)


def _job_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the job by name, with the defaults of those that are not given."""
    _given(args)
    options = parse_options([f"--input={args.recording}", *args.rest])
    raw: dict[str, Any] = options.view_as(PaditOptions).get_all_options()
    return raw


def _trials(args: argparse.Namespace, raw: Mapping[str, Any]) -> Trials:
    file = read_sweep_file(args.grid)
    path = args.config or (file.config and _shadow(args.grid, file.config))
    random = (args.trials or 100, args.seed) if args.search == "random" else None

    def check(options: Mapping[str, Any]) -> WindowSetting:
        job = JobOptions.checked({**raw, **options})
        shape = WindowOptions(job.window_size, job.extract_interval, job.max_samples)
        return WindowSetting(shape, job.out_of_orderness)

    return make_trials(file, load_config(path) if path else None, raw, check, random)


def _shadow(grid: str, config: str) -> str:
    """A configuration named in a file: the path itself, or relative to the file."""
    near = os.path.join(os.path.dirname(grid), config)
    return near if not os.path.exists(config) and os.path.exists(near) else config


def _tell_left_out(trials: Trials) -> None:
    if trials.left_out:
        values, why = trials.left_out[0]
        given = ", ".join(f"{name}={value}" for name, value in values.items())
        sys.stderr.write(
            f"left out {len(trials.left_out)} combinations, the first with {given}: {why}\n"
        )


def _read(
    job: JobOptions, config: JobConfig, jobs: list[Job], processes: int
) -> tuple[Recording, Verdict]:
    """The recording, and whether too much of it was lost."""
    bounds = Bounds(job.start_time, job.end_time, job.start_offset or "earliest", job.end_offset,
                    patience=job.broker_timeout_sec)  # fmt: skip
    source = with_labels(source_from_uri(job.input, bounds, config.input), config.labels)
    source = with_units(source, config.series)
    ranges = source.ranges()
    findings = source.findings()
    say(opening(findings))
    seen = _Counter()
    with Progress(seen.look, sum((one.stop or 0) - one.start for one in ranges)):
        try:
            recording = read_recording(
                source,
                ranges,
                LabelLog(Validate(job.max_record_bytes, job.max_ahead, config.labels), source.name),
                sorted({one.setting.out_of_orderness for one in jobs}),
                processes,
                seen.add,
            )
        except LossError as error:
            if (job.start_time, job.end_time, job.end_offset) == (None, None, None):
                raise
            message = f"{error}; or {source.name} has no rows between the bounds"
            raise ConfigurationError(message) from error
    late, kept = recording.late_at_best, len(recording.rows)
    dead = recording.dead_lettered
    counted = Counted(kept + dead, kept - late, late, dead)
    limits = Limits(job.max_loss_share, job.strict)
    say(opening(Findings(unwatched=recording.unwatched)))
    findings = findings.adding(recording.unwatched)
    return recording, judge(counted, findings, recording.losses, limits, source.name)


class _Counter:
    """Counts for a progress display in another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, more: int) -> None:
        with self._lock:
            self._count += more

    def look(self) -> RunProgress:
        return RunProgress(rows=self._count)


def _wish(args: argparse.Namespace, recording: Recording) -> Wish:
    if not args.labels:
        return Wish(None, args.alerts_per_day, recording.span)
    labels = labels_for(args.labels, recording.rows.series, recording.span)
    if labels.ignored:
        sys.stderr.write(f"{args.labels}: {labels.ignored} labels lie outside the recording\n")
    return Wish(labels.truths, args.alerts_per_day, recording.span)


def _evaluate(recording: Recording, jobs: list[Job], processes: int) -> list[list[list[Alerted]]]:
    total = len(recording.rows) * sum(len(job.configs) for job in jobs)
    done = _Counter()
    with Progress(done.look, total, "rows judged"):
        return evaluate(recording, jobs, processes, done.add)


def _judge(
    args: argparse.Namespace,
    trials: Trials,
    alerts: list[list[Alerted]],
    wish: Wish,
    recording: Recording,
) -> Results:
    tried, varied, grid = trials.tried, trials.varied, args.search == "grid"
    windows = [one.setting.windows.size for one in tried]
    places = [{path: one.values[path] for path in varied} for one in tried]
    measures = measure(alerts, windows, places, wish, grid=grid)
    return Results(
        args.recording, tried, measures, ranked(measures), varied, wish, len(recording.rows), grid
    )


def _write(args: argparse.Namespace, results: Results, bounds: list[str]) -> None:
    best = results.order[0]
    config = args.output or "best.yaml"
    if args.output:
        write_document(
            args.output, config_text(results, best, config, bounds), "`padit sweep` tried"
        )
    if args.csv:
        write_csv(args.csv, results)
    if args.html:
        write_page(args.html, results, config_text(results, best, config, bounds))
    command = command_of(results, best, config, bounds)
    sys.stderr.write(f"the best, replayed:\n  {command}\n" if args.output else "")


def _line(results: Results, recording: Recording, windows: int, seconds: float) -> str:
    best = results.order[0]
    found = {name: one for name, one in asdict(results.measures[best]).items() if one is not None}
    summary = {
        "configurations": len(results.trials),
        "window_settings": windows,
        "rows": results.rows,
        "dead_lettered": recording.dead_lettered,
        "best": {"values": results.trials[best].values, **found},
        "seconds": round(seconds, 3),
    }
    return msgspec.json.encode(summary).decode() + "\n"


def _given(args: argparse.Namespace) -> list[str]:
    """Names of the job's options on the command line."""
    names = [one.split("=", 1)[0].removeprefix("--") for one in args.rest if one.startswith("--")]
    for name in names:
        if name not in (taken := (*WINDOW_OPTIONS, *READING, *_FAILING)):
            allowed = ", ".join(f"--{one}" for one in taken)
            message = f"padit sweep takes no --{name}; of the job's options it takes {allowed}"
            raise ConfigurationError(message)
    return names
