"""`padit`: one command, with a module in `cli.commands` for each of its verbs.

A verb's module has `HELP` (one line), `EXAMPLES`, `add_arguments(parser)` and
`run(args) -> exit code`; one that takes options of Beam has `PASS_THROUGH = True` and finds
them in `args.rest`.

Exit codes: 0 done; 1 the job failed, something is broken, or an input or output cannot be
reached; 2 the command line or a configuration is wrong; 3 nothing could be read, or too much
of the input was lost; 130 stopped at once by Ctrl-C.
"""

import argparse
import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import padit.cli.commands
from padit.domain.errors import ConfigurationError, LossError, PaditError, SinkError
from padit.domain.renamed import new_run
from padit.ops.extras import remedy
from padit.ops.logs import configure_logs
from padit.ops.plugins import ENVIRONMENT
from padit.pipelines.suggest import OptionParser, help_of, nearest_command, unknown_option

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
    try:
        with _plugins(_with_logs(arguments, debug)) as others:
            code = _dispatch(others)
            _flush()
            return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except (PaditError, ModuleNotFoundError, OSError) as error:
        told = _told(error, arguments)
        if debug or told is None:
            raise
        print(f"padit: {told}", file=sys.stderr)
        with suppress(PaditError, BrokenPipeError):
            _flush()
        return _exit_code(error)


def _told(error: Exception, arguments: list[str]) -> str | None:
    """An error in a sentence; None: it is a defect, whose traceback is wanted."""
    if isinstance(error, ModuleNotFoundError):
        how = remedy(error.name, next(iter(arguments), ""))
        return how and f"{error.name} is not installed, and this needs it: {how}"
    if isinstance(error, OSError):
        return f"{error}; --debug shows where"
    return str(error)


def _flush() -> None:
    """Write what standard output still holds: at the exit of Python nobody would hear why not."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):
            sys.stdout.close()
        message = f"standard output cannot be written: {error.strerror}"
        raise SinkError(message) from error


def _with_logs(arguments: list[str], debug: bool) -> list[str]:
    """Set up the logs as `--log_format` has it; the other arguments."""
    others, given = _taken(arguments, "--log_format", "json or text")
    level = logging.INFO if debug else logging.WARNING
    configure_logs(level, given, text="%(levelname)s %(name)s: %(message)s")
    # Beam logs at every import that it has no Google Cloud client, which is not needed here.
    logging.getLogger().handlers[0].addFilter(lambda record: "apitools" not in str(record.msg))
    if not debug:
        logging.getLogger().handlers[0].addFilter(_is_news)
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.ERROR)
    return others


def _is_news(record: logging.LogRecord) -> bool:
    """False for the traceback of an error that Beam raises again, and that has a sentence here."""
    error = record.exc_info[1] if record.exc_info else None
    return not (record.name == "apache_beam.runners.common" and isinstance(error, PaditError))


@contextmanager
def _plugins(arguments: list[str]) -> Iterator[list[str]]:
    """Take `--plugins DIR` out; meanwhile every part, and every process started, finds it."""
    others, given = _taken(arguments, "--plugins", "a folder")
    if given is None:
        yield others
        return
    before = os.environ.get(ENVIRONMENT)
    os.environ[ENVIRONMENT] = given
    try:
        yield others
    finally:
        os.environ.pop(ENVIRONMENT)
        if before is not None:
            os.environ[ENVIRONMENT] = before


def _taken(arguments: list[str], option: str, value: str) -> tuple[list[str], str | None]:
    """An option of every command, taken out of the others; its last value, None without it."""
    others, given = [], None
    rest = iter(arguments)
    for one in rest:
        name, equals, found = one.partition("=")
        if name == option:
            given = found if equals else next(rest, "")
            if not given:
                message = f"{option} needs {value}"
                raise ConfigurationError(message)
        else:
            others.append(one)
    return others, given


def _exit_code(error: Exception) -> int:
    if isinstance(error, LossError):
        return 3
    return 2 if isinstance(error, ConfigurationError | ModuleNotFoundError) else 1


def _dispatch(arguments: list[str]) -> int:
    found = pkgutil.iter_modules(padit.cli.commands.__path__)
    names = sorted(info.name.replace("_", "-") for info in found if not info.name.startswith("_"))
    if not arguments:
        message = "give a command; `padit --help` lists them"
        raise ConfigurationError(message)
    name = arguments[0]
    if name not in names and not name.startswith("-"):
        near = nearest_command(name, names)
        hint = f"did you mean `padit {near}`?" if near else "`padit --help` lists all"
        message = f"there is no command {name!r}; {hint}"
        raise ConfigurationError(message)
    parser = OptionParser(
        prog="padit",
        description="Real-time anomaly detection for metric streams.",
        epilog="Every command has --help with examples; --debug shows logs and tracebacks, and "
        "--log_format json makes each log line an object. "
        "--plugins DIR brings adapters, detectors and notifiers of your own (`padit plugins`). "
        "Exit codes: 0 done; 1 the job failed, a part is broken, or an input or output cannot be "
        "reached; 2 the command line or a configuration is wrong; 3 nothing could be read, or too "
        "much was lost.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # Only the wanted command is imported: Beam alone takes seconds.
    modules = {one: _add(commands, one) for one in ([name] if name in names else names)}
    if name in names:
        _check_options(arguments[1:], modules[name], commands.choices[name])
    args, rest = parser.parse_known_args(arguments)
    module = modules[args.command]
    if rest and not getattr(module, "PASS_THROUGH", False):
        message = f"unexpected {rest[0]!r}; `padit {name} --help` shows what it takes"
        raise ConfigurationError(message)
    args.rest = rest
    code: int = module.run(args)
    return code


def _add(commands: Any, name: str) -> Any:
    """Import a command's module and give it a parser."""
    module = importlib.import_module(f"padit.cli.commands.{name.replace('-', '_')}")
    command = commands.add_parser(
        name,
        help=module.HELP,
        description=module.HELP,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(command)
    return module


def _check_options(arguments: list[str], module: Any, command: argparse.ArgumentParser) -> None:
    """Refuse an option that does not exist; `--help` shows at its end which one was meant."""
    passed: set[str] = set()
    if getattr(module, "PASS_THROUGH", False):
        from padit.pipelines.options import option_names

        passed = option_names()
    wrong = unknown_option(arguments, help_of(command), passed)
    if wrong is None:
        return
    if not {"-h", "--help"} & set(arguments):
        raise ConfigurationError(wrong)
    command.epilog = f"{command.epilog}\n{wrong}"


if __name__ == "__main__":
    sys.exit(main())
