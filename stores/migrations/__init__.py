"""Brings the tables of a database to the present version.

`pending` says what is to be made, for any database; `migrate` makes it in PostgreSQL.

Changes are files `NNNN.sql` in a package, made in the order of their names, each in a transaction
of its own and once: the table `padit_migration` has the name and the SHA-256 of each, by component.
A file that is not the one that was made is an error. An advisory lock lets one process at a time
in, so several that start together do not meet.
"""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from padit.domain.errors import StateError

if TYPE_CHECKING:
    import psycopg

__all__ = ["Migration", "migrate", "migrations_in", "pending"]

_LOCK = 0x5041444954  # "PADIT"
_TABLE = """
CREATE TABLE IF NOT EXISTS padit_migration (
    component text NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    made timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, name)
)
"""


class Migration(NamedTuple):
    """One change of the tables.

    Attributes:
        name: of its file; decides the order.
        text: SQL, several statements.
        digest: SHA-256 of it, in hexadecimal.
    """

    name: str
    text: str
    digest: str


def migrations_in(package: str, folder: str = "") -> Iterator[Migration]:
    """The changes in a folder of a package, in their order."""
    place = files(package)
    if folder:
        place = place.joinpath(folder)
    for file in sorted(place.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".sql"):
            text = file.read_text(encoding="utf-8")
            yield Migration(file.name, text, hashlib.sha256(text.encode()).hexdigest())


def migrate(
    connection: "psycopg.Connection[Any]", component: str, package: str, folder: str = ""
) -> list[str]:
    """Make the changes that are missing; their names.

    Args:
        connection: to the database, in autocommit, with the schema first in its search path.
        component: whose tables they are; each has its own list.
        package: that holds the files.
        folder: within it.

    Raises:
        StateError: a change that was made is not the one in the file, or is not known here.
        psycopg.Error: the database refuses one; nothing of it is left.
    """
    made = []
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        connection.execute(_TABLE)
        rows = connection.execute(
            "SELECT name, digest FROM padit_migration WHERE component = %s", (component,)
        )
        done = dict(rows.fetchall())
        for one in pending(component, done, package, folder):
            with connection.transaction():
                connection.execute(one.text.encode())
                connection.execute(
                    "INSERT INTO padit_migration (component, name, digest) VALUES (%s, %s, %s)",
                    (component, one.name, one.digest),
                )
            made.append(one.name)
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    return made


def pending(
    component: str, done: Mapping[str, str], package: str, folder: str = ""
) -> list[Migration]:
    """The changes that are still to be made, in their order.

    Args:
        component: whose tables they are, for people.
        done: digests by name of those that were made.
        package: that holds the files.
        folder: within it.

    Raises:
        StateError: a change that was made is not the one in the file, or is not known here.
    """
    known = list(migrations_in(package, folder))
    digests = {one.name: one.digest for one in known}
    for name, digest in sorted(done.items()):
        if name not in digests:
            message = (
                f"the tables of {component} have the change {name}, which this version does not "
                "know: they are of a newer version; run that one"
            )
            raise StateError(message)
        if digests[name] != digest:
            message = f"the change {name} of {component} is not the one that was made"
            raise StateError(message)
    return [one for one in known if one.name not in done]
