"""Configuration files: what is wrong is named, with what is allowed."""

from pathlib import Path

import pytest

from padit.domain.config import JobConfig, load_config
from padit.domain.errors import ConfigurationError
from padit.transforms.detectors import create_detector


def _load(tmp_path: Path, text: str) -> JobConfig:
    path = tmp_path / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(str(path))


def test_no_file_and_an_empty_file_give_the_defaults(tmp_path: Path) -> None:
    assert load_config(None) == _load(tmp_path, "") == JobConfig()


def test_what_a_file_says_is_taken(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        "detectors: [{name: rule, source: cell-*}]\nalerts: {open_at: 0.9, resolve_after_sec: 5}\n",
    )
    assert config.detectors[0].source == "cell-*"
    assert (config.alerts.open_at, config.alerts.resolve_after_sec) == (0.9, 5.0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("detektors: []", ["unknown key detektors", "allowed are: detectors, input, alerts"]),
        (
            "alerts: {open: 0.5}",
            ["unknown key alerts.open", "allowed are: open_at, close_at, budget, critical_budget"],
        ),
        (
            "detectors: [{name: rule, sauce: x}]",
            ["unknown key detectors.0.sauce", "allowed are: name, source, metric, parameters"],
        ),
        ("alerts: {open_at: 2}", ["alerts.open_at", "less than or equal to 1", "'2'"]),
        ("alerts: {resolve_after_sec: 3.0e+11}", ["alerts.resolve_after_sec", "1000000000"]),
        ("alerts: {resolve_after_sec: .inf}", ["alerts.resolve_after_sec", "finite number"]),
        ("alerts: {resolve_after_sec: .nan}", ["alerts.resolve_after_sec", "finite number"]),
        ("alerts: {resolve_after_sec: -1}", ["alerts.resolve_after_sec", "greater than 0"]),
        ("alerts: {accept_after: 2}", ["alerts.accept_after", "'2'", "90s, 15min"]),
        ("alerts: {accept_after: 2 weeks}", ["alerts.accept_after", "'2 weeks'", "90s, 15min"]),
        ("alerts: {accept_after: 0h}", ["alerts.accept_after", "'0h'", "above 0"]),
        ("alerts: {accept_after: 99999d}", ["alerts.accept_after", "'99999d'", "1e9 s"]),
        ("alerts: {open_at: 0.4, close_at: 0.6}", ["close_at 0.6 is above open_at 0.4", "lower"]),
        ("detectors: [{source: x}]", ["detectors.0.name", "required"]),
        ("- a\n- b", ["must be a mapping, it is a list"]),
        ("a: [", ["cannot be read"]),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_remedy(
    tmp_path: Path, text: str, named: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, text)
    for part in ["job.yaml", *named]:
        assert part in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml cannot be read"):
        load_config(str(tmp_path / "nothing.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"bytes\.yaml cannot be read"):
        load_config(str(tmp_path / "bytes.yaml"))


def test_an_unknown_detector_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no detector 'roule'; there are: .*rule"):
        create_detector("roule", {})


def test_an_unknown_parameter_of_a_detector_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(
        ConfigurationError, match=r"detector rule: unknown key limits; allowed are: rules"
    ):
        create_detector("rule", {"limits": 5})


def test_an_unknown_feature_in_a_rule_is_refused() -> None:
    rules = [{"conditions": [{"feature": "p42", "limit": 1}]}]
    with pytest.raises(ConfigurationError, match=r"rules\.0\.conditions\.0\.feature"):
        create_detector("rule", {"rules": rules})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("detector: []", "unknown key detector; perhaps detectors is meant"),
        ("detectors: [{nam: rule}]", "unknown key detectors.0.nam; perhaps name is meant"),
        ("detectors: rule", "detectors: Input should be a list (it is 'rule')"),
        ("detectors:", "detectors: Input should be a list (it is empty)"),
        ("detectors: [{parameters: {}}]", "detectors.0.name: Field required"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as found:
        load_config(str(tmp_path / "job.yaml"))
    assert said in str(found.value)
