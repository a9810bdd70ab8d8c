"""The annotated CSV of InfluxDB."""

from pathlib import Path

import pytest

from padit.connectors.source import PartitionRange
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError
from tests.connectors.reading import letters, reads_of, samples
from tests.connectors.test_tables import EPOCH, seen, write

ANNOTATED = (
    "#group,false,false,true,true,false,false,true,true,true\r\n"
    "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,"
    "string\r\n"
    "#default,_result,,,,,,,,\r\n"
    ",result,table,_start,_stop,_time,_value,_field,_measurement,host\r\n"
    ",,0,S,E,2026-01-05T00:00:00Z,1.5,usage,cpu,web1\r\n"
    ",,0,S,E,2026-01-05T00:01:00Z,,usage,cpu,web1\r\n"
    ",,1,S,E,2026-01-05T00:00:00Z,x,idle,cpu,web2\r\n\r\n"
    "#group,false,false,false,false,true,true,true,true\r\n"
    "#datatype,string,long,dateTime:number,boolean,string,string,string,string\r\n"
    "#default,_result,,,,,disk,,\r\n"
    ",result,table,_time,_value,_field,_measurement,host,name\r\n"
    ",,2,1767571200000000000,true,ok,,web1,sda\r\n\r\n"
    "#group,false,false,true,false,false,false\r\n"
    "#datatype,string,long,string,dateTime:RFC3339,double,string\r\n"
    "#default,_result,,,,,\r\n"
    ",result,table,_measurement,_time,temp,host\r\n"
    ",,0,air,2026-01-05T00:00:00Z,20,web9\r\n\r\n"
    "#datatype,string,long,dateTime:RFC3339,string,string\r\n"
    ",result,table,_time,_value,_field\r\n"
    ",,0,2026-01-05T00:00:00Z,words,note\r\n"
)


def test_annotated_csv_of_several_tables_gives_the_series_of_its_group_keys(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "flux.csv", ANNOTATED)
    reads, findings = seen(path)
    assert [(*one, value) for one, _, value in samples(reads)] == [
        ("web1", "cpu_usage", "", 1.5),
        ("web1", 'disk_ok{name="sda"}', "", 1.0),
        ("web9", "air_temp", "", 20.0),
    ]
    assert {time for _, time, _ in samples(reads)} == {EPOCH * 1_000_000}
    assert [(one.offset, one.lost) for one in letters(reads)] == [(6, 1)]
    text = [one for one in findings.unwatched if one.what == "column '_value'"]
    assert [(one.amount, one.numeric, one.reason) for one in text] == [
        (1, 0, "its cells are string, not numbers")
    ]
    rest = reads_of(source_from_uri(path), [PartitionRange(0, 5, 14)])
    assert samples(rest) == samples(reads)[1:2]


def test_options_that_annotated_csv_states_itself_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "flux.csv", ANNOTATED)
    with pytest.raises(ConfigurationError, match="no metrics"):
        source_from_uri(f"{path}?metrics=_value").ranges()
