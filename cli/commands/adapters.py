"""`padit adapters`: bring metrics in from probes, endpoints, machines, logs and other systems."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import yaml

from padit.adapters.base import ListEmitter
from padit.adapters.config import load_adapters
from padit.adapters.registry import adapter_class, adapter_types, create_adapter, create_all
from padit.domain.errors import ConfigurationError
from padit.domain.yaml_text import read_yaml
from padit.ops import metric_names
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Bring metrics in: probes, endpoints, machines, logs, receivers."
EXAMPLES = """\
  # Run everything in a file until Ctrl-C
  padit adapters --config adapters.yaml

  # All adapters, and the options of one
  padit adapters list
  padit adapters options http

  # One poll, printed; by the name in a file, or by type with options
  padit adapters try shop-front --config adapters.yaml
  padit adapters try http --set urls='["https://example.org/"]'

  # The other end of a fronthaul measurement
  padit adapters respond udp-echo --host 0.0.0.0 --port 7007
  padit adapters respond cfm --interface eth1 --level 4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--config", help="YAML file of adapters")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="adapter types, built in and installed")
    options = actions.add_parser("options", help="the options of an adapter type, or of all")
    options.add_argument("adapter_type", nargs="?", metavar="TYPE")
    attempt = actions.add_parser("try", help="poll one adapter once and print its samples")
    attempt.add_argument("name", help="a name in the configuration, or an adapter type")
    attempt.add_argument("--config", dest="try_config", help="YAML file of adapters")
    attempt.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the adapter; the value is YAML",
    )
    attempt.add_argument(
        "--wait",
        type=Number(0.0, 86_400.0, "seconds"),
        default=0.0,
        help="seconds between opening and polling (default 0)",
    )
    respond = actions.add_parser("respond", help="answer fronthaul measurements")
    respond.add_argument("protocol", choices=("udp-echo", "ecpri-udp", "ecpri", "cfm"))
    respond.add_argument("--host", default="127.0.0.1", help="address to listen on (UDP)")
    respond.add_argument("--port", type=Number(0, 65535), help="UDP port (echo 7007, eCPRI 44798)")
    respond.add_argument("--interface", help="network interface (ecpri, cfm)")
    respond.add_argument("--level", type=Number(0, 7), default=0, help="MD level, 0 to 7 (cfm)")
    respond.add_argument("--any-level", action="store_true", help="answer every MD level (cfm)")


def run(args: argparse.Namespace) -> int:
    """Run, list, try or respond.

    Raises:
        ConfigurationError: a file or an option is wrong.
        AdapterError: the adapter that is tried failed, or a port cannot be used.
    """
    actions: dict[str | None, Callable[[argparse.Namespace], int]] = {
        None: _run_all,
        "list": _list,
        "options": _options,
        "try": _try,
        "respond": _respond,
    }
    return actions[args.action](args)


