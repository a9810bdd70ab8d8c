"""`padit store`: topics to a store (PostgreSQL, ...); one process a store, Kafka is the spool."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import yaml

from padit.domain.errors import ConfigurationError
from padit.domain.yaml_text import read_yaml
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Keep metrics, features, anomalies and alerts in a store, so that people can query them."
EXAMPLES = """examples:
  padit store postgresql://127.0.0.1:5432/plant --from kafka://127.0.0.1:9092/{metrics,alerts}
  padit store postgresql://db/plant --config store.yaml \\
      --from kafka://127.0.0.1:9092/plant-7-metrics?content=metrics

What a topic holds follows from its name, or from ?content=metrics|features|anomalies|alerts. A
store that is away stalls nothing: Kafka keeps what comes, and the process catches up in order.
Passwords come from the environment or from a file (client_config=FILE). docs/stores.md lists all.
Exit codes: 0 done; 1 the topics cannot be read; 2 an option, the store or a secret is wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The store, its topics, and how to behave when it is away."""
    add = parser.add_argument
    add("store", metavar="URI", help="of the store, as postgresql://host:5432/database")
    add(
        "--from",
        dest="topics",
        nargs="+",
        action="extend",
        default=[],
        metavar="TOPIC",
        help="topics, as kafka://host:9092/{metrics,alerts}",
    )
    add("--config", help="YAML file with settings of the store")
    add("--name", help="of this reader, under which positions are kept; by default of the store")
    add("--dead_letters", help="what cannot be used, for stores that do not keep it: a sink")
    add("--labels", default="", help="keys of the samples' metadata that become labels: a,b")
    add("--stop_at_end", action="store_true", help="end once all is read that there is")
    add(
        "--max_ahead_sec",
        type=Number(0.0, 315_360_000.0, "seconds"),
        default=3600.0,
        help="as that of `padit run`",
    )
    add(
        "--survive_sec",
        type=Number(0.0, 315_360_000.0, "seconds"),
        default=86_400.0,
        help="warn about topics that keep less than so many seconds (default: a day)",
    )
    add(
        "--breaker_sec",
        type=Number(0.1, 86_400.0, "seconds"),
        default=60.0,
        help="pause of a store that fails often",
    )


def run(args: argparse.Namespace) -> int:
    """Work until stopped by a signal, or until the topics are read."""
    try:
        from padit.stores.consume import Pace
        from padit.stores.service import Plan, serve
    except ModuleNotFoundError as error:
        message = f"`padit store` needs {error.name}: pip install 'padit[stores]'"
        raise ConfigurationError(message) from error
    plan = Plan(
        args.store,
        args.topics,
        _settings(args.config),
        args.name,
        args.dead_letters,
        args.stop_at_end,
        args.max_ahead_sec,
        args.survive_sec,
        Pace(open=args.breaker_sec, longest=min(30.0, args.breaker_sec)),
        tuple(one for one in args.labels.split(",") if one),
    )
    stopped = threading.Event()
    before = {
        one: signal.signal(one, lambda *_: stopped.set()) for one in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        serve(plan, stopped, lambda text: print(text, file=sys.stderr, flush=True))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _settings(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = read_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"--config {path} cannot be read: {error}"
        raise ConfigurationError(message) from error
    if not isinstance(found, dict):
        message = f"--config {path} must be a mapping, it is a {type(found).__name__}"
        raise ConfigurationError(message)
    return found
