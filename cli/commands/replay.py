"""`padit replay`: the same job over the present content of a topic or of files."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from padit.analysis.audit_log import audit_log_beside, read_run_totals
from padit.cli.commands._job import add_job_arguments, arguments, finish, show_end
from padit.connectors.uris import parse_address
from padit.domain.errors import ConfigurationError
from padit.pipelines.job import run_to_end

HELP = "Run the job over a historical topic, by offsets or by time, or over files."
EXAMPLES = """examples:
  padit replay --input kafka://127.0.0.1:9092/metrics --output alerts.jsonl
  padit replay --input kafka://127.0.0.1:9092/metrics --output alerts.jsonl \\
      --start_time=2026-01-05T06:00:00Z --end_time=2026-01-05T18:00:00Z
  padit replay --input kafka://127.0.0.1:9092/metrics --output tuned.jsonl \\
      --start_offset=1000 --end_offset=50000 --window_size_sec=120
  padit replay --input machines.jsonl --output alerts.jsonl --config now.yaml --config new.yaml

A replay gives the alerts that the live job gave, to the byte; compare with `padit diff`.
Several configurations read the input once; the results of each carry its name
(alerts.now.jsonl, alerts.new.jsonl; topics alerts.now, alerts.new). `padit sweep` tries many.

Exit codes: 0 done; 1 the job failed, a part is broken, or an input or output cannot be
reached; 2 the command line or a configuration is wrong; 3 nothing could be read, or too
much was lost (--max_loss_share, --strict).
"""
PASS_THROUGH = True
_RESULTS = ("output", "anomalies", "features", "audit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the job; `--config` may come more than once."""
    add_job_arguments(parser)
    # It replaces the job's own option, which takes one file.
    group = parser.add_argument_group("detectors and alerts", conflict_handler="resolve")
    group.add_argument(
        "--config",
        action="append",
        default=argparse.SUPPRESS,
        help="YAML file with detectors and alert settings; may come more than once.",
    )


def run(args: argparse.Namespace) -> int:
    """Run to the present end of the input."""
    configs: list[str] = getattr(args, "config", [])
    if len(configs) > 1:
        return _several(args, configs)
    if configs:
        args.config = configs[0]
    return finish(args, live=False)


def _several(args: argparse.Namespace, configs: list[str]) -> int:
    """One run, with results of its own for each configuration."""
    names = [PurePath(config).stem for config in configs]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"two configurations are named {twice[0]}; results are named after them"
        raise ConfigurationError(message)
    places = {name: _places(args, name) for name in names}
    lines = {
        name: arguments(args, config=config, **places[name])
        for name, config in zip(names, configs, strict=True)
    }
    first, *others = names
    ended = run_to_end(lines[first], live=False, shadow={name: lines[name] for name in others})
    for name in names:
        place = places[name]["output"]
        counts = read_run_totals(places[name].get("audit") or audit_log_beside(place))
        told = _told(counts) if counts else 0
        count = f"{told} alerts in " if counts else ""
        sys.stderr.write(f"{name}: {count}{place}\n")
    return 0 if ended is None else show_end(ended)


def _places(args: argparse.Namespace, name: str) -> dict[str, str]:
    """Places for the results of a configuration."""
    given: dict[str, Any] = {one: getattr(args, one, None) for one in _RESULTS}
    if given["output"] in (None, "-", "stdout"):
        message = "several configurations need a place for each one's alerts: --output alerts.jsonl"
        raise ConfigurationError(message)
    return {one: _named(place, name) for one, place in given.items() if place}


def _named(place: str, name: str) -> str:
    """A place with the name of the configuration added."""
    address = parse_address(place)
    if address.kind == "null":
        return place
    return address.beside(name)


def _told(counts: Mapping[str, int]) -> int:
    """Alerts that opened, without those that peers silenced."""
    return counts["alerts"] - counts.get("silenced", 0) + counts.get("released", 0)
