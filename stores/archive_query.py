"""Asking an archive in SQL: DuckDB over the files that the manifest names."""

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from padit.codecs.archive_table import SCHEMA
from padit.connectors.archive_manifest import existing
from padit.connectors.archive_place import ArchivePlace
from padit.domain.errors import ConfigurationError, SourceError

__all__ = ["ask", "dataset", "files"]

_WIDEST = 60


def files(place: ArchivePlace) -> list[str]:
    """The files that count, with the whole path."""
    scheme = f"{place.scheme}://" if place.scheme else ""
    return sorted(f"{scheme}{place.path(one.name)}" for one in existing(place).files())


def dataset(place: ArchivePlace) -> ds.Dataset:
    """The archive as one table, with the folders `date` and `sources` as columns."""
    manifest = existing(place)
    paths = sorted(place.path(one.name) for one in manifest.files())
    if not paths:
        message = f"{place.uri}: the archive of {manifest.topic} is empty"
        raise SourceError(message)
    folders = pa.schema([("date", pa.date32()), ("sources", pa.int32())])
    whole = pa.schema([*SCHEMA, *folders])  # files of an earlier version lack a column
    return ds.dataset(
        paths,
        schema=whole,
        filesystem=place.system,
        format="parquet",
        partitioning=ds.HivePartitioning(folders),
        partition_base_dir=place.root,
    )


def ask(place: ArchivePlace, sql: str) -> str:
    """The answer to a query, as tab-separated lines with a header.

    Raises:
        ConfigurationError: DuckDB does not understand the query.
    """
    import duckdb

    connection = duckdb.connect(config={"enable_external_access": "false"})
    try:
        connection.register("archive", dataset(place))
        found = connection.execute(sql)
        names = [one[0] for one in found.description or ()]
        lines = ["\t".join(names)]
        lines += ["\t".join(_text(value) for value in row) for row in found.fetchall()]
    except duckdb.Error as error:
        message = f"--ask: {error}"
        raise ConfigurationError(message) from error
    finally:
        connection.close()
    return "".join(f"{line}\n" for line in lines)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
