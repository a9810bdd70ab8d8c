"""Numbers as people write them: accounting, currencies, durations; read, or refused in words."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.connectors.tables.written import CLOCK, NEGATIVE, PARTS, rewrite, rewritten
from padit.domain.errors import SourceError
from tests.connectors.test_tables import MINUTES, seen, values, write


def csv(path: Path, *cells: str, delimiter: str = "|") -> str:
    rows = "".join(f"{time}{delimiter}{cell}\n" for time, cell in zip(MINUTES, cells, strict=False))
    return write(path / "a.csv", f"timestamp{delimiter}x\n{rows}")


@pytest.mark.parametrize(
    ("cells", "metric", "expected"),
    [
        (("(12.5)", "3.0", "(1,234.5)"), "x", [-12.5, 3.0, -1234.5]),
        (("12.5-", "3.5", "7-"), "x", [-12.5, 3.5, -7.0]),
        (("$ 4,757.50", "$12.00", "-$3.25", "($1.00)"), "x $", [4757.5, 12.0, -3.25, -1.0]),
        (("USD 12.5", "USD 13", "-USD 1"), "x USD", [12.5, 13.0, -1.0]),
        (("4 757,00 EUR", "12,50 EUR"), "x EUR", [4757.0, 12.5]),
        (("€4.757,00", "€12,50"), "x €", [4757.0, 12.5]),
        (("(12.5%)", "3.0%"), "x %", [-12.5, 3.0]),
        (("1h5m", "45m", "2m 30s", "10s"), "x s", [3900.0, 2700.0, 150.0, 10.0]),
        (("1d2h", "3h 4m 5s", "-1h30m"), "x s", [93_600.0, 11_045.0, -5400.0]),
        (("1m30.5s", "1m0.25s", "1m"), "x ms", [90_500.0, 60_250.0, 60_000.0]),
        (("250ms", "1 s", "2ms"), "x ms", [250.0, 1000.0, 2.0]),
        (("12 KiB", "1 MiB", "512 B", "3 KiB"), "x KiB", [12.0, 1024.0, 0.5, 3.0]),
        (("1.2k", "900", "3M"), "x", None),
        (("1.2k", "900", "3k"), "x", [1200.0, 900.0, 3000.0]),
    ],
)
def test_cells_are_read_as_they_are_meant(
    tmp_path: Path, cells: tuple[str, ...], metric: str, expected: list[float] | None
) -> None:
    uri = f"{csv(tmp_path, *cells)}?delimiter=|"
    if expected is None:
        with pytest.raises(SourceError, match=r"units that cannot be converted.*units=x:UNIT"):
            seen(uri)
    else:
        assert values(uri) == {metric: expected}


def test_what_was_taken_for_a_negative_number_or_a_duration_is_said(tmp_path: Path) -> None:
    texts = {one.what for one in seen(f"{csv(tmp_path, '(12.5)', '3')}?delimiter=|")[1].guesses}
    assert "(12.5) in column 'x' is a negative number" in texts
    texts = {one.what for one in seen(f"{csv(tmp_path, '1h5m', '2h')}?delimiter=|")[1].guesses}
    assert "1h5m in column 'x' is a duration in parts" in texts


def test_hours_minutes_and_seconds_may_be_a_time_of_day_until_a_unit_says_otherwise(
    tmp_path: Path,
) -> None:
    path = csv(tmp_path, "00:01:30", "1:00:00", "-00:00:05.5")
    with pytest.raises(SourceError, match=r"are durations or times of day, .*\(units=x:s\)"):
        seen(f"{path}?delimiter=|")
    rows = "".join(f"{time}|00:00:0{i}|{i}\n" for i, time in enumerate(MINUTES[:9]))
    other = write(tmp_path / "b.csv", f"timestamp|x|y\n{rows}")
    [left] = seen(f"{other}?delimiter=|")[1].unwatched
    assert left.reason.startswith("its cells are durations or times of day, such as '00:00:0")
    assert left.remedy == "units=x:s"
    assert values(f"{path}?delimiter=|&units=x:s") == {"x s": [90.0, 3600.0, -5.5]}
    assert values(f"{path}?delimiter=|&units=x:min") == {"x min": [1.5, 60.0, -5.5 / 60]}


@pytest.mark.parametrize(
    "text",
    ["(-5)", "-$-5", "(a)", "()", "CPU 12", "EUR4", "5 m3", "1h 5", "99:99:99", "1d", "12 KiB", "",
     "5 (3)", "$", "(12", "12)", "1-2", "2026-01-05", "10-", "9" * 70 + "-"],
)  # fmt: skip
def test_what_is_no_such_number_stays_as_it_is(text: str) -> None:
    assert rewrite(text) == ((text, "") if text != "10-" else ("-10", NEGATIVE))


@given(st.text("0123456789.,:()-+$€ dhmsUSD'\u2212", max_size=14), st.booleans())
def test_a_column_is_rewritten_as_its_cells_are_and_once_is_enough(text: str, clock: bool) -> None:
    found, kind = rewrite(text, clock=clock)
    [cell] = rewritten(pa.array([text]), clock=clock).to_pylist()
    assert cell == found
    assert kind in ("", NEGATIVE, PARTS, CLOCK)
    if kind in (PARTS, CLOCK):
        assert Decimal(found.split()[0]) == int(found.split()[0])
    assert rewrite(found, clock=clock)[0] == found


def test_a_block_of_cells_is_rewritten_in_its_places() -> None:
    cells = ["1", "(2)", None, "$3", "(2)", "00:00:05", "x", ""]
    column = pa.array(cells)
    assert rewritten(column, clock=False).to_pylist() == [
        "1", "-2", None, "3 $", "-2", "00:00:05", "x", "",
    ]  # fmt: skip
    assert rewritten(column.slice(1, 3), clock=True).to_pylist() == ["-2", None, "3 $"]
    assert rewritten(pa.array([], pa.string()), clock=True).to_pylist() == []
