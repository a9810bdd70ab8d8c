"""Several configurations in one replay: each gives what it gives alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from padit.cli.main import main
from tests.analysis.sweeping import recording
from tests.pipelines.seed import line, seed_lines, write

Capture = pytest.CaptureFixture[str]
CONFIGS = {
    "low": "detectors: [{name: rule}]",
    "high": "detectors: [{name: rule}, {name: novelty, parameters: {warning: 0.1}}]",
    "none": "detectors: []",
}
RESULTS = ("alerts.{}.jsonl", "alerts.{}.audit.jsonl", "scores.{}.jsonl", "features.{}.jsonl")


def _configs(folder: Path) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    for name, text in CONFIGS.items():
        (folder / f"{name}.yaml").write_text(text)
    return {name: str(folder / f"{name}.yaml") for name in CONFIGS}


def _replay(folder: Path, uri: str, configs: Sequence[str], *options: str) -> None:
    places = [f"--output={folder}/alerts.jsonl", f"--anomalies={folder}/scores.jsonl",
              f"--features={folder}/features.jsonl", f"--late={folder}/late.jsonl"]  # fmt: skip
    given = [f"--config={config}" for config in configs]
    lenient = "--max_loss_share=1"  # a tenth of the samples is late
    assert main(["replay", f"--input={uri}", *places, *given, lenient, *options]) == 0


def _results(folder: Path, name: str) -> dict[str, bytes]:
    return {form: (folder / form.format(name)).read_bytes() for form in RESULTS}


def _alone(folder: Path, uri: str, name: str, config: str, *options: str) -> dict[str, bytes]:
    """What a configuration gives by itself, under the names it has among several."""
    _replay(folder, uri, [config], *options)
    for form in RESULTS:
        (folder / form.replace(".{}", "")).rename(folder / form.format(name))
    return _results(folder, name)


def _check(tmp_path: Path, capsys: Capture, *options: str) -> None:
    uri = recording(tmp_path)
    configs = _configs(tmp_path / "configs")
    together = tmp_path / "together"
    together.mkdir()
    _replay(together, uri, list(configs.values()), *options)
    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    seen = []
    for name, config in configs.items():
        alone = tmp_path / name
        alone.mkdir()
        want = _alone(alone, uri, name, config, *options)
        assert _results(together, name) == want
        seen.append(want["alerts.{}.jsonl"])
        [one] = capsys.readouterr().out.splitlines()
        if name == "low":  # the first one's line is that of the run
            assert {**json.loads(one), "seconds": 0} == {**summary, "seconds": 0}
        assert f"{name}: {json.loads(one)['alerts']} alerts in " in captured.err
        late = (together / "late.jsonl").read_bytes()
        assert late == (alone / "late.jsonl").read_bytes() != b""
    assert len(set(seen)) == 3


def test_each_configuration_gives_what_it_gives_alone(tmp_path: Path, capsys: Capture) -> None:
    _check(tmp_path, capsys, "--out_of_orderness_sec=4")


def test_the_same_on_prism(tmp_path: Path, capsys: Capture, prism: Path) -> None:
    _check(tmp_path, capsys, "--out_of_orderness_sec=4", "--runner=PrismRunner",
           f"--prism_location={prism}")  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--config=a/x.yaml", "--config=b/x.yaml", "--output=o.jsonl"],
         "two configurations are named x"),
        (["--config=a/x.yaml", "--config=b/y.yaml"], "need a place for each one's alerts"),
        (["--config=a/x.yaml", "--config=b/y.yaml", "--output=o.jsonl"], "y.yaml cannot be read"),
        (["--config=a/x.yaml", "--config=b/z.yaml", "--output=o.jsonl"],
         "configuration z reads the input in another way"),
    ],
)  # fmt: skip
def test_a_wrong_choice_is_an_error_with_its_remedy(
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/x.yaml").write_text("detectors: []")
    (tmp_path / "b/x.yaml").write_text("detectors: []")
    (tmp_path / "b/z.yaml").write_text("input: {metric_column: name}")
    path = tmp_path / "in.csv"
    path.write_text("timestamp,source_id,metric_name,name,value\n1767225600,s,m,n,1\n")
    assert main(["replay", f"--input={path}", *options]) == 2
    assert said in capsys.readouterr().err


def test_one_configuration_keeps_the_names_that_were_given(tmp_path: Path) -> None:
    uri = write(tmp_path / "in.jsonl", [*seed_lines(), line(600, 5)])
    configs = _configs(tmp_path / "configs")
    _replay(tmp_path, uri, [configs["low"]])
    assert (tmp_path / "alerts.jsonl").stat().st_size > 0
