"""The options `format` and `schemas` of topics and files."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from padit.connectors.kafka_source import KafkaSource
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError
from tests.codecs.samples import T
from tests.connectors.reading import letters, reads_of, samples

RECORD = {"fields": {"a": 1.5}, "name": "cpu", "tags": {"host": "h"}, "timestamp": T}
LINE = json.dumps(RECORD) + "\n"
FILE = LINE + "\n  \n{\n" + LINE


@pytest.mark.parametrize(
    "mapping", [None, {"format": "telegraf"}, {"format": {"preset": "telegraf"}}]
)
def test_lines_of_a_file_are_mapped_and_keep_their_numbers(tmp_path: Path, mapping: Any) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(FILE)
    source = source_from_uri(f"{path}{'' if mapping else '?format=telegraf'}", mapping=mapping)
    reads = reads_of(pickle.loads(pickle.dumps(source)))  # noqa: S301  # as it travels in a graph
    assert [(one[0].metric_name, one[1], one[2]) for one in samples(reads)] == [
        ("cpu_a", T * 1_000_000, 1.5),
        ("cpu_a", T * 1_000_000 + 1, 1.5),  # a row of its own, a microsecond later
    ]
    assert [letter.offset for letter in letters(reads)] == [3]


def test_what_a_mapping_leaves_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "in.ndjson"
    path.write_text(LINE.replace("}\n", ', "x": 1}\n') * 3)
    [left] = [one for read in reads_of(source_from_uri(f"{path}?format=telegraf"))
              for one in read.unwatched]  # fmt: skip
    assert (left.place, left.what, left.amount) == (str(path), "field 'x'", 3)


def test_a_topic_takes_format_and_schemas_and_travels_with_them(tmp_path: Path) -> None:
    mapping = {"format": {"source": "a", "values": "."}, "schemas": {"folder": str(tmp_path)}}
    source = source_from_uri("kafka://h:9092/t", mapping=mapping)
    again = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert isinstance(again, KafkaSource)
    assert again.payload.form is not None
    assert again.payload.schemas is not None
    assert again.payload.schemas.folder == str(tmp_path)
    by_uri = source_from_uri("kafka://h:9092/t?format=debezium")
    assert isinstance(by_uri, KafkaSource)
    assert by_uri.payload.form is not None
    assert by_uri.payload.form.preset == "debezium"


@pytest.mark.parametrize(
    ("uri", "mapping", "message"),
    [
        ("x.csv?format=telegraf", None, "format maps JSON; a table"),
        ("x.jsonl?format=telegraph", None, "format 'telegraph' is unknown; known are: cloudevents"),
        ("x.jsonl?metrics=a", None, "other JSON is mapped with `format`"),
        ("x.jsonl", {"schemas": "http://h"}, "unknown key schemas"),
        ("kafka://h:1/t?format=odd", None, "format 'odd' is unknown"),
        ("kafka://h:1/t", {"schemas": {"url": "x"}}, "unknown key url; allowed are: registry"),
        ("kafka://h:1/t", {"format": {"source": "a["}}, "'a\\[' is no path"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    uri: str, mapping: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        source_from_uri(uri, mapping=mapping)
