"""`padit migrate`: tables in PostgreSQL to the present version, before a process needs them."""

import argparse
import time
from collections.abc import Callable

from padit.cli.migrations import Tables, missing, tables_of
from padit.domain.errors import ConfigurationError, SinkError
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Make the tables that this version needs in PostgreSQL, or name what is missing."
EXAMPLES = """examples:
  padit migrate --check --alerting postgresql://padit@db/padit
  padit migrate --alerting postgresql://padit@db/padit --portal postgresql://padit@db/padit \\
      --store postgresql://db:5432/plant

Running processes need not be stopped. Without this command each process makes its tables when it
starts. What exists is left as it is. There is no way back but a backup: a version before a change
refuses its tables, so take a backup where --check names one (docs/upgrade.md).
Exit codes: 0 done; 1 changes are missing (--check), the tables are of a newer version, or the
database did not answer in time; 2 an option is wrong, or the user may not.
"""
_PAUSE_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose tables, and how long a database may be away."""
    add = parser.add_argument
    for part, whose in (
        ("alerting", "what `padit alerting --data` names"),
        ("store", "what `padit store` names"),
        ("portal", "what `padit portal --store` names: logs and accounts"),
    ):
        add(f"--{part}", action="append", default=[], metavar="URI", help=whose)
    add("--schema", default="public", help="in_schema of --store (public)")
    add("--check", action="store_true", help="name what is missing, and make nothing")
    add(
        "--wait_sec",
        type=Number(0.0, 86_400.0, "seconds"),
        default=60.0,
        help="how long a database may be away (60)",
    )


def run(args: argparse.Namespace) -> int:
    """Make what is missing, or name it."""
    try:
        import psycopg  # noqa: F401
    except ModuleNotFoundError as error:
        message = "`padit migrate` needs psycopg: pip install 'padit[stores]'"
        raise ConfigurationError(message) from error
    found = [
        tables
        for part in ("alerting", "store", "portal")
        for address in getattr(args, part)
        for tables in tables_of(part, address, args.schema)
    ]
    if not found:
        message = "name at least one database, with --alerting, --store or --portal"
        raise ConfigurationError(message)
    until = time.monotonic() + args.wait_sec
    code = 0
    for tables in found:
        names = _missing(tables, until)
        if names and not args.check:
            _patient(tables.make, until)
        elif names:
            code = 1
        said = "is missing" if args.check else "made"
        print(f"{tables.part}: {said} {', '.join(names)}" if names else f"{tables.part}: complete")
    return code


def _missing(tables: Tables, until: float) -> list[str]:
    """Names of the missing changes, once the database answers."""
    from padit.stores.postgres.connect import connect, translated

    found: list[str] = []

    def look() -> None:
        name = f"the database of --{tables.part}"
        with connect(tables.conninfo, name, first=True) as connection, translated(name):
            found[:] = missing(connection, tables)

    _patient(look, until)
    return found


def _patient(work: Callable[[], None], until: float) -> None:
    """Try again while the database is away."""
    while True:
        try:
            work()
        except SinkError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
