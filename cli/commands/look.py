"""`padit look`: what a job would read of a file or a topic, and what not."""

import argparse
import sys

import msgspec

from padit.analysis.look.page import command_of, page_of, quoted, values_of
from padit.analysis.look.survey import Extent, Survey, survey
from padit.codecs.validate import Validate
from padit.connectors.file_plan import NoTimeError
from padit.connectors.side_outputs import LabelLog
from padit.connectors.units import with_labels
from padit.connectors.uris import Bounds, parse_address, source_from_uri
from padit.domain.config import load_config
from padit.domain.errors import ConfigurationError, LossError, SourceError
from padit.domain.findings import Guess
from padit.pipelines.bounds import Number
from padit.pipelines.options import JobOptions, parse_options
from padit.transforms.detectors import create_detector

HELP = "Look at a file or topic: what would be read, what not, and why."
EXAMPLES = """examples:
  padit look machines.csv
  padit look 'export.csv?delimiter=;&timestamp=Time'
  padit look kafka://127.0.0.1:9092/metrics --records 1000
  padit look archive.parquet --config job.yaml --json

It shows the series with their counts, times and sampling intervals, ten samples, what was guessed
and what is not watched, what would be lost and why, each with the option that changes it, and the
command to go on with. It reads as the job does, and writes nothing. The options of `padit run`
about reading (--config, --start_time, --end_offset, --out_of_orderness_sec, ...) may follow.

Exit codes: 0 there is something to read; 2 an option is wrong; 3 nothing can be read.
"""
PASS_THROUGH = True
_READING = (
    "config", "out_of_orderness_sec", "start_time", "end_time", "start_offset", "end_offset",
    "max_record_bytes", "max_ahead_sec", "broker_timeout_sec", "allow_missing",
)  # fmt: skip
_NOT_OF_RUN = ("start_offset", "end_offset", "start_time", "end_time")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("input", metavar="INPUT", help="a file, a pattern, or kafka://HOST:PORT/TOPIC")
    add(
        "--records",
        type=Number(1, 10_000_000),
        default=50_000,
        help="read at most so many of each partition: the last of a topic, the first of a file "
        "(default 50,000)",
    )
    add(
        "--seconds",
        type=Number(0.1, 3600.0, "seconds"),
        default=20.0,
        help="read at most so long (default 20)",
    )
    add("--json", action="store_true", help="print a JSON object, for programs")


def run(args: argparse.Namespace) -> int:
    """Look, and show what was found.

    Raises:
        ConfigurationError: an option is wrong.
        LossError: nothing can be read.
    """
    _check(args.rest)
    try:
        uri, seen = args.input, _survey(args, args.input)
    except NoTimeError as error:
        uri, seen = _named(args, error)
    except SourceError as error:
        message = f"nothing can be read: {error}"
        raise LossError(message) from error
    command = command_of(uri, seen, _kept(args.rest, replaced=bool(seen.behind)))
    if args.json:
        sys.stdout.write(msgspec.json.encode(values_of(seen, command)).decode() + "\n")
    else:
        sys.stdout.write(page_of(seen, command))
    return 0 if seen.counted.scored else 3


def _named(args: argparse.Namespace, error: NoTimeError) -> tuple[str, Survey]:
    """Look again with the column of times that names or cells suggest, and say so."""
    message = f"nothing can be read: {error}"
    if not error.likely or "timestamp=" in args.input:
        raise LossError(message) from error
    option = f"timestamp={quoted(error.likely)}"
    uri = f"{args.input}{'&' if '?' in args.input else '?'}{option}"
    try:
        seen = _survey(args, uri)
    except SourceError as second:
        message = f"nothing can be read with {option}: {second}"
        raise LossError(message) from second
    what = f"the event time is in {error.likely!r}, {error.why}; `padit run` needs it stated"
    return uri, seen.guessing(Guess(seen.name, what, f"timestamp={error.likely}"))


def _survey(args: argparse.Namespace, uri: str) -> Survey:
    job = JobOptions.of(parse_options([f"--input={uri}", *args.rest]))
    config = load_config(job.config)
    if job.config is not None:  # the command to go on with must not fail at its own file
        for one in config.detectors:
            create_detector(one.name, one.parameters)
    source = source_from_uri(
        job.input,
        Bounds(
            start_time=job.start_time,
            stop_time=job.end_time,
            start=job.start_offset or "earliest",
            stop=job.end_offset,
            patience=job.broker_timeout_sec,
            allow_missing=job.allow_missing,
        ),
        config.input,
    )
    source = with_labels(source, config.labels)
    extent = Extent(args.records, args.seconds, bool(parse_address(job.input).host))
    return survey(
        source,
        LabelLog(Validate(job.max_record_bytes, job.max_ahead, config.labels), source.name),
        job.out_of_orderness,
        extent,
    )


def _check(rest: list[str]) -> None:
    for name in _names(rest):
        if name not in _READING:
            allowed = ", ".join(f"--{one}" for one in _READING)
            message = (
                f"padit look takes no --{name}; of the options of `padit run` it takes {allowed}"
            )
            raise ConfigurationError(message)


def _names(rest: list[str]) -> list[str]:
    return [one.split("=", 1)[0].removeprefix("--") for one in rest if one.startswith("--")]


def _kept(rest: list[str], *, replaced: bool) -> list[str]:
    """The given options that `padit run` should get, too; where it begins and ends is its own."""
    left_out = (*_NOT_OF_RUN, *(("out_of_orderness_sec",) if replaced else ()))
    kept: list[str] = []
    keep = True
    for word in rest:
        if word.startswith("--"):
            keep = word.split("=", 1)[0].removeprefix("--") not in left_out
        if keep:
            kept.append(word)
    return kept
