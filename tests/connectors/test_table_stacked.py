"""Several tables in one file, one below the other, and units below a header."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.connectors.tables.headers import units_of
from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
from tests.connectors.reading import Sample, letters, reads_of, samples
from tests.connectors.test_table_laws import file
from tests.connectors.test_tables import seen, values, write


def stamp(minute: int) -> str:
    return f"2026-01-05T{minute // 60:02}:{minute % 60:02}:00Z"


def table(names: str, first: int, rows: list[str]) -> str:
    return f"{names}\n" + "".join(f"{stamp(first + i)},{row}\n" for i, row in enumerate(rows))


CPU = table("timestamp,cpu", 0, ["1", "2", "3"])
DISK = table("timestamp,disk,free", 1, ["7,70", "8,80"])


@pytest.mark.parametrize("between", ["\n", "\r\n\r\n", "", "\nDisk of host a\n", "Disk\n\n"])
def test_several_tables_in_one_file_are_read_as_tables_each(tmp_path: Path, between: str) -> None:
    path = write(tmp_path / "two.csv", f"{CPU}{between}{DISK}")
    assert values(path) == {"cpu": [1, 2, 3], "disk": [7, 8], "free": [70, 80]}
    reads, findings = seen(path)
    times = [time for _, time, _ in samples(reads)]
    assert times == sorted(times)  # as the sorted file gives them
    assert any(
        "2 tables, one below the other, with 2 different" in g.what for g in findings.guesses
    )
    titles = [one for one in findings.unwatched if one.unit == "lines"]
    assert [one.amount for one in titles] == ([1] if "Disk" in between else [])


def test_a_second_table_of_the_same_width_is_not_taken_for_the_first(tmp_path: Path) -> None:
    other = table("timestamp,memory", 0, ["90", "91"])
    assert values(write(tmp_path / "a.csv", f"{CPU}{other}")) == {
        "cpu": [1, 2, 3],
        "memory": [90, 91],
    }


def test_a_header_that_comes_again_is_no_row(tmp_path: Path) -> None:
    more = table("timestamp,cpu", 3, ["4", "5"])
    path = write(tmp_path / "cat.csv", f"{CPU}{more}\n{more.replace('00:0', '01:0')}")
    assert values(path) == {"cpu": [1, 2, 3, 4, 5, 4, 5]}
    (guess,) = [one for one in seen(path)[1].guesses if "tables" in one.what]
    assert "3 tables, one below the other, with the same header" in guess.what


def test_a_table_without_times_below_another_is_named_and_its_numbers_count(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "sum.csv", f"{CPU}\nstatistic,cpu\nmean,2\nhighest,3\n")
    reads, findings = seen(path)
    assert (len(samples(reads)), letters(reads)) == (3, [])
    (left,) = findings.unwatched
    assert left.what == "table with the header 'statistic,cpu'"
    assert "no column 'timestamp'" in left.reason
    assert (left.amount, left.numeric) == (4, 2)


def test_tables_of_which_none_can_be_read_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "none.csv", "when,cpu\n1,2\n\nwhen,disk\n1,2\n")
    with pytest.raises(SourceError, match="no column 'timestamp'"):
        source_from_uri(path).ranges()


def test_headers_in_comments_begin_tables_too(tmp_path: Path) -> None:
    rows = ["".join(f"{1_767_571_200 + i},{i * k}\n" for i in range(3)) for k in (1, 10)]
    text = f"# timestamp,a\n{rows[0]}# made by hand, on Monday\n# timestamp,b\n{rows[1]}"
    assert values(write(tmp_path / "np.csv", text)) == {"a": [0, 1, 2], "b": [0, 10, 20]}


def test_a_description_below_the_header_costs_no_more_than_itself(tmp_path: Path) -> None:
    text = f"timestamp,a,b\nTime,Oil pressure,Oil temp\n{stamp(0)},1,2\n{stamp(1)},3,4\n"
    reads, _ = seen(write(tmp_path / "words.csv", text))
    assert [value for _, _, value in samples(reads)] == [1, 2, 3, 4]
    assert [one.offset for one in letters(reads)] == [0]


def test_a_second_column_below_the_first_is_a_table_where_times_are_given(tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", "cpu\n1\n2\n\nmem\n3\n4\n")
    found = values(f"{path}?start=2026-01-05T00:00:00Z&step=60")
    assert found == {"cpu": [1, 2], "mem": [3, 4]}


def test_options_name_columns_of_any_of_the_tables(tmp_path: Path) -> None:
    path = write(tmp_path / "two.csv", f"{CPU}\n{DISK}")
    assert values(f"{path}?ignore=free&rename=disk:hda&units=hda:%25") == {
        "cpu": [1, 2, 3],
        "hda %": [7, 8],
    }
    assert values(f"{path}?metrics=disk") == {"disk": [7, 8]}
    _, findings = seen(f"{path}?metrics=cpu,disk")
    assert [one.remedy for one in findings.unwatched] == ["metrics=cpu,disk,free"]
    with pytest.raises(
        SourceError, match=r"no column 'fre' in any table; ignore= may name: .*free"
    ):
        source_from_uri(f"{path}?ignore=fre").ranges()


def test_tables_are_read_alike_from_every_offset_and_in_every_block(tmp_path: Path) -> None:
    path = write(tmp_path / "two.csv", f"{CPU}\n{DISK}\nDisk\n{CPU}")
    whole = samples(seen(f"{path}?order=arrival&repeats=drop")[0])
    for block in (1, 2, 3, 7):
        source = source_from_uri(f"{path}?order=arrival&repeats=drop")
        source.block_rows = block  # type: ignore[attr-defined]
        (entire,) = source.ranges()
        assert samples(reads_of(source, [entire])) == whole


@pytest.mark.parametrize(
    "row",
    ["n/a,warm", "unknown,1", ",1", "x,y", '"a ""timestamp"" b",1'],
)
def test_a_row_that_cannot_be_read_is_no_header(tmp_path: Path, row: str) -> None:
    path = write(tmp_path / "bad.csv", f"{CPU}{row}\n{stamp(9)},4\n")
    reads, findings = seen(path)
    assert [value for _, _, value in samples(reads)] == [1, 2, 3, 4]
    assert not any("tables" in one.what for one in findings.guesses)
    assert len(letters(reads)) == 1


@given(
    tables=st.lists(
        st.tuples(
            st.lists(st.sampled_from("abcde"), min_size=1, max_size=3, unique=True),
            st.integers(0, 500),
            st.integers(1, 4),
            st.sampled_from(["", "\n", "\n\n", "\nA title\n"]),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=100, deadline=None)
def test_tables_below_each_other_give_what_they_give_alone(
    tables: list[tuple[list[str], int, int, str]],
) -> None:
    text, last, alone = "", "", []
    for names, first, count, behind in tables:
        rows = [",".join(f"{first + i + j}" for j in range(len(names))) for i in range(count)]
        part = table(f"timestamp,{','.join(names)}", first, rows)
        text += last + part
        last = behind
        alone += _samples_of(part)
    assert sorted(_samples_of(text), key=str) == sorted(alone, key=str)


def _samples_of(text: str) -> list[Sample]:
    with file(text.encode()) as path:
        reads, _ = seen(f"{path}?repeats=drop&source_id=s")
    assert letters(reads) == []
    return samples(reads)


@pytest.mark.parametrize("units", ["s,°C,bar", ",degC,(mbar)", "UTC,[%],l/min", "-,C,1/min"])
def test_units_below_a_header_are_units_and_no_row(tmp_path: Path, units: str) -> None:
    text = f"timestamp,heat,flow\n{units}\n{stamp(0)},20.5,1\n{stamp(1)},21,2\n"
    path = write(tmp_path / "units.csv", text)
    heat, flow = (unit.strip("()[]") for unit in units.split(",")[1:])
    assert values(path) == {f"heat {heat}": [20.5, 21], f"flow {flow}": [1, 2]}
    (guess,) = seen(path)[1].guesses
    assert guess.option == f"units=heat:{heat},flow:{flow}"
    assert values(f"{path}?units=heat:K") == {"heat K": [20.5, 21], f"flow {flow}": [1, 2]}


@pytest.mark.parametrize(
    ("first", "below"),
    [("t,oops", "1,2"), ("t,20 %", "1,2"), ("t,n/a", "1,2"), ("t,float", "1,2"), ("t,°C", "t,x")],
)
def test_a_first_row_that_is_none_of_units_is_a_row(first: str, below: str) -> None:
    assert units_of([first.split(","), below.split(",")], 2) == []
