"""Layouts of tables: names in one place, values by columns or by rows in another.

See `codecs.layouts`. Each layout is a pair: whether an object has it, and its elements.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

from padit.codecs.mapping_watch import Left, count_numbers
from padit.codecs.names import shortened
from padit.codecs.presets import ELEMENT_SOURCES, TIME_COLUMNS

__all__ = ["UNUSED", "columns", "frames", "pandas", "rrdtool", "series_tables", "source_of"]

UNUSED = "the layout has no use for it"


def source_of(labels: Mapping[str, Any], given: str = "") -> tuple[str, dict[str, Any]]:
    """The source among labels, `given` if there is none, and all that is left of them."""
    left = dict(labels)
    chosen = next((one for one in ELEMENT_SOURCES if left.get(one)), None)
    return (given if chosen is None else str(left.pop(chosen))), left


def _text(one: Any) -> str:
    return one if type(one) is str else ""


def _place_of(names: Sequence[Any], wanted: Sequence[str]) -> int:
    """The place of the first of the wanted names, in any spelling; -1."""
    plain = [_text(name).lower() for name in names]
    return next((plain.index(one) for one in wanted if one in plain), -1)


def _named(prefix: str, name: Any) -> str:
    return shortened(f"{prefix}_{name}" if prefix else str(name))


def _rows(
    names: Sequence[Any], rows: Any, around: Mapping[str, Any], when: int, index: Any = None
) -> Iterator[Any]:
    """An element of each row; one of another length is handed on as it is.

    Args:
        names: of the columns.
        rows: lists of as many values.
        around: `source`, `labels` and `prefix` of the names.
        when: the column of the time; -1: `index` holds the times.
        index: a time for each row.
    """
    place = -1 if around["source"] else _place_of(names, ELEMENT_SOURCES)
    shown = [_named(around["prefix"], name) for name in names]
    units = around.get("units", {})
    kept = [at for at in range(len(names)) if at not in (when, place)]
    for row, moment in zip(rows, chain(index or (), repeat(None)), strict=False):
        if type(row) is not list or len(row) != len(names):
            yield row
            continue
        source = around["source"] if place < 0 else str(row[place] or "")
        element = {"source": source, "labels": around["labels"], "unit": "",
                   "time": moment if when < 0 else row[when]}  # fmt: skip
        if not units:
            yield element | {"values": {shown[at]: row[at] for at in kept}}
            continue
        for at in kept:
            yield element | {"unit": units.get(at, ""), "values": {shown[at]: row[at]}}


def _is_series_tables(one: dict[str, Any]) -> bool:
    results = one.get("results")
    return type(results) is list and any(
        type(each) is dict and type(each.get("series")) is list for each in results
    )


def _series_tables(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """InfluxDB 1.x `/query`: tables with the names of their columns, by tags."""
    for result in message["results"]:
        if type(result) is not dict or type(result.get("series")) is not list:
            if result and (type(result) is not dict or "error" in result):
                yield [result]
            continue
        for one in result["series"]:
            names = one.get("columns") if type(one) is dict else None
            rows = one.get("values") if type(one) is dict else None
            if type(names) is not list or type(rows) is not list:
                yield one
                continue
            tags = one["tags"] if type(one.get("tags")) is dict else {}
            source, labels = source_of({name: text for name, text in tags.items() if text != ""})
            around = {"source": source, "labels": labels, "prefix": _text(one.get("name"))}
            yield from _rows(names, rows, around, _place_of(names, ("time", "timestamp")))


def _frames_of(message: dict[str, Any]) -> list[Any]:
    """Data frames of Grafana: of all queries, of one, or one."""
    results = message.get("results")
    if type(results) is dict:
        found = [one.get("frames") for one in results.values() if type(one) is dict]
        return [frame for one in found if type(one) is list for frame in one]
    frames = message.get("frames")
    return frames if type(frames) is list else [message]


def _columns_of(frame: Any) -> tuple[list[Any], list[Any]] | None:
    """Fields and columns of a frame; None: it is none."""
    schema, data = (frame.get("schema"), frame.get("data")) if type(frame) is dict else (None, None)
    fields = schema.get("fields") if type(schema) is dict else None
    values = data.get("values") if type(data) is dict else None
    if type(fields) is not list or type(values) is not list or len(fields) != len(values):
        return None
    good = all(type(one) is dict for one in fields) and all(type(one) is list for one in values)
    return (fields, values) if good and len({len(one) for one in values}) <= 1 else None


def _is_frames(one: dict[str, Any]) -> bool:
    return any(_columns_of(frame) is not None for frame in _frames_of(one))


def _frames(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """Grafana `/api/ds/query`: data frames, each a table by columns whose fields have labels."""
    for frame in _frames_of(message):
        found = _columns_of(frame)
        if found is None:
            yield [frame]
            continue
        fields, values = found
        times = [at for at, one in enumerate(fields) if one.get("type") == "time"]
        if not times:
            count_numbers(values, "data.values", left, "the frame has no field of type time")
            continue
        texts = {_text(one.get("name")): values[at] for at, one in enumerate(fields)
                 if one.get("type") == "string"}  # fmt: skip
        chosen = next((name for name in ELEMENT_SOURCES if name in texts), "")
        for name in texts.keys() - {chosen}:
            if texts[name]:
                left.add(f"text of {name[:200]}", "a field of text is no metric", "", "fields", 0)
        for at, field in enumerate(fields):
            if field.get("type") not in ("time", "string"):
                yield from _field(frame, field, values[times[0]], values[at], texts.get(chosen))


def _field(frame: Any, field: Any, times: list[Any], values: list[Any], sources: Any) -> Any:
    """The elements of a field."""
    config = field["config"] if type(field.get("config")) is dict else {}
    given = field["labels"] if type(field.get("labels")) is dict else {}
    source, labels = source_of({name: one for name, one in given.items() if name != "__name__"})
    name = _text(field.get("name"))
    told = _text(given.get("__name__"))
    if not told and name.lower() in ("value", "") and type(frame.get("schema")) is dict:
        told = _text(frame["schema"].get("name"))
    shown, unit = shortened(told or name or "value"), _text(config.get("unit"))
    for moment, value, one in zip(times, values, sources or repeat(source), strict=False):
        yield {"source": source or _text(one), "labels": labels, "time": moment, "unit": unit,
               "values": {shown: value}}  # fmt: skip


def _column_tables(message: Any) -> list[tuple[str, dict[str, list[Any]]]]:
    """(place, columns by name) of each table: arrays of one length, one of them of times."""
    found = []
    inner = [(name, one) for name, one in message.items() if type(one) is dict]
    for place, one in [("", message), *inner]:
        arrays = {name: each for name, each in one.items() if type(each) is list and each}
        when = _place_of([*arrays], TIME_COLUMNS)
        if when >= 0:
            size = len(arrays[[*arrays][when]])
            table = {name: each for name, each in arrays.items() if len(each) == size}
            if len(table) > 1:
                found.append((place, table))
    return found


def _is_columns(one: dict[str, Any]) -> bool:
    return bool(_column_tables(one))


def _columns(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """Arrays side by side, at the top or one below it; units beside them as `NAME_units`."""
    tables = _column_tables(message)
    places = {place for place, _ in tables}
    for place, table in tables:
        one = message[place] if place else message
        for name, each in one.items():
            units = name.endswith("_units") and name.removesuffix("_units") in places
            if name not in table and (place or name not in places) and not units:
                count_numbers(each, f"{place}.{name}" if place else name, left, UNUSED)
        names = [*table]
        units = message.get(f"{place}_units")
        by_name = units if place and type(units) is dict else {}
        around = {"source": "", "labels": {}, "prefix": "", "units": {
            at: _text(by_name.get(name)) for at, name in enumerate(names) if by_name.get(name)
        }}  # fmt: skip
        rows = map(list, zip(*table.values(), strict=True))
        yield from _rows(names, rows, around, _place_of(names, TIME_COLUMNS))
    if "" not in places:
        for name, each in message.items():
            units = name.endswith("_units") and name.removesuffix("_units") in places
            if name not in places and not units:
                count_numbers(each, name, left, UNUSED)


def _is_split(one: dict[str, Any]) -> bool:
    return type(one.get("columns")) is list and type(one.get("data")) is list


def _is_nested(one: dict[str, Any]) -> bool:
    """Whether every member is an object of plain values, all of the same names or nearly."""
    members = [*one.values()]
    return bool(members) and all(
        type(each) is dict and each
        and not any(type(value) in (dict, list) for value in [*each.values()][:3])
        for each in members[:20]
    )  # fmt: skip


def _is_index(name: str) -> bool:
    """Whether a name is one of an index: a number, or a time as pandas writes it."""
    return name[:1].isdigit() and name.strip("0123456789-:.TZ+ ") == ""


def _is_pandas(one: dict[str, Any]) -> bool:
    if _is_split(one):
        return True
    if not _is_nested(one):
        return False
    first = next(iter(one.values()))
    return all(map(_is_index, one)) or all(map(_is_index, first))


def _pandas(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`to_json` of pandas: orient split, columns (the default) and index."""
    around = {"source": "", "labels": {}, "prefix": ""}
    if _is_split(message):
        names = message["columns"]
        index = message.get("index")
        when = _place_of(names, TIME_COLUMNS)
        yield from _rows(names, message["data"], around, when, index if type(index) is list else ())
        return
    by_row = all(map(_is_index, message))
    rows = message if by_row else _turned(message)
    for key, row in rows.items():
        if type(row) is not dict:
            yield row
            continue
        names = [*row]
        yield from _rows(names, [[*row.values()]], around, _place_of(names, TIME_COLUMNS), [key])


