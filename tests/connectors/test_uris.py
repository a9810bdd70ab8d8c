"""URIs: what is known, what is refused, and where secrets may stand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.connectors.kafka_source import KafkaSource
from padit.connectors.sinks.kafka import KafkaSink
from padit.connectors.uris import (
    Address,
    parse_address,
    read_client_config,
    sink_from_uri,
    source_from_uri,
)
from padit.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("uri", "kind", "host", "path", "options"),
    [
        ("a.csv", ".csv", "", "a.csv", {}),
        ("file:///a%20b.csv?delimiter=%3B", ".csv", "", "/a b.csv", {"delimiter": ";"}),
        ("d?ta/*.CSV?ignore=a,b", ".csv", "", "d?ta/*.CSV", {"ignore": "a,b"}),
        ("kafka://h:1,i:2/topic?partitions=3", "kafka", "h:1,i:2", "topic", {"partitions": "3"}),
        ("-", "-", "", "-", {}),
        ("out/", "/", "", "out/", {}),
    ],
)
def test_a_uri_comes_apart(
    uri: str, kind: str, host: str, path: str, options: dict[str, str]
) -> None:
    assert parse_address(uri) == Address(uri, kind, host, path, options)


def test_an_unknown_scheme_names_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match=r"'smtp'.* known are: .*\.csv.*kafka://"):
        source_from_uri("smtp://h/x")
    with pytest.raises(ConfigurationError, match=r"'\.csv' can be written; .*\.jsonl.*kafka://"):
        sink_from_uri("a.csv")


@pytest.mark.parametrize(
    "uri",
    [
        "kafka://user:pw@h:1/t",
        "kafka://h:1/t?sasl.password=hunter2",
        "kafka://h:1/t?ssl.key.password=hunter2",
    ],
)
def test_a_secret_in_a_uri_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sink_from_uri(uri)
    assert "hunter2" not in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("uri", ["a.jsonl?x=1", "a.parquet?x=1", "-?x=1", "null?x=1"])
def test_sinks_without_options_refuse_them(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="takes no options; remove x"):
        sink_from_uri(uri)


def test_a_worker_elsewhere_finds_the_settings_of_source_and_sink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths in URIs start where the job was submitted, wherever a worker is."""
    (tmp_path / "kafka.properties").write_text("sasl.username=padit\n")
    monkeypatch.chdir(tmp_path)
    uri = "kafka://h:1/t?client_config=kafka.properties"
    source, sink = source_from_uri(uri), sink_from_uri(uri)
    assert isinstance(source, KafkaSource)
    assert isinstance(sink, KafkaSink)
    monkeypatch.chdir("/")
    for path in (source.client_config, sink.options.client_config):
        assert read_client_config(path) == {"sasl.username": "padit"}


NAMES = st.text(st.sampled_from("ab.-_/ %?&=é"), min_size=1, max_size=6)
OPTIONS = st.dictionaries(st.sampled_from(["writer", "partitions", "client_config"]), NAMES)


@given(NAMES, OPTIONS)
def test_a_uri_that_is_built_comes_apart_again(topic: str, options: dict[str, str]) -> None:
    built = parse_address("kafka://h:1,i:2/t").at(topic, options)
    found = parse_address(built)
    assert (found.host, found.path, found.options) == ("h:1,i:2", topic, options)


def test_client_settings_come_from_a_properties_file(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("# TLS\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n")
    assert read_client_config(str(path)) == {
        "security.protocol": "SASL_SSL",
        "sasl.password": "a=b",
    }
    assert read_client_config(None) == {}
    path.write_text("hunter2\n")
    with pytest.raises(ConfigurationError, match="line 1") as caught:
        read_client_config(str(path))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_client_config(str(tmp_path / "absent"))
