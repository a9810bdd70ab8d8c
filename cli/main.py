"""`padit`: one command, with a module in `cli.commands` for each of its verbs.

A verb's module has `HELP` (one line), `EXAMPLES`, `add_arguments(parser)` and
`run(args) -> exit code`; one that takes options of Beam has `PASS_THROUGH = True` and finds
them in `args.rest`.

Exit codes: 0 done; 1 the job failed or something is broken; 2 the command line, a
configuration or a place is wrong; 130 stopped at once by Ctrl-C.
"""

import argparse
import importlib
import logging
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

import padit.cli.commands
from padit.domain.errors import ConfigurationError, PaditError
from padit.domain.renamed import new_run

__all__ = ["main"]


# Libraries that warn about intended things: options for the Java side, a busy event loop.
_CHATTY = ("apache_beam.options.pipeline_options", "kafka.net.selector")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    new_run()
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
    logging.basicConfig(
        level=logging.INFO if debug else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # Beam logs at every import that it has no Google Cloud client, which is not needed here.
    logging.getLogger().handlers[0].addFilter(lambda record: "apitools" not in str(record.msg))
    if not debug:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.ERROR)
    try:
        return _dispatch(arguments)
    except PaditError as error:
        if debug:
            raise
        print(f"padit: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _dispatch(arguments: list[str]) -> int:
    found = pkgutil.iter_modules(padit.cli.commands.__path__)
    names = sorted(info.name for info in found if not info.name.startswith("_"))
    # Only the wanted verb is imported: Beam alone takes seconds.
    wanted = arguments[:1] if arguments[:1] and arguments[0] in names else names
    parser = argparse.ArgumentParser(
        prog="padit",
        description="Real-time anomaly detection for metric streams.",
        epilog="Every command has --help with examples; --debug shows logs and tracebacks.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    modules: dict[str, Any] = {}
    for name in wanted:
        module = modules[name] = importlib.import_module(f"padit.cli.commands.{name}")
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
    args, rest = parser.parse_known_args(arguments)
    module = modules[args.command]
    if rest and not getattr(module, "PASS_THROUGH", False):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    args.rest = rest
    code: int = module.run(args)
    return code


if __name__ == "__main__":
    sys.exit(main())
