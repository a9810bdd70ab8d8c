"""What stands above the rows of a table: encoding, delimiter, reasons."""

from pathlib import Path

import pytest

from padit.domain.errors import SourceError
from tests.connectors.reading import letters
from tests.connectors.test_tables import options, seen, values

HALVES = [i + 0.5 for i in range(12)]
ROWS = "".join(f"05.01.2026 08:{i:02}:00;{i},5;{i},25\n" for i in range(12))
TIME = "timestamp=Zeit"


def write(path: Path, text: str) -> str:
    path.write_bytes(text.encode("cp1252"))
    return str(path)


@pytest.mark.parametrize(
    ("head", "query"),
    [
        ("sep=;\nZeit;Füllstand;T (°C)\n", TIME),
        ("Halle 3\n\nZeit;Füllstand;T (°C)\n", f"{TIME}&skip_lines=2"),
        ("# Halle 3\n#\nZeit;Füllstand;T (°C)\n", TIME),
        ('Zeit;"Füllstand";"T\n(°C)"\n', TIME),
        ('Zeit;"F\xfcllstand\n";"T (°C)"\n', TIME),
    ],
)
def test_a_head_of_several_lines_tells_its_encoding_as_one_line_does(
    tmp_path: Path, head: str, query: str
) -> None:
    uri = f"{write(tmp_path / 'a.csv', head + ROWS)}?{query}"
    assert values(uri)["Füllstand"] == HALVES
    assert "encoding=cp1252" in options(uri)


def test_units_below_the_names_tell_the_encoding(tmp_path: Path) -> None:
    uri = f"{write(tmp_path / 'a.csv', f'Zeit;level;T{chr(10)};%;°C{chr(10)}{ROWS}')}?{TIME}"
    assert values(uri) == {"level %": HALVES, "T °C": [i + 0.25 for i in range(12)]}


def test_one_damaged_row_does_not_change_the_encoding_of_the_others(tmp_path: Path) -> None:
    rows = ROWS.replace("08:05:00;5,5", "08:05:00;5,5\xb0")
    uri = f"{write(tmp_path / 'a.csv', f'Zeit;level;T{chr(10)}{rows}')}?{TIME}"
    assert not [one for one in options(uri) if one.startswith("encoding")]


@pytest.mark.parametrize(
    ("head", "skip"),
    [
        ("Halle 3\n\nZeit;A;B\n", 2),
        ("Halle 3\nBediener: Maier\nZeit;A;B\n", 2),
        ("x\nZeit;A;B\n", 1),
    ],
)
def test_below_titles_a_decimal_comma_is_not_taken_for_the_delimiter(
    tmp_path: Path, head: str, skip: int
) -> None:
    path = write(tmp_path / "a.csv", head + ROWS)
    with pytest.raises(SourceError, match=rf"cut at ';'; if title lines .* skip_lines={skip},"):
        seen(path)
    assert values(f"{path}?{TIME}&skip_lines={skip}")["A"] == HALVES


@pytest.mark.parametrize("name", ["a", "t", "time", "stamp"])
def test_a_column_whose_name_is_a_part_of_timestamp_says_why_it_is_no_metric(
    tmp_path: Path, name: str
) -> None:
    rows = "".join(f"2026-01-05 00:00:{i:02},0x{i:04X}\n" for i in range(12))
    path = write(tmp_path / "a.csv", f"timestamp,{name}\n{rows}")
    with pytest.raises(SourceError, match=rf"{name!r}: its cells are text, such as '0x0006'"):
        seen(path)


@pytest.mark.parametrize("empty", [",\n", ",,,\n", '"",""\n', " , \n", ",\r\n"])
def test_a_row_without_any_filled_cell_is_no_row(tmp_path: Path, empty: str) -> None:
    """Excel writes such rows below a table, as many as were ever touched."""
    rows = "".join(f"2026-01-05 00:00:{i:02},{i}\n{empty}" for i in range(12))
    assert values(write(tmp_path / "a.csv", f"timestamp,a\n{rows}{empty * 5}")) == {
        "a": [float(i) for i in range(12)]
    }


def test_a_row_with_a_value_and_no_time_is_lost(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "timestamp,a\n2026-01-05 00:00:00,1\n,2\n")
    assert len(letters(seen(path)[0])) == 1


@pytest.mark.parametrize(
    ("yes", "no"),
    [("WAHR", "FALSCH"), ("ja", "nein"), ("Ein", "Aus"), ("oui", "non"), ("да", "нет")],
)
def test_words_of_two_states_are_1_and_0_in_other_languages_too(
    tmp_path: Path, yes: str, no: str
) -> None:
    rows = "".join(f"2026-01-05 00:00:{i:02},{yes if i % 3 else no}\n" for i in range(12))
    path = tmp_path / "a.csv"
    path.write_text(f"timestamp,a\n{rows}", encoding="utf-8")
    assert values(str(path)) == {"a": [float(i % 3 > 0) for i in range(12)]}


@pytest.mark.parametrize(
    ("content", "what"),
    [("<!DOCTYPE html>\n<html>\n", "an HTML page"), ("<html><body>\n", "an HTML page"),
     ('{"error": "unauthorized"}\n', "JSON; add suffix=json"), ('[{"a": 1}]\n', "JSON")],
)  # fmt: skip
def test_what_was_downloaded_instead_of_a_table_is_named(
    tmp_path: Path, content: str, what: str
) -> None:
    with pytest.raises(SourceError, match=f"is no table: it is {what}"):
        seen(write(tmp_path / "a.csv", content))
