"""Columns of text, plain or as a dictionary, to distinct strings and numbers."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.arrow_headers import MOST_UNPACKED, UNPACKED_AT_LEAST
from padit.domain.errors import WireFormatError

__all__ = ["Names", "encode_names"]

Names = tuple[list[str], NDArray[np.int64]]
"""Distinct strings and the index of each row among them."""


def encode_names(values: pa.Array | pa.ChunkedArray, absent: str = "") -> Names:
    """Strings, plain or dictionary-encoded, as (distinct, int64 index of each).

    A dictionary may repeat a value, hold a null, or more than the rows use.

    Args:
        values: n rows.
        absent: stands for null.
    """
    if not pa.types.is_dictionary(values.type):
        values = _as_text(values).fill_null(absent).dictionary_encode()
    if isinstance(values, pa.ChunkedArray):
        values = values.unify_dictionaries().combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # combine_chunks keeps one chunk as it is
        values = values.chunk(0)
    words, indices = values.dictionary, values.indices
    codes = indices.cast(pa.int64())  # an int8 may have no number left for null
    codes = np.asarray(codes.fill_null(len(words)) if indices.null_count else codes)
    if len(words) > len(codes):
        used, codes = np.unique(codes, return_inverse=True)
        words = words.take(pa.array(used[used < len(words)]))
    texts = [absent if text is None else text for text in _as_text(words).to_pylist()]
    if indices.null_count:
        texts.append(absent)
    table: dict[str, int] = {}
    position = [table.setdefault(text, len(table)) for text in texts]
    if len(table) == len(texts):
        return texts, codes
    return list(table), np.array(position, np.int64)[codes]


def _as_text(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Values as strings. Views may all show the same long text, so their lengths are added up."""
    if pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type):
        size = 0
        for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
            first, count = chunk.offset, len(chunk)
            view = np.frombuffer(chunk.buffers()[1], "<i4").reshape(-1, 4)
            size += int(view[first : first + count, 0].astype(np.int64).sum())
        if size > max(MOST_UNPACKED * values.nbytes, UNPACKED_AT_LEAST):
            message = f"a column of views that show {size} bytes of text in {values.nbytes}"
            raise WireFormatError(message)
    return values.cast(pa.string())
