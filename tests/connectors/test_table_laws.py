"""Laws of text tables: the books balance in cells, and no bytes can do harm."""

import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.connectors.source import PartitionRange
from padit.connectors.tables import records
from padit.connectors.tables.values import MISSING
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError, SourceError
from tests.connectors.reading import letters, reads_of, samples

NOTHING = {*MISSING.to_pylist(), "NaN"}
KINDS = {
    "plain": st.sampled_from(["1", "-2.5", "3e4", "", "NaN", "null"]),
    "dirty": st.sampled_from(["1", "2", "3", "inf", "x", "", "7,554.9"]),
    "unit": st.sampled_from(["20 ms", "1.5 s", "0", "5", "-", "3 MB"]),
    "comma": st.sampled_from(["20,5", "1.234,5", "7", "", "1,25"]),
    "state": st.sampled_from(["true", "false", "", "TRUE"]),
    "words": st.sampled_from(["idle", "busy", "", "2x"]),
    "mixed": st.sampled_from(["1", "idle", "busy", "2"]),
}
TIMES = st.sampled_from(
    ["1767571200", "1767571201", "2026-01-05 00:00:00", "", "soon", "12", "05.01.2026 00:00"]
)


@contextmanager
def file(data: bytes, suffix: str = ".csv") -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "data" + suffix)
        path.write_bytes(data)
        yield str(path)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    kinds = draw(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=5))
    n = draw(st.integers(1, 30))
    columns = [draw(st.lists(KINDS[kind], min_size=n, max_size=n)) for kind in kinds]
    stamps = draw(st.lists(TIMES, min_size=n, max_size=n))
    names = ["timestamp", *(f"{kind}{i}" for i, kind in enumerate(kinds))]
    return names, [list(row) for row in zip(stamps, *columns, strict=True)]


@given(table=tables(), block=st.sampled_from([4, 13, 40]))
@settings(max_examples=100, deadline=None)
def test_every_cell_of_a_wide_table_is_read_unwatched_rejected_or_empty(
    table: tuple[list[str], list[list[str]]], block: int
) -> None:
    names, rows = table
    text = "".join(";".join(row) + "\n" for row in [names, *rows])
    with file(text.encode()) as path:
        source = source_from_uri(f"{path}?delimiter=;")
        try:
            source.ranges()
        except SourceError as error:
            if "no numeric column left" in str(error):
                return
            raise
        source.block_rows = block  # type: ignore[attr-defined]
        reads = reads_of(source)
        unwatched = {one.what.split("'")[1]: one for one in source.findings().unwatched}
    watched = [i for i, name in enumerate(names) if i and name not in unwatched]
    for name, one in unwatched.items():
        empty = all(row[names.index(name)] in NOTHING for row in rows)
        assert one.amount == len(rows) or (one.amount == 0 and empty)
    assert all(0 <= one.numeric <= one.amount for one in unwatched.values())
    present = [sum(row[i] not in NOTHING for i in watched) for row in rows]
    read = len(samples(reads))
    dead = letters(reads)
    without = sum(not present[one.offset] for one in dead)  # rows without a value or a time
    assert read + sum(one.lost for one in dead) == sum(present) + without
    assert len({one.offset for one in dead}) == len(dead)


