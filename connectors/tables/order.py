"""Whether the times of a text table go back; mostly seen without converting them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.connectors.file_columns import event_times
from padit.connectors.file_plan import GivenTimes, Wide
from padit.connectors.file_sort import ascending
from padit.connectors.tables.annotated import Annotated
from padit.connectors.tables.layout import Layout
from padit.connectors.tables.parse import parse
from padit.connectors.tables.records import Block, RecordReader
from padit.connectors.text_order import TextOrder

__all__ = ["in_order"]

_RECORDS = 1 << 16


def in_order(path: str, layout: Layout | Annotated) -> bool:
    """Whether no event time of a file is before an earlier one."""
    if isinstance(layout, Annotated):
        return ascending(_times_of_sections(path, layout))
    if isinstance(layout.plan.time, GivenTimes):
        return True
    return _seen(path, layout) or ascending(_times(path, layout))


def _blocks(path: str, layout: Layout | Annotated) -> Iterator[Block]:
    reader = RecordReader(path, layout.dialect.text, layout.dialect.cut)
    try:
        while len(block := reader.take(_RECORDS)):
            yield block
    finally:
        reader.close()


def _seen(path: str, layout: Layout) -> bool:
    """Whether the times stand in front of each record and do not go back, to the byte."""
    form = layout.forms.time
    # With a format or a zone the text may ascend where the times do not.
    if form.format or form.zone or layout.plan.clock:
        return False
    if layout.plan.time != layout.dialect.names[0]:
        return False
    order = TextOrder(layout.dialect.cut.delimiter.encode() + b'"\r\n')
    for block in _blocks(path, layout):
        starts = np.concatenate(([0], block.ends[:-1]))
        if not order.take(block.data, starts):
            return False
    return True


def _times(path: str, layout: Layout) -> Iterator[NDArray[np.int64]]:
    """Event times of all rows that have one."""
    plan = layout.plan._replace(source=None, body=Wide((), (), ()))
    needed = list(layout.plan.time_columns)
    names, delimiter = layout.dialect.names, layout.dialect.cut.delimiter
    types = {name: kind for name, kind in layout.types.items() if name in needed}
    for block in _blocks(path, layout):
        try:
            parsed = parse(block, names, needed, delimiter, types)
        except pa.ArrowInvalid:
            parsed = parse(block, names, needed, delimiter)
        number = parsed.position + block.first
        yield event_times(plan, parsed.table, number, layout.forms.time)


def _times_of_sections(path: str, layout: Annotated) -> Iterator[NDArray[np.int64]]:
    row = 0
    reader = RecordReader(path, layout.dialect.text, layout.dialect.cut)
    try:
        while True:
            section, change = layout.section(row)
            block = reader.take(min(_RECORDS, change - row))
            if not len(block):
                return
            row += len(block)
            if section is not None:
                converted, _ = layout.convert(block, section)
                yield converted.rows.time
    finally:
        reader.close()
