"""Numbers that stand for no value: -999.25 in well logs, -9999, 9999.9, 65535 ...

Nothing is left out unasked: a sensor may really show 9999. What looks like such a number is said,
with the option `missing` that leaves it out.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.codecs.names import some_of
from padit.connectors.tables.values import NumberForm, split_numbers

__all__ = ["sentinels_of", "without_missing"]

_WEAK = (88.8, 99.0, 99.9, 99.99)
_USUAL = (
    888.0, 888.8, 999.0, 999.9, 999.99, 8888.0, 9999.0, 9999.9, 9999.99, 99999.0, 99999.9, 999999.0,
    9999999.0, 99999999.0, 999999999.0, 999.25, 9999.25, 6999.0, 7999.0, 32767.0, 32768.0, 65535.0,
    2147483647.0, 2147483648.0, 4294967295.0, 1e20, 1e30, 1e31, 1e35, 1e37, 1e38, 3.4e38,
    3.40282e38, 3.402823e38, 3.4028235e38, 3.40282346638529e38, 3.4028234663852886e38,
    9.96921e36, 9.96920996838687e36, 1.79769313486231e308, 1.7976931348623157e308,
)  # fmt: skip
_KNOWN = np.array([*_WEAK, *_USUAL])


def without_missing(sample: pa.Table, timestamp: str, missing: Iterable[str]) -> pa.Table:
    """Columns with null where a word or number of `missing` stands; times are as they are.

    Args:
        sample: columns of text.
        timestamp: the columns of times, as the option names them.
        missing: words and numbers.
    """
    form = NumberForm(missing=tuple(missing))
    if not form.missing:
        return sample
    words = pa.array([one.lower() for one in form.missing])
    times = (timestamp, *timestamp.replace(" ", "+").split("+"))
    for at, name in enumerate(sample.column_names):
        if name in times:
            continue
        column = sample[name].combine_chunks()
        text = pc.utf8_lower(pc.utf8_trim_whitespace(column))
        gone = np.asarray(pc.is_in(text, words).fill_null(False), bool)
        gone = gone | np.isin(split_numbers(column, NumberForm()).value, form.numbers)
        held = pc.if_else(pa.array(gone), pa.scalar(None, column.type), column)
        sample = sample.set_column(at, name, held)
    return sample


def sentinels_of(sample: pa.Table, forms: Mapping[str, NumberForm]) -> tuple[str, list[str]]:
    """What the numbers of columns show: a sentence, and the numbers for `missing`.

    Args:
        sample: columns of text.
        forms: of the columns that are watched.

    Returns:
        "" and none where there are no such numbers.
    """
    shown: list[str] = []
    numbers: dict[str, None] = {}
    columns = dict(zip(sample.column_names, sample.columns, strict=True))
    for name, form in forms.items():
        if name not in columns or form.missing:
            continue
        cells = columns[name].combine_chunks()
        value = split_numbers(cells, form).value
        for one in _far(value[np.isfinite(value)]):
            count = int(np.count_nonzero(value == one))
            written = cells[int(np.flatnonzero(value == one)[0])].as_py().strip()
            shown.append(f"{written} ({count:,} of {len(value):,} cells of column {name!r})")
            numbers.setdefault(f"{one:.17g}" if "," in written else written)
    if not shown:
        return "", []
    what = f"{some_of(shown, 3)} lie far from all others, as numbers do that stand for no"
    return f"{what} value; they are read as numbers, unless missing= names them", list(numbers)


def _far(value: NDArray[np.float64]) -> list[float]:
    """The known numbers among values that lie further from the others than these lie apart."""
    known = np.isin(np.abs(value), _KNOWN)
    others = value[~known]
    if not known.any() or not len(others):
        return []
    low, high = float(others.min()), float(others.max())
    found = []
    for one in np.unique(value[known]).tolist():
        apart = max(low - one, one - high)
        many = np.count_nonzero(value == one)
        if apart > max(high - low, 0.5 * abs(one)) and (abs(one) not in _WEAK or many >= 2):
            found.append(one)
    return found
