"""How the columns of a file become metrics: the options of a URI's query or of a YAML mapping."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from padit.connectors.payloads import FORMAT
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import parse_timestamp

__all__ = ["OF_ANY_FORMAT", "FileOptions", "file_options"]

OF_ANY_FORMAT = frozenset(("order", "repeats"))
"""Options that do not depend on what a file looks like."""

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}


def _delimiter(value: Any) -> Any:
    return _DELIMITERS.get(value, value) if isinstance(value, str) else value


def _names(value: Any) -> Any:
    """`a,b` as in a URI, or a list as in YAML."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _pairs(value: Any) -> Any:
    """`a:b,c:d` as in a URI, or a mapping as in YAML."""
    if not isinstance(value, str):
        return value
    pairs = [part.rpartition(":") for part in value.split(",") if part.strip()]
    for name, colon, to in pairs:
        if not (name and colon and to):
            message = f"{value!r} must read NAME:VALUE,NAME:VALUE"
            raise ValueError(message)
    return {name.strip(): to.strip() for name, _, to in pairs}


def _moment(value: Any) -> Any:
    """Any timestamp, as microseconds; a number as text is a number, YAML makes datetimes."""
    if value is None:
        return None
    text = str(value)
    try:
        return parse_timestamp(float(text))
    except ValueError:
        return parse_timestamp(text)


_Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
_Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]


class FileOptions(BaseModel):
    """Mapping of a CSV or Parquet file; of these JSON Lines has only `order` and `repeats`.

    A table is *narrow* if it has the metric and the value column: a row is one sample. Any
    other table is *wide*: every metric column is one metric, a row is one sample of each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    delimiter: Annotated[str | None, BeforeValidator(_delimiter)] = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Character between CSV columns, or `tab`; by default a comma, in .tsv a tab.",
    )
    columns: _Names = Field(
        default=(), description="Names of the columns of a CSV file that has no header line."
    )
    timestamp: str = Field(
        default="timestamp",
        description="Column of the event time: a number since 1970 in seconds, milli-, micro- or "
        "nanoseconds (its size decides), RFC 3339 or YYYY-MM-DD HH:MM:SS, in UTC.",
    )
    start: Annotated[int | None, BeforeValidator(_moment)] = Field(
        default=None,
        description="Time of the first row, for a file without times; any timestamp.",
        examples=["2026-01-01T00:00:00Z"],
    )
    step: float | None = Field(
        default=None, gt=0, description="Seconds from row to row; goes with `start`."
    )
    source_id: str | None = Field(
        default=None,
        min_length=1,
        description="The source_id of every row; by default the file's name without its suffix.",
    )
    source_column: str | None = Field(
        default=None, description="Column of the source_id; by default `source_id` if there is one."
    )
    metric_column: str = Field(default="metric_name", description="Narrow: column of the name.")
    value_column: str = Field(default="value", description="Narrow: column of the value.")
    unit_column: str = Field(default="unit", description="Narrow: column of the unit, if any.")
    metrics: _Names = Field(
        default=(), description="Wide: metric columns; by default every other numeric column."
    )
    ignore: _Names = Field(default=(), description="Wide: columns that are no metrics.")
    rename: _Pairs = Field(
        default_factory=dict, description="Column to metric_name (`a:b,c:d` in a URI)."
    )
    units: _Pairs = Field(default_factory=dict, description="metric_name to unit.")
    format: Any = Field(default=None, description=f"JSON only. {FORMAT}")
    order: Literal["time", "arrival"] = Field(
        default="time",
        description="`time`: rows are read in the order of their times, whatever their order in "
        "the file. `arrival`: the file is the recording of a stream, rows stand in the order in "
        "which they came, and late ones are late.",
    )
    repeats: Literal["keep", "drop"] = Field(
        default="keep",
        description="`keep`: each row is a sample, also where series and time are those of another "
        "row; the times of such samples are a microsecond apart. `drop`: rows with the series, "
        "time and value of another count once, as in a topic.",
    )


def file_options(place: str, options: Mapping[str, Any]) -> FileOptions:
    """Check options.

    Args:
        place: URI, for the message.
        options: values as text (URI) or as YAML has them.

    Raises:
        ConfigurationError: unknown keys (the allowed ones are named), wrong or contradicting
            values.
    """
    try:
        checked = FileOptions.model_validate(options)
    except ValidationError as error:
        raise ConfigurationError(explain(place, FileOptions, error)) from error
    faults = {
        "start and step go together: the time of the first row and the seconds to the next": (
            (checked.start is None) != (checked.step is None)
        ),
        "start/step and timestamp contradict each other: give one of them": (
            checked.start is not None and "timestamp" in checked.model_fields_set
        ),
        "source_id and source_column contradict each other: give one of them": (
            checked.source_id is not None and checked.source_column is not None
        ),
        "metrics and ignore contradict each other: give one of them": (
            bool(checked.metrics) and bool(checked.ignore)
        ),
    }
    for fault, applies in faults.items():
        if applies:
            message = f"{place}: {fault}"
            raise ConfigurationError(message)
    return checked
