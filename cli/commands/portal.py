"""`padit portal`: the page and the API of a person on call."""

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from padit.domain.errors import ConfigurationError, SinkError
from padit.pipelines.bounds import Number

if TYPE_CHECKING:
    from padit.alerting.policy import AlertingConfig
    from padit.portal.accounts import Tables
    from padit.portal.context import Portal
    from padit.portal.limiting import Limiter
    from padit.portal.parts import Parts
    from padit.portal.places import Places
    from padit.portal.texts.desk import Desk

__all__ = ["EXAMPLES", "HELP", "add_arguments", "listening", "run"]

HELP = "Open the page that shows what is wrong, since when and why; with an API."
EXAMPLES = """examples:
  padit demo && padit portal --data build/demo
  padit portal --alerts alerts.jsonl
  padit portal --data /var/lib/padit/run --config alerting.yaml --deliver
  padit portal --store postgresql://padit@db/padit --kafka kafka://127.0.0.1:9092 \\
      --redis redis://127.0.0.1:6379/0 --config alerting.yaml
  padit portal --data run --host 0.0.0.0 --cert cert.pem --key key.pem

The first start prints a link that makes the first user, once. Files may grow while the page is
open. docs/portal.md describes views, routes and roles.
Exit codes: 0 ended by a signal; 2 an option, a file or the configuration is wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the configuration, the address."""
    add = parser.add_argument
    add("--data", help="folder of a run: alerts.jsonl, features.jsonl, and what it read")
    add("--alerts", help="the job's alerts, a .jsonl file; alone it shows their evidence")
    add("--features", help="the job's --features, a .jsonl file")
    add("--readings", help="what the job read: JSON lines, CSV or Parquet")
    add("--config", help="YAML file of `padit alerting`: routes, incidents, silences")
    add("--store", help="a team's: postgresql://user@host/db of `padit alerting` and `padit store`")
    add("--kafka", help="with --store: kafka://host:9092, for transitions and commands")
    add("--redis", help="with --store: redis://host:6379/0, for live features")
    add("--alerts_topic", default="alerts", help="of the job's alerts (default alerts)")
    add("--commands_topic", default="alert-commands", help="default alert-commands")
    add("--metrics", action="append", help="http://host:port/metrics of a process; may be repeated")
    add("--flink", help="http://host:8081 of the JobManager, for the age of checkpoints")
    add("--models", help="folder of models that POST /train-model writes to (default: in --state)")
    add("--archive", help="s3:// or gs:// URI of an archive to train from")
    add("--log_lines", help="file that posted log records go to, too, for the adapter `logs`")
    add("--language_model", help="http://host/v1 of an OpenAI-compatible server; off by default")
    add("--model_name", default="default", help="of --language_model; its key: PADIT_MODEL_KEY")
    add(
        "--model_requests",
        type=Number(1, 1_000_000),
        default=200,
        help="to --language_model, at most so many a day (default 200)",
    )
    add("--deliver", action="store_true", help="also send messages to the receivers of --config")
    add("--state", help="folder for log, users and settings (default: .portal beside the alerts)")
    add(
        "--shared_accounts",
        action="store_true",
        help="users, keys and sessions in the database of --store, for several portals",
    )
    add("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1)")
    add("--port", type=Number(0, 65535), default=8080, help="port (default 8080)")
    add("--cert", help="certificate (PEM): serve over TLS")
    add("--key", help="its private key (PEM)")
    add(
        "--behind_proxy",
        action="store_true",
        help="a proxy in front ends TLS: other addresses than this machine's are served plainly",
    )
    add(
        "--requests_per_sec",
        type=Number(1, 1_000_000),
        default=100,
        help="requests a second of one principal (default 100)",
    )
    add("--new_link", action="store_true", help="print another link that makes an admin")


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    try:
        import uvicorn

        from padit.portal.app import create_app
        from padit.portal.serving import Server
    except ModuleNotFoundError as error:
        message = f"`padit portal` needs {error.name}: pip install 'padit[portal]'"
        raise ConfigurationError(message) from error
    secure = bool(args.cert) or args.behind_proxy
    _check_address(args, secure)
    with listening(args) as found:
        portal = _open(args)
        app = create_app(lambda: portal, _limiter(args), secure=secure)
        _greet(args, portal, found.getsockname()[1])
        Server(_configured(uvicorn, app, args), lambda: portal.hub).run([found])
    return 0


def _configured(uvicorn: Any, app: Any, args: argparse.Namespace) -> Any:
    return uvicorn.Config(
        app, host=args.host, port=args.port, log_level="warning", access_log=False,
        ssl_certfile=args.cert, ssl_keyfile=args.key, server_header=False,
        ws_per_message_deflate=False, timeout_graceful_shutdown=2,
        proxy_headers=args.behind_proxy, lifespan="on", h11_max_incomplete_event_size=65_536,
    )  # fmt: skip