def _run_all(args: argparse.Namespace) -> int:
    if not args.config:
        message = "padit adapters needs --config FILE, or one of: list, options, try, respond"
        raise ConfigurationError(message)
    from padit.adapters.runner import run_adapters  # brings the Kafka client: a second of start-up
    from padit.ops.stats import Stats

    config = load_adapters(args.config)
    stats = Stats()
    left = _until_signal(lambda stop: run_adapters(config, stop, stats))
    summary = {
        "emitted": int(
            stats.total(metric_names.ADAPTER_SAMPLES) + stats.total(metric_names.ADAPTER_RECORDS)
        ),
        "faults": int(stats.total(metric_names.ADAPTER_FAULTS)),
        "unwatched": int(stats.total(metric_names.ADAPTER_UNWATCHED)),
        "sent": int(stats.total(metric_names.PUBLISHER_SENT)),
        "dropped": int(stats.total(metric_names.PUBLISHER_DROPPED)),
        "left_on_disk": left,
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0


def _until_signal(make: Callable[[asyncio.Event], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine that ends when its event is set; SIGINT and SIGTERM set it."""

    async def main() -> Any:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await make(stop)

    return asyncio.run(main())


def _list(_args: argparse.Namespace) -> int:
    for kind, place in adapter_types().items():
        try:
            text = (adapter_class(kind).__doc__ or "").strip().splitlines()[0]
        except ConfigurationError as error:
            text = f"({error})"
        sys.stdout.write(f"{kind:<18} {text}  [{place}]\n")
    return 0


def _options(args: argparse.Namespace) -> int:
    from padit.adapters.reference import reference

    kinds = [args.adapter_type] if args.adapter_type else list(adapter_types())
    sys.stdout.write("\n".join(reference(kind) for kind in kinds))
    return 0


def _try(args: argparse.Namespace) -> int:
    adapter = _chosen(args)
    emitter = ListEmitter()

    async def once() -> None:
        try:
            async with asyncio.timeout(adapter.options.timeout_sec + args.wait):
                await adapter.open(emitter)
                await asyncio.sleep(args.wait)
                await adapter.poll(emitter)
        finally:
            await adapter.close()

    late = False
    try:
        asyncio.run(once())
    except TimeoutError:
        late = True
        sys.stderr.write(f"no end within {adapter.options.timeout_sec + args.wait:g} s\n")
    for metric in emitter.metrics:
        sys.stdout.write(msgspec.json.encode(metric).decode() + "\n")
    for rows in emitter.rows:
        for code, micros, value in zip(rows.code, rows.time, rows.value, strict=True):
            line = [micros / 1e6, *rows.series[code], float(value)]
            sys.stdout.write(json.dumps(line) + "\n")
    for cause, count in emitter.faults.items():
        sys.stderr.write(f"{cause} ({count}): {emitter.messages[cause]}\n")
    for what, count in emitter.left.items():
        sys.stderr.write(f"not watched: {what} ({count}): {emitter.messages[what]}\n")
    return _verdict(emitter, late, args.wait)


def _verdict(emitter: ListEmitter, late: bool, wait: float) -> int:
    """The exit code; that nothing at all came is said."""
    if emitter.metrics or emitter.rows:
        return 0
    if emitter.faults or emitter.left or late:
        return 1
    sys.stderr.write(f"no sample came; --wait SECONDS leaves it time (it had {wait:g} s)\n")
    return 0


def _chosen(args: argparse.Namespace) -> Any:
    settings = dict(_setting(text) for text in args.settings)
    path = args.try_config or args.config
    if not path:
        return create_adapter({"type": args.name, **settings}, "--set")
    config = load_adapters(path)
    found = {adapter.options.name: i for i, adapter in enumerate(create_all(config.adapters))}
    if args.name not in found:
        message = f"{path} has no adapter {args.name!r}; it has: {', '.join(found)}"
        raise ConfigurationError(message)
    section = config.adapters[found[args.name]]
    return create_adapter({**section, **settings}, f"{path}: {args.name}")


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        message = f"--set {text!r}: write KEY=VALUE"
        raise ConfigurationError(message)
    try:
        return key.strip(), read_yaml(value)
    except yaml.YAMLError as error:
        message = f"--set {key}: the value is no YAML: {error}"
        raise ConfigurationError(message) from error


def _respond(args: argparse.Namespace) -> int:
    from padit.adapters.fronthaul.respond import make_responder

    responder = make_responder(
        args.protocol,
        host=args.host,
        port=args.port,
        interface=args.interface,
        level=None if args.any_level else args.level,
    )

    async def answer(stop: asyncio.Event) -> None:
        place = await responder.open()
        sys.stdout.write(f"answering {args.protocol} on {place}; Ctrl-C ends it\n")
        sys.stdout.flush()
        try:
            await stop.wait()
        finally:
            await responder.close()
        sys.stdout.write(json.dumps(responder.counts) + "\n")

    _until_signal(answer)
    return 0
