"""PostgreSQL, `postgresql://host:5432/database`: readings, features, alerts and an outbox.

What an item must look like: records of `metrics`, `features`, `anomalies` and `alerts`. Unit of
parallelism: the process; a second one with the same name stands by. In a crash: rows, dead letters
and positions are one transaction, so each record is written exactly once.
"""

from padit.connectors.uris import Address
from padit.stores.base import Store
from padit.stores.postgres.settings import Settings

__all__ = ["SCHEMES", "Settings", "create"]

SCHEMES = ("postgresql", "postgres")


def create(address: Address, settings: Settings) -> Store:
    """The store at an address; nothing is opened yet."""
    from padit.stores.postgres.store import PostgresStore

    return PostgresStore(address, settings)
