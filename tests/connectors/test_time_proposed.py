"""Times of a form that is not known: the refusal proposes the format that reads them."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.analysis.losses.remedies import remedy_of
from padit.connectors.tables import proposed
from padit.connectors.tables.proposed import proposals, proposed_formats
from padit.connectors.tables.time_formats import Parsed, parse_format
from padit.domain.errors import SourceError
from padit.domain.losses import Loss
from tests.codecs.samples import steady
from tests.connectors.reading import letters
from tests.connectors.test_tables import seen, times, write

AT = "2026-01-05 08:00:00"


@pytest.mark.parametrize(
    ("cell", "form"),
    [
        ("5. Januar 2026 08:00 Uhr", "%d. %b %Y %H:%M Uhr"),
        ("am 05.01.2026 um 08:00 Uhr", "am %d.%m.%Y um %H:%M Uhr"),
        ("Mon Jan 05 2026 08:00:00 GMT+0000 (Coordinated Universal Time)",
         "%a %b %d %Y %H:%M:%S GMT%z (Coordinated Universal Time)"),
        ("2026-01-05 08h00", "%Y-%m-%d %Hh%M"),
        ("2026年1月5日 08时00分00秒", "%Y年%m月%d日 %H时%M分%S秒"),
        ("05-JAN-26 08.00.00.000000000 AM", "%d-%b-%y %I.%M.%S.%f %p"),  # Oracle
        ("2026-01-05-08.00.00.000000", "%Y-%m-%d-%H.%M.%S.%f"),  # DB2
        ("05JAN2026:08:00:00", "%d%b%Y:%H:%M:%S"),  # SAS
        ("2026-01-05_08-00-00", "%Y-%m-%d_%H-%M-%S"),
        ("Monday, January 5, 2026 8:00:00 AM", "%a, %b %d, %Y %I:%M:%S %p"),
        ("2026-01-05 08:00:00 +0000 UTC", "%Y-%m-%d %H:%M:%S %z UTC"),  # Go
        ("2026-01-05T08:00:00+00:00[Europe/London]", "%Y-%m-%dT%H:%M:%S%z[Europe/London]"),
    ],
)  # fmt: skip
def test_the_proposed_format_reads_the_time(tmp_path: Path, cell: str, form: str) -> None:
    assert proposed_formats(cell) == [form]
    path = write(tmp_path / "a.tsv", f"timestamp\ta\n{cell}\t1\n")
    assert times(f"{path}?time_format={form}") == [AT.replace(" ", "T")]


def test_a_refused_time_names_the_option(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "timestamp\ta\n2026-01-05 08h00\t1\n")
    (letter,) = letters(seen(path)[0])
    assert letter.reason.endswith(": add time_format=%Y-%m-%d %Hh%M")
    loss = Loss(letter.reason.partition(" ")[0], 1, letter.reason, "a.tsv")
    assert remedy_of(loss) == "time_format=%Y-%m-%d %Hh%M"


def test_where_day_and_month_cannot_be_told_apart_both_are_proposed() -> None:
    assert proposed_formats("05/01/2026 / 08h00") == [
        "%d/%m/%Y / %Hh%M", "%m/%d/%Y / %Hh%M",
    ]  # fmt: skip
    assert proposed_formats("01/25/2026 / 08h00") == ["%m/%d/%Y / %Hh%M"]
    assert proposed_formats("25/01/2026 / 08h00") == ["%d/%m/%Y / %Hh%M"]


@pytest.mark.parametrize(
    "cell", ["", "x", "12345", "99/99/2026 x", "8:00 05.01.2026", "1" * 99, "1.2.3.4.5.6.7.8.9",
             "%d.%m", "2026-01-05 %"],
)  # fmt: skip
def test_nothing_is_proposed_that_does_not_read_it(cell: str) -> None:
    assert proposed_formats(cell) in ([], ["%Y-%m-%d %%"])


@pytest.mark.parametrize("cell", ["1.76757E+12", "1,76757E+12", "1.7E+09", "2E+12"])
def test_times_whose_digits_excel_has_dropped_are_refused(tmp_path: Path, cell: str) -> None:
    rows = f"{cell}\t1\n" * 5
    path = write(tmp_path / "a.tsv", f"timestamp\ta\n{rows}")
    with pytest.raises(SourceError, match=rf"such as '{re.escape(cell)}', have lost all but six"):
        seen(path)


@pytest.mark.parametrize("exponent", ["e+12", "E12", "e12"])
def test_rounded_times_of_other_spellings_are_refused(tmp_path: Path, exponent: str) -> None:
    rows = "".join(f"1.7675{i // 6}{exponent}\t1\n" for i in range(30))
    path = write(tmp_path / "a.tsv", f"timestamp\ta\n{rows}")
    with pytest.raises(SourceError, match="have lost all but six"):
        seen(path)


def test_seconds_of_a_measurement_are_no_rounded_times(tmp_path: Path) -> None:
    rows = "".join(f"{i}.00000E+00\t1\n" for i in range(5))
    path = write(tmp_path / "a.tsv", f"t\ta\n{rows}")
    assert times(f"{path}?timestamp=t&start=2026-01-05T08:00:00Z")[-1] == "2026-01-05T08:00:04"


@pytest.mark.parametrize("cell", ["1.7676E12", "1.767600000000e+09", "1767600000", "1.7676e+12"])
def test_numbers_of_other_programs_with_an_exponent_are_times(tmp_path: Path, cell: str) -> None:
    """Java writes the shortest text that is the number, C and numpy all digits or a small e."""
    assert times(write(tmp_path / "a.tsv", f"timestamp\ta\n{cell}\t1\n")) == [AT.replace(" ", "T")]


@pytest.mark.parametrize(
    ("cells", "proposal"),
    [
        ([f"{1 + i % 28}. Januar 2026 {i // 60:02}:{i % 60:02} Uhr" for i in range(900)],
         [": add time_format=%d. %b %Y %H:%M Uhr"] * 900),
        ([f"2026-01-05 08h00 x{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(600)],
         [f": add time_format=%Y-%m-%d %Hh%M xa{chr(97 + i)}" for i in range(20)]),
    ],
)  # fmt: skip
def test_formats_are_tried_for_all_times_of_a_table_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: list[str], proposal: list[str]
) -> None:
    path = write(tmp_path / "a.tsv", "timestamp\ta\n" + "".join(f"{one}\t1\n" for one in cells))
    tried: list[str] = []

    def parsed(column: pa.Array, form: str) -> Parsed:
        tried.append(form)
        return parse_format(column, form)

    monkeypatch.setattr(proposed, "parse_format", parsed)
    reasons = [one.reason for one in letters(seen(path)[0])]
    assert len(tried) <= 100  # a file is looked at before it is read
    assert len(reasons) == len(cells)
    assert all(map(str.endswith, reasons, proposal))


@steady
@given(st.lists(st.sampled_from(
    ["5. Januar 2026 08:00 Uhr", "31. Februar 2026 08:00 Uhr", "05/01/2026 / 08h00", "x",
     "25/01/2026 / 08h00", "01/25/2026 / 08h00", "2026-01-05 08h00", "2026-01-05 99h00", ""]
), unique=True))  # fmt: skip
def test_what_is_proposed_together_is_what_is_proposed_alone(cells: list[str]) -> None:
    assert proposals(cells) == {one: proposed_formats(one) for one in cells}
