"""`padit archive`: a topic as Parquet on a disk, S3 or Google Cloud Storage; and asking it."""

import argparse
import signal
import sys
import threading

from padit.domain.errors import ConfigurationError
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Archive a topic as Parquet in object storage, look after the archive, and ask it in SQL."
EXAMPLES = """examples:
  padit archive s3://plant/metrics --from kafka://127.0.0.1:9092/metrics --live
  padit archive /data/archive/metrics --from kafka://127.0.0.1:9092/metrics
  padit archive s3://plant/metrics --check
  padit archive s3://plant/metrics --compact
  padit archive s3://plant/metrics --ask \\
      "SELECT source_id, count(*), avg(value) FROM archive GROUP BY ALL ORDER BY 1"
  padit replay --input s3://plant/metrics --output alerts.jsonl --start_time=2026-01-05T06:00:00Z

A replay gives the results of the topic itself, to the byte. Credentials of S3 come from
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or the role of the machine, or from a file:
s3://bucket/folder?client_config=FILE (access_key=..., secret_key=...); of another server also
?endpoint=http://minio:9000. docs/archive.md says all.
Exit codes: 0 done; 1 the topic cannot be read, or --check found damage; 2 an option, the place or
a secret is wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The archive, and what is done with it."""
    add = parser.add_argument
    add("archive", metavar="URI", help="of the archive: s3://bucket/folder, gs://..., or a folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--from", dest="topic", metavar="TOPIC", help="archive kafka://host:9092/topic"
    )
    what.add_argument(
        "--check", action="store_true", help="read all, and say what is not as it was"
    )
    what.add_argument("--compact", action="store_true", help="merge small files")
    what.add_argument("--ask", metavar="SQL", help="a query of DuckDB; the table is `archive`")
    what.add_argument("--files", action="store_true", help="print the files that count")
    add("--live", action="store_true", help="go on with what comes, until stopped")
    add(
        "--commit_sec",
        type=Number(0.1, 86_400.0, "seconds"),
        default=60.0,
        help="longest time until records are archived",
    )
    add(
        "--commit_records",
        type=Number(1, 100_000_000),
        default=1_000_000,
        help="records after which they are, too",
    )
    add(
        "--source_groups",
        type=Number(1, 64),
        default=4,
        help="folders of sources; of a new archive (1-64)",
    )
    add("--allow_missing", action="store_true", help="go on where the topic has lost records")
    add(
        "--patience_sec",
        type=Number(0.0, 86_400.0, "seconds"),
        default=60.0,
        help="how long to wait for what is away",
    )
    add(
        "--survive_sec",
        type=Number(0.0, 315_360_000.0, "seconds"),
        default=86_400.0,
        help="with --live: warn about a topic that keeps less than the archive may be away",
    )
    add("--clean", action="store_true", help="with --check: delete files that do not count")


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    try:
        return _run(args)
    except ModuleNotFoundError as error:
        message = f"`padit archive` needs {error.name}: pip install 'padit[stores]'"
        raise ConfigurationError(message) from error


def _run(args: argparse.Namespace) -> int:
    if args.topic:
        return _archive(args)
    from padit.stores import archive_care, archive_query
    from padit.stores.archive_service import open_place

    place = open_place(args.archive)
    if args.ask:
        sys.stdout.write(archive_query.ask(place, args.ask))
    elif args.files:
        sys.stdout.writelines(f"{one}\n" for one in archive_query.files(place))
    elif args.compact:
        print(archive_care.compact(place).line(), file=sys.stderr)
    else:
        found = archive_care.check(place, clean=args.clean)
        sys.stdout.writelines(f"{line}\n" for line in found.lines())
        return 0 if found.sound else 1
    return 0


def _archive(args: argparse.Namespace) -> int:
    from padit.stores.archive_service import Plan, archive_topic

    plan = Plan(
        args.topic, args.archive, args.live, args.commit_sec, args.commit_records,
        args.source_groups, args.allow_missing, args.patience_sec,
        args.survive_sec,
    )  # fmt: skip
    stopped = threading.Event()
    before = {
        one: signal.signal(one, lambda *_: stopped.set()) for one in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        done = archive_topic(plan, stopped, lambda text: print(text, file=sys.stderr, flush=True))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    whole = f", {done.raw} of them whole, as no columns give them" if done.raw else ""
    tried = f"; {done.failures} attempts failed" if done.failures else ""
    sys.stderr.write(f"{done.records} records archived in {done.commits} commits{whole}{tried}\n")
    return 0
