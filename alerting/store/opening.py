"""Opens the store that `--data` names: a folder (SQLite), or a database (PostgreSQL)."""

from pathlib import Path

from padit.alerting.store.base import Store
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.errors import ConfigurationError

__all__ = ["open_recorded", "open_store"]

_POSTGRES = ("postgresql://", "postgres://")


def open_store(place: str | Path, *, leading: bool = True) -> Store:
    """Open or make the store.

    Args:
        place: a folder, or `postgresql://user@host/database`.
        leading: whether this process writes; only one may.

    Raises:
        ConfigurationError: it cannot be used; `LeadTakenError` if another process leads.
        SinkError: no server answers.
    """
    if str(place).startswith(_POSTGRES):
        try:
            from padit.alerting.store.postgresql import PostgresStore
        except ImportError as error:
            message = (
                f"a store in PostgreSQL needs psycopg ({error}): pip install 'padit[alerting]'"
            )
            raise ConfigurationError(message) from error
        return PostgresStore(str(place), leading=leading)
    return SqliteStore(Path(place), leading=leading)


def open_recorded(place: str | Path) -> Store:
    """Open a store that exists, to read it.

    Raises:
        ConfigurationError: there is none.
    """
    if not str(place).startswith(_POSTGRES) and not (Path(place) / "alerting.sqlite").exists():
        message = f"{place} holds no store of `padit alerting`"
        raise ConfigurationError(message)
    return open_store(place, leading=False)