def listening(args: argparse.Namespace) -> socket.socket:
    """The socket, before anything is opened or printed: port 0 is any that is free.

    Raises:
        ConfigurationError: the port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    # Without the protocol's number the loop leaves Nagle's algorithm on: 40 ms for each answer.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((args.host, args.port))
    except OSError as error:
        found.close()
        message = f"{args.host}:{args.port} cannot be listened at: {error.strerror or error}; " \
                  "give another --port, or --port 0 for any that is free"  # fmt: skip
        raise ConfigurationError(message) from error
    return found


def _limiter(args: argparse.Namespace) -> "Limiter":
    from padit.portal.limiting import Limiter

    if not args.redis:
        return Limiter(args.requests_per_sec)
    from padit.portal.team.limits import SharedLimiter
    from padit.portal.team.parts import address_of

    address = address_of(args.redis, "--redis", ("redis", "rediss"))
    return SharedLimiter(address, args.requests_per_sec)


def _check_address(args: argparse.Namespace, secure: bool) -> None:
    if bool(args.cert) != bool(args.key):
        message = "--cert and --key go together"
        raise ConfigurationError(message)
    if args.host not in ("127.0.0.1", "::1", "localhost") and not secure:
        message = (
            f"{args.host} can be reached from outside: give --cert and --key, or --behind_proxy "
            "if something in front of it ends TLS"
        )
        raise ConfigurationError(message)
    if args.archive and "://" not in args.archive:
        message = f"--archive {args.archive}: training reads an archive by s3://bucket/folder"
        raise ConfigurationError(message)
    if args.deliver and not args.config:
        message = "--deliver needs the receivers of a --config"
        raise ConfigurationError(message)


def _open(args: argparse.Namespace) -> "Portal":
    from padit.portal.context import DEFAULT_CONFIG, Portal, local_parts, parse_config
    from padit.portal.watching import Watch

    try:
        text = Path(args.config).read_text(encoding="utf-8") if args.config else DEFAULT_CONFIG
    except (OSError, UnicodeDecodeError) as error:
        message = f"the configuration {args.config} cannot be read: {error}"
        raise ConfigurationError(message) from error
    config = parse_config(text, args.config or "the configuration")
    if args.store:
        parts, state = _of_a_team(args, config)
    else:
        places = _places(args)
        state = _path(args.state) or places.alerts.parent / ".portal"  # type: ignore[union-attr]
        parts = local_parts(places, state, config, deliver=args.deliver)
    if args.log_lines:
        from padit.portal.log_lines import LogLines

        parts = parts._replace(logs=LogLines(parts.logs, Path(args.log_lines)))
    watch = Watch(args.metrics or (), args.flink, parts.places.audit)
    return Portal(
        parts, state, text, deliver=args.deliver, watch=watch, models=_path(args.models),
        archive=args.archive, texts=_texts(args, state), accounts=_accounts(args),
    )  # fmt: skip


def _texts(args: argparse.Namespace, state: Path) -> "Desk | None":
    """Off, unless an address is given; the key comes from the environment, never from argv."""
    if not args.language_model:
        return None
    from padit.portal.texts.desk import Desk
    from padit.portal.texts.files import FileTopics
    from padit.portal.texts.model import Endpoint
    from padit.portal.texts.records import Topics

    key = os.environ.get("PADIT_MODEL_KEY", "")
    endpoint = Endpoint(args.language_model, args.model_name, key, most=int(args.model_requests))
    topics: Topics = FileTopics(state / "texts")
    if args.kafka:
        from padit.portal.team.parts import topic_of
        from padit.portal.team.texts import KafkaTopics

        topics = KafkaTopics(topic_of(args.kafka, "analysis"))
    return Desk(endpoint, topics)


def _accounts(args: argparse.Namespace) -> "Tables | None":
    if not args.shared_accounts:
        return None
    from padit.portal.team.accounts import SharedTables

    return SharedTables(args.store)


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None


def _places(args: argparse.Namespace) -> "Places":
    from padit.portal.places import places_in

    if args.kafka or args.redis or args.shared_accounts:
        message = "--kafka, --redis and --shared_accounts go with the --store of a team"
        raise ConfigurationError(message)
    places = places_in(
        _path(args.data), _path(args.alerts), _path(args.features), _path(args.readings)
    )
    if args.data is None and places.alerts is not None and not places.alerts.is_file():
        message = f"{places.alerts} does not exist"
        raise ConfigurationError(message)
    return places


def _of_a_team(args: argparse.Namespace, config: "AlertingConfig") -> "tuple[Parts, Path]":
    if args.data or args.alerts or args.features or args.readings or args.deliver:
        message = (
            "--store is a team's: --data, --alerts, --features and --readings name files of one "
            "run, and `padit alerting` delivers"
        )
        raise ConfigurationError(message)
    if not args.config:
        message = "--store needs the --config of `padit alerting`, so that both decide the same"
        raise ConfigurationError(message)
    try:
        from padit.portal.team.parts import Team, team_parts
    except ModuleNotFoundError as error:
        message = f"--store needs {error.name}: pip install 'padit[portal,alerting,stores]'"
        raise ConfigurationError(message) from error
    state = _path(args.state) or Path(".portal")
    team = Team(args.store, args.kafka, args.redis, args.alerts_topic, args.commands_topic)
    return team_parts(team, config, state), state


def _greet(args: argparse.Namespace, portal: "Portal", port: int) -> None:
    scheme = "https" if args.cert else "http"
    host = f"[{args.host}]" if ":" in args.host else args.host
    address = f"{scheme}://{host}:{port}/"
    print(f"the page: {address}", file=sys.stderr)
    for lack in portal.places.lacks:
        print(f"without {lack}", file=sys.stderr)
    try:
        if portal.accounts.empty or args.new_link:
            link = portal.accounts.link("admin")
            print(f"make the first user here, once: {address}#/first/{link}", file=sys.stderr)
    except SinkError as error:
        print(f"a login is not possible yet: {error}", file=sys.stderr)
    sys.stderr.flush()
