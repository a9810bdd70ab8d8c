"""Tables as loggers leave them: days of the year, zones by name, holes of zeros."""

from pathlib import Path

import pytest

from padit.connectors.tables.time_formats import possible_formats
from padit.domain.errors import SourceError
from tests.connectors.reading import letters, samples
from tests.connectors.test_tables import MINUTES, options, seen, write


@pytest.mark.parametrize("text", ["2026-334T08:00:00", "2026:334:08:00:10.5", "2026/001 23:59:59"])
def test_days_of_the_year_are_found_out(tmp_path: Path, text: str) -> None:
    (form,) = possible_formats(text)
    assert "%j" in form
    path = write(tmp_path / "a.csv", "timestamp,a\n" + "".join(f"{text},{i}\n" for i in range(3)))
    assert options(path)[0] == f"time_format={form}"


@pytest.mark.parametrize(
    ("cell", "option"),
    [
        ("Mon Nov 30 08:00:00 EST 2026", "time_format=%a %b %d %H:%M:%S EST %Y and timezone="),
        ("30.11.2026 08:00:10 MESZ", "time_format=%d.%m.%Y %H:%M:%S MESZ and timezone="),
        ("2026W48-1 08:00:00", "say how it is written with time_format="),
    ],
)
def test_a_time_that_cannot_be_read_says_which_option_helps(
    tmp_path: Path, cell: str, option: str
) -> None:
    path = write(tmp_path / "a.csv", f"timestamp,a\n{cell},1\n{cell},2\n")
    assert option in letters(seen(path)[0])[0].reason


@pytest.mark.parametrize("cell", ["2026-11-30 08:00:00 AM", "30/NOV/2026 08:00"])
def test_a_month_or_half_of_the_day_is_taken_for_no_zone(tmp_path: Path, cell: str) -> None:
    rows = "".join(f"{t},{i}\n" for i, t in enumerate(MINUTES))
    path = write(tmp_path / "a.csv", f"timestamp,a\n{rows}{cell},1\n")
    (letter,) = letters(seen(path)[0])
    assert "time_format=" in letter.reason
    assert "zone" not in letter.reason


def test_a_hole_of_zeros_is_one_row_and_a_zero_is_no_unit(tmp_path: Path) -> None:
    rows = "".join(f"{t},{i}\n" for i, t in enumerate(MINUTES))
    path = write(tmp_path / "a.csv", f"timestamp,a\n{rows}{chr(0) * 3000}\n")
    reads, _ = seen(path)
    assert len(samples(reads)) == 12
    assert [one.reason for one in letters(reads)] == ["not the 2 columns of the table"]
    padded = write(tmp_path / "b.csv", "timestamp,a\n" + rows.replace("\n", "\0\n"))
    with pytest.raises(SourceError, match="no numeric column"):
        seen(padded)
