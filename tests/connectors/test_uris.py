"""URIs: what is known, what is refused, and where secrets may stand."""

from pathlib import Path

import pytest

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