@given(
    rows=st.lists(
        st.tuples(
            TIMES,
            st.sampled_from(["a", "b", ""]),
            st.one_of(KINDS["plain"], KINDS["dirty"], KINDS["unit"]),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=100, deadline=None)
def test_every_value_of_a_narrow_table_is_read_rejected_or_empty(
    rows: list[tuple[str, str, str]],
) -> None:
    text = "timestamp;metric_name;value;note\n" + "".join(f"{';'.join(row)};x\n" for row in rows)
    with file(text.encode()) as path:
        source = source_from_uri(f"{path}?delimiter=;")
        reads = reads_of(source)
        (note,) = source.findings().unwatched
    assert (note.amount, note.numeric) == (len(rows), 0)
    present = sum(value not in NOTHING for _, _, value in rows)
    assert len(samples(reads)) + sum(one.lost for one in letters(reads)) == present


LINES = st.sampled_from(
    ["1767571200,1,x", '1767571200,2,"a\nb"', '1767571200,3,"open', 'x",4,y', "", "#c", '"',
     '1,"a""b",c',      "1767571200,5", '1767571200,"6",","', "é,7,\x00"]
)  # fmt: skip


@given(lines=st.lists(LINES, min_size=1, max_size=25), cut=st.integers(0, 25),
       chunk=st.sampled_from([1, 3, 7, 64, 1 << 20]), block=st.sampled_from([1, 3, 8]),
       encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_where_reading_begins_and_how_it_is_cut_changes_nothing(
    lines: list[str], cut: int, chunk: int, block: int, encoding: str
) -> None:
    text = "\n".join(["timestamp,a,b", *lines]) + "\n"
    with file(text.encode(encoding)) as path, pytest.MonkeyPatch.context() as patch:
        uri = f"{path}?metrics=a&encoding={encoding}"
        source = source_from_uri(uri)
        (whole,) = source.ranges()
        expected = reads_of(source)
        patch.setattr(records, "_CHUNK", chunk)
        other = source_from_uri(uri)
        other.block_rows = block  # type: ignore[attr-defined]
        assert other.ranges() == [whole]
        stop = whole.stop or 0
        cut = min(cut, stop)
        reads = [
            *reads_of(other, [PartitionRange(0, 0, cut)]),
            *reads_of(other, [PartitionRange(0, cut, stop)]),
        ]
    assert samples(reads) == samples(expected)
    assert letters(reads) == letters(expected)


PIECES = st.sampled_from(
    [b"timestamp", b",", b";", b"\n", b"\r", b"\r\n", b'"', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
     b"1767571200", b"05.01.2026", b"1,5 ms", b"#group", b"#datatype,string", b"#default", b"sep=;",
     b"_time", b"_value", b"=\"", b"1e999", b"\xf0\x9f", b"\t", b"|", b"true", b" ", b"#"]
)  # fmt: skip


@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.lists(PIECES, max_size=60).map(b"".join),
        st.lists(PIECES, max_size=60).map(lambda some: b"timestamp,a\n" + b"".join(some)),
    ),
    suffix=st.sampled_from([".csv", ".tsv", ".txt", ".csv.gz", ".csv.zst"]),
    query=st.sampled_from(
        ["", "?metrics=a", "?start=1767571200&step=1", "?columns=timestamp,a", "?skip_lines=1",
         "?timezone=Europe/Berlin", "?decimal=comma", "?encoding=utf-16", "?states=true:1"]
    ),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_but_an_error_that_names_the_file(
    data: bytes, suffix: str, query: str
) -> None:
    with file(data, suffix) as path:
        try:
            reads = reads_of(source_from_uri(path + query))
        except (SourceError, ConfigurationError) as error:
            refused = str(error)
        else:
            refused = path
            letters(reads)
    assert path in refused


@pytest.mark.parametrize(
    "body",
    [
        b"x" * (40 << 20),
        b'"' * (40 << 20),
        b'1767571200,"' + b"y\n" * (1 << 18),
        b"\n" * (1 << 20),
    ],
    ids=["one line", "quotation marks", "a quotation that never ends", "empty lines"],
)
def test_memory_is_bounded_whatever_the_file_holds(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"timestamp,a\n1767571200,1\n" + body + b"\n1767571200,2\n")
    del body
    tracemalloc.start()
    try:
        reader = source_from_uri(str(path))
        ranges = reader.ranges()
        opened = reader.open(ranges, lambda values, times: pytest.fail("not JSON"))
        while not any(one.ended for one in opened.read(0)):
            pass
        opened.close()
        assert tracemalloc.get_traced_memory()[1] < 400 << 20
    finally:
        tracemalloc.stop()
