"""Configurations as people write them: a key that stands twice, aliases, too many brackets."""

import doctest
from pathlib import Path

import pytest
import yaml

from padit.domain import yaml_text
from padit.domain.config import load_config
from padit.domain.errors import ConfigurationError
from padit.domain.yaml_text import read_yaml
from padit.portal.context import parse_config


def test_the_example_works() -> None:
    assert doctest.testmod(yaml_text) == (0, 1)


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: {b: 1, c: 2, b: 1}", "- {x: 1, 'x': 2}"])
def test_a_key_that_stands_twice_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match=r"stands twice\n.*line \d"):
        read_yaml(text)


def test_what_is_merged_may_be_overridden_also_through_several_merges() -> None:
    text = "base: &base {k: 1, m: 1}\na: &a {<<: *base, k: 2}\nb: {<<: *a, k: 3}\nc: *a"
    found = read_yaml(text)
    assert found["b"] == {"k": 3, "m": 1}
    assert found["c"] == found["a"] == {"k": 2, "m": 1}


def test_equal_names_in_different_mappings_and_of_different_types_are_no_fault() -> None:
    assert read_yaml("a: {x: 1}\nb: {x: 1}\n1: i\n'1': s") == {
        "a": {"x": 1}, "b": {"x": 1}, 1: "i", "1": "s",
    }  # fmt: skip


def test_a_file_that_is_nested_too_deep_is_named_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("detectors: " + "[" * 5000 + "]" * 5000, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"job\.yaml cannot be read: it is nested too"):
        load_config(str(path))


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "2026-01-05T25:00:00Z",
        "!!int x",
        "!!float ''",
        "!!bool x",
        "!!timestamp x",
        pytest.param("0x" + "f" * 5_000, id="hex"),
        pytest.param("1" + ":59" * 200 + ".5", id="60s"),
    ],
)
def test_a_day_or_a_number_that_there_is_not_is_named_and_no_traceback(
    tmp_path: Path, value: str
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"detectors: {value}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"job\.yaml cannot be read: it has a value that"):
        load_config(str(path))
    with pytest.raises(ConfigurationError, match="what was sent is no YAML"):
        parse_config(f"routes: {value}", "what was sent")


def test_what_people_write_is_read_by_no_loader_that_takes_the_last_of_two_keys() -> None:
    root = Path(yaml_text.__file__).parents[1]
    mine = "adapters alerting analysis cli codecs connectors devcluster domain ops pipelines portal"
    folders = [root / one for one in (*mine.split(), "stores", "transforms")]
    sources = {one for folder in folders for one in folder.rglob("*.py")}
    found = {one for one in sources if "yaml.safe_load(" in one.read_text(encoding="utf-8")}
    assert found == {root / "devcluster" / "flink.py"}  # what Flink ships


def test_two_merges_into_one_mapping_are_a_key_that_stands_twice() -> None:
    with pytest.raises(yaml.YAMLError, match="the key '<<' stands twice"):
        read_yaml("d:\n  <<: {x: 1}\n  <<: {y: 2}")
    assert read_yaml("d: {<<: [{x: 1}, {y: 2}]}") == {"d": {"x": 1, "y": 2}}


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory() -> None:
    """Of 560 bytes a command made 100,000 routes in 3 s, and of 60 more ten times as many."""
    levels = [f"r{n}: &r{n} {{routes: [{', '.join([f'*r{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    with pytest.raises(yaml.YAMLError, match="its aliases repeat more than 100,000 values"):
        read_yaml("\n".join(["r0: &r0 {name: x}", *levels]))
    with pytest.raises(yaml.YAMLError, match="an alias stands in what it names"):
        read_yaml("routes: &a [{name: x, routes: *a}]")
    assert read_yaml("a: &a [1]\nb: [*a, *a]") == {"a": [1], "b": [[1], [1]]}
