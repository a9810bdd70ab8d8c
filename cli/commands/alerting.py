"""`padit alerting`: who hears of the job's alerts; reads topics or files, delivers to receivers."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from padit.alerting.figures import Figures
from padit.alerting.inputs import input_of
from padit.alerting.policy import AlertingConfig, never_taken
from padit.alerting.report import account, in_vain
from padit.alerting.store.refusals import command_results, refused_by_place
from padit.connectors.uris import parse_address
from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError
from padit.ops.stats import Stats

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Send the job's alerts to people: routes, silences, incidents; keeps them until they end."
_LOG = logging.getLogger(__name__)
EXAMPLES = """examples:
  padit alerting --config alerting.yaml --alerts kafka://127.0.0.1:9092/alerts \\
      --audit kafka://127.0.0.1:9092/alerts-audit \\
      --commands kafka://127.0.0.1:9092/alert-commands --data /var/lib/padit/alerting
  padit alerting --config alerting.yaml --alerts kafka://127.0.0.1:9092/alerts \\
      --audit kafka://127.0.0.1:9092/alerts-audit --data postgresql://padit@db/padit
  padit alerting --config alerting.yaml --alerts alerts.jsonl --data build/alerting

Of several processes with the same --data one works, and the others stand by. Files are read once;
the process ends when every message is delivered or dead. docs/alerting.md describes the model.
Exit codes: 0 done; 2 the configuration, an input or a secret is wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Configuration, inputs and the folder of the store."""
    add = parser.add_argument
    add("--config", required=True, help="YAML file with receivers, routes and silences")
    add("--alerts", required=True, help="the job's alerts: a .jsonl file or kafka://host/topic")
    add("--audit", help="audit log of the job: its progress, and starts without state")
    add("--commands", help="what people do: acknowledge, silence, resolve, feedback")
    add("--notifications", help="kafka://host/topic for everything that is handed out")
    add(
        "--features",
        help="what the job writes with --features, for plots in messages: a .jsonl "
        "file or kafka://host/topic",
    )
    add("--metrics", help="HOST:PORT of /metrics and /health; by default there is none")
    add("--data", required=True, help="store: a folder (SQLite), or postgresql://user@host/db")


def run(args: argparse.Namespace) -> int:
    """Work until stopped by a signal, or until the files are done."""
    try:
        from padit.alerting.plots.windows import Follower, Windows
    except ModuleNotFoundError as error:
        message = f"`padit alerting` needs {error.name}: pip install 'padit[alerting]'"
        raise ConfigurationError(message) from error
    config = load_model(args.config, AlertingConfig)
    for name, taker in never_taken(config.routes):
        _LOG.warning(
            "no alert reaches the route %s: %s before it takes everything; "
            "`go_on: true` lets those behind it match, too", name, taker,
        )  # fmt: skip
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        del number, frame
        stopping = True

    with ExitStack() as stack:
        plots = None
        if args.features:
            follower = Follower(parse_address(args.features), Windows())
            plots = stack.enter_context(follower).plot_of
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, stop))
        while not stopping:
            if _lead(args, config, plots, lambda: stopping):
                return 0
    return 0


def _lead(
    args: argparse.Namespace,
    config: AlertingConfig,
    plots: Any,
    stopped: Callable[[], bool],
) -> bool:
    """Wait for the lead and work; false if it was lost, so that this process stands by again."""
    from padit.alerting.service import Service, wait_for_lead
    from padit.alerting.store.base import LeadLostError
    from padit.ops.exporter import serving

    topic = parse_address(args.notifications) if args.notifications else None
    if topic is not None and topic.kind != "kafka":
        message = f"--notifications {args.notifications}: it is a topic, kafka://host/topic"
        raise ConfigurationError(message)
    source = input_of(args.alerts, args.audit, args.commands)
    shown = _Shown()
    with serving(args.metrics, shown.stats, healthy=lambda: shown.healthy):
        store = wait_for_lead(args.data, stopped)
        if store is None:
            return True
        try:
            service = Service(config, args.data, store, source, topic, plots)
            shown.figures = service.figures
            service.run(stopped)
            print(account(store.counts()), file=sys.stderr)
            vain = in_vain(refused_by_place(store), command_results(store))
            if vain:
                print(vain, file=sys.stderr)
            return True
        except LeadLostError as error:
            _LOG.warning("%s; this process stands by", error)
            return False
        finally:
            store.close()


class _Shown:
    """What the endpoint shows: figures of the service; a process that stands by is well."""

    def __init__(self) -> None:
        self.figures: Figures | None = None

    def stats(self) -> Stats:
        """None while standing by: those of the process that leads count."""
        return Stats() if self.figures is None else self.figures.stats()

    @property
    def healthy(self) -> bool:
        """Whether it does what it has to."""
        return self.figures is None or self.figures.healthy