def _turned(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Columns by name as rows by index."""
    rows: dict[str, dict[str, Any]] = {}
    for name, column in message.items():
        for key, value in column.items() if type(column) is dict else ((name, column),):
            rows.setdefault(key, {})[name] = value
    return rows


def _is_rrdtool(one: dict[str, Any]) -> bool:
    meta = one.get("meta")
    return type(one.get("data")) is list and type(meta) is dict and _legend(meta) is not None


def _legend(meta: dict[str, Any]) -> list[Any] | None:
    """The names, where there is a start and a step, too."""
    legend = meta.get("legend")
    timed = all(type(meta.get(name)) in (int, float) for name in ("start", "step"))
    return legend if type(legend) is list and timed else None


def _rrdtool(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`rrdtool xport --json`: a row for each step; with --showtime the time stands before it."""
    meta, rows = message["meta"], message["data"]
    names = _legend(meta) or []
    for name, value in message.items():
        if name not in ("meta", "data"):
            count_numbers(value, name, left, UNUSED)
    around = {"source": "", "labels": {}, "prefix": ""}
    first = next((row for row in rows if type(row) is list), [])
    if len(first) == len(names) + 1:
        yield from _rows(["timestamp", *names], rows, around, 0)
        return
    times = (meta["start"] + at * meta["step"] for at in range(len(rows)))
    yield from _rows(names, rows, around, -1, times)


series_tables = _is_series_tables, _series_tables
frames = _is_frames, _frames
columns = _is_columns, _columns
pandas = _is_pandas, _pandas
rrdtool = _is_rrdtool, _rrdtool
