"""Whether the times of a text table go back; mostly seen without converting them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.connectors.file_plan import GivenTimes, Wide
from padit.connectors.file_sort import ascending
from padit.connectors.file_times import event_times
from padit.connectors.tables.annotated import Annotated
from padit.connectors.tables.layout import Layout
from padit.connectors.tables.parse import parse
from padit.connectors.tables.records import Block, RecordReader
from padit.connectors.tables.stacked import Stacked
from padit.connectors.tables.survey import blocks_of
from padit.connectors.text_order import TextOrder

__all__ = ["AnyLayout", "in_order"]

AnyLayout = Layout | Annotated | Stacked
"""What a text file can be."""


_RECORDS = 1 << 16


def in_order(path: str, layout: AnyLayout) -> bool:
    """Whether no event time of a file is before an earlier one."""
    if isinstance(layout, Annotated):
        return ascending(_times_of_sections(path, layout))
    if isinstance(layout, Stacked):
        return ascending(_times_of_tables(path, layout))
    if isinstance(layout.plan.time, GivenTimes):
        return True
    return _seen(path, layout) or ascending(_times(path, layout))


def _blocks(path: str, layout: AnyLayout) -> Iterator[Block]:
    return blocks_of(path, layout.dialect.text, layout.dialect.cut, _RECORDS)


def _seen(path: str, layout: Layout) -> bool:
    """Whether the times stand in front of each record and do not go back, to the byte."""
    form = layout.forms.time
    # With a format or a zone the text may ascend where the times do not.
    if form.format or form.zone or form.turns or layout.plan.more:
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
    return (_times_of(layout, block) for block in _blocks(path, layout))


def _times_of(layout: Layout, block: Block) -> NDArray[np.int64]:
    plan = layout.plan._replace(source=None, body=Wide((), (), ()))
    needed = list(layout.plan.time_columns)
    names, delimiter = layout.dialect.names, layout.dialect.cut.delimiter
    types = {name: kind for name, kind in layout.types.items() if name in needed}
    try:
        parsed = parse(block, names, needed, delimiter, types)
    except pa.ArrowInvalid:
        parsed = parse(block, names, needed, delimiter)
    number = parsed.position + block.first
    return event_times(plan, parsed.table, number, layout.forms.time)


def _times_of_tables(path: str, stacked: Stacked) -> Iterator[NDArray[np.int64]]:
    for block in _blocks(path, stacked):
        row = block.first
        while row < block.first + len(block):
            layout, change = stacked.section(row)
            stop = min(change, block.first + len(block))
            if layout is not None:
                yield _times_of(layout, block.part(row - block.first, stop - block.first))
            row = stop


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
