"""Samples of one series at one time: a microsecond apart, in the order of the rows."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from padit.connectors.file_options import file_options
from padit.connectors.file_source import FileSource
from padit.domain.findings import Findings
from tests.connectors.reading import reads_of, samples
from tests.connectors.test_file_order import T0, read_in_parts, write


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab")), min_size=1, max_size=40),
    scale=st.sampled_from([1, 1000]),
    cuts=st.lists(st.integers(0, 80), max_size=2),
    block=st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_samples_of_a_series_at_one_time_are_microseconds_apart_in_the_order_of_the_rows(
    rows: list[tuple[int, str]], scale: int, cuts: list[int], block: int
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    lines = [f"{T0 * scale + t},{s},m,5" for t, s in rows]
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory, "a.csv"))
        Path(path).write_text("\n".join(["timestamp,source_id,metric_name,value", *lines, ""]))
        found = samples(read_in_parts(path, block, 1 << 20, cuts))
        dropped = file_options(path, {"repeats": "drop"})
        plain = samples(reads_of(FileSource(path, dropped)))
    ranks = rounds_of(rows)
    step = 1_000_000 // scale
    times = [T0 * 1_000_000 + t * step for t, _ in rows]
    assert [time for _, time, _ in found] == [a + b for a, b in zip(times, ranks, strict=True)]
    assert [time for _, time, _ in plain] == times


def rounds_of(rows: list[tuple[int, str]]) -> list[int]:
    """By row the round of its time."""
    found: list[int] = []
    last, number, met = -1, 0, set[str]()
    for time, name in rows:
        if time != last:
            last, number, met = time, 0, set()
        elif name in met:
            number, met = number + 1, set()
        met.add(name)
        found.append(number)
    return found


def test_a_column_of_words_that_may_tell_series_apart_is_named_with_its_option(
    tmp_path: Path,
) -> None:
    path = tmp_path / "melted.csv"
    rows = [f"{T0 + t},{name},{t}" for name in ("cpu", "mem") for t in range(5)]
    path.write_text("\n".join(["timestamp,variable,value", *rows]))
    [guess] = [one for one in _findings(path, {}).guesses if "microsecond" in one.what]
    assert guess.what.endswith("if column 'variable' tells series apart: source_column=variable")
    for option in ("source_column", "metric_column"):
        told = _findings(path, {option: "variable"})
        assert [one for one in told.guesses if "microsecond" in one.what] == []


def _findings(path: Path, options: dict[str, str]) -> Findings:
    source = FileSource(str(path), file_options(str(path), options))
    source.ranges()
    return source.findings()


def test_reading_on_far_within_one_time_goes_on_with_its_count(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    rows = [(0, "s", 0, False)] + [(1, "s", i, False) for i in range(6000)]
    write(path, rows)
    whole = samples(reads_of(FileSource(path)))
    assert whole[-1][1] == (T0 + 1) * 1_000_000 + 5999
    assert samples(read_in_parts(path, 100, 1 << 20, [5500])) == whole


def test_samples_beyond_the_room_of_their_time_stay_within_it(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    lines = [f"{T0}.001,{i}" for i in range(1500)]
    Path(path).write_text("\n".join(["timestamp,value", *lines, f"{T0}.002,1", ""]))
    times = [time for _, time, _ in samples(reads_of(FileSource(path)))]
    assert times == sorted(times)
    assert times[-2:] == [T0 * 1_000_000 + 1999, T0 * 1_000_000 + 2000]


def test_times_coarser_than_the_samples_are_said_with_the_option(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    write(path, [(i // 10, "s", i, False) for i in range(100)])
    source = FileSource(path)
    source.ranges()
    (guess,) = (one for one in source.findings().guesses if one.option == "repeats=drop")
    assert "up to 10 samples" in guess.what
