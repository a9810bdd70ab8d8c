"""A sweep gives the alerts of `padit replay`, whatever shares its work or divides it."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from padit.analysis.sweep import evaluate as evaluating
from padit.analysis.sweep.evaluate import Job, WindowSetting, evaluate, messages_of
from padit.analysis.sweep.recording import Recording, read_recording
from padit.cli.main import main
from padit.codecs.validate import Validate
from padit.connectors.uris import source_from_uri
from padit.domain.config import DetectorSetting, JobConfig, load_config
from padit.domain.message import Message
from padit.transforms.detectors import registry
from padit.transforms.detectors.novelty import NoveltyDetector
from padit.transforms.windows import WindowOptions
from tests.analysis.sweeping import labels, recording

SECOND = 1_000_000
Capture = pytest.CaptureFixture[str]
# What a detector cannot do without (a trained model) cannot be made up here.
NAMES = tuple(
    name
    for name, kind in registry().items()
    if not any(field.is_required() for field in kind.Parameters.model_fields.values())
)


def _read(uri: str, allowed: int) -> Recording:
    source = source_from_uri(uri)
    validate = Validate(4 << 20, 3600 * SECOND)
    return read_recording(source, source.ranges(), validate, [allowed], 2, lambda rows: None)


def _bytes(messages: list[Message]) -> bytes:
    return b"".join(message.value + b"\n" for message in messages)


def _replayed(tmp_path: Path, uri: str, *options: str) -> bytes:
    alerts = tmp_path / "replayed.jsonl"
    lenient = "--max_loss_share=1"  # these recordings hold many late samples
    assert main(["replay", f"--input={uri}", f"--output={alerts}", lenient, *options]) == 0
    return alerts.read_bytes()


def _options(size: int, interval: int, most: int, allowed: int) -> list[str]:
    return [f"--window_size_sec={size}", f"--extract_interval_sec={interval}",
            f"--max_samples={most}", f"--out_of_orderness_sec={allowed}"]  # fmt: skip


@pytest.mark.parametrize(
    ("at_once", "shape"), [(10**6, (300, 60, 1000, 10)), (700, (120, 30, 15, 4))]
)
@pytest.mark.parametrize("names", [*((name,) for name in NAMES), NAMES])
def test_alerts_of_every_detector_are_those_of_replay_to_the_byte(
    names: tuple[str, ...],
    shape: tuple[int, int, int, int],
    at_once: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluating, "ROWS_AT_ONCE", at_once)
    uri = recording(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"detectors": [{"name": n} for n in names],
                                  "alerts": {"open_at": 0.5}}))  # fmt: skip
    size, interval, most, allowed = shape
    windows = WindowOptions(size * SECOND, interval * SECOND, most)
    job = Job(WindowSetting(windows, allowed * SECOND), (load_config(str(config)),))
    [mine] = messages_of(_read(uri, allowed * SECOND), job)
    replayed = _replayed(tmp_path, uri, f"--config={config}", *_options(*shape))
    assert _bytes(mine) == replayed
    assert replayed or names != ("rule",)


def test_configurations_that_share_work_do_not_disturb_each_other(tmp_path: Path) -> None:
    uri = recording(tmp_path)
    chosen: list[dict[str, dict[str, Any]]] = [
        {"novelty": {"warning": 0.1}, "rule": {}},
        {"novelty": {"warning": 0.6, "warm_up": 200}},
        {"rule": {}, "novelty": {"warning": 0.1, "horizon": 512}},
        {"changepoint": {}, "novelty": {"warning": 0.1}},
    ]
    configs = tuple(
        JobConfig(detectors=tuple(DetectorSetting(name=n, parameters=p) for n, p in one.items()))
        for one in chosen
    )
    setting = WindowSetting(WindowOptions(120 * SECOND, 60 * SECOND, 1000), 10 * SECOND)
    read = _read(uri, 10 * SECOND)
    together = messages_of(read, Job(setting, configs))
    alone = [messages_of(read, Job(setting, (config,)))[0] for config in configs]
    assert together == alone
    assert len({_bytes(one) for one in together}) == 4


def test_what_only_judges_differently_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    measure = NoveltyDetector.measure

    def counted(self: NoveltyDetector, state: Any, table: Any) -> Any:
        measured.append(len(table))
        return measure(self, state, table)

    monkeypatch.setattr(NoveltyDetector, "measure", counted)
    read = _read(recording(tmp_path), 0)
    setting = WindowSetting(WindowOptions(120 * SECOND, 60 * SECOND, 1000), 0)

    def tables(*parameters: dict[str, Any]) -> int:
        measured.clear()
        configs = [JobConfig(detectors=(DetectorSetting(name="novelty", parameters=one),))
                   for one in parameters]  # fmt: skip
        evaluate(read, [Job(setting, tuple(configs))], 1, lambda rows: None)
        return len(measured)

    once = tables({})
    assert once > 0
    assert tables({"warning": 0.2}, {"warning": 0.5}, {"warm_up": 64}) == once
    assert tables({"horizon": 512}, {"horizon": 1024}) == 2 * once


GRID = """
vary:
  window_size_sec: [120, 300]
  detectors.rule.p99_above: [8, 20, 60]
  detectors.novelty.warning: {from: 0.1, to: 0.9, steps: 3}
"""


def _grid(tmp_path: Path, text: str = GRID) -> str:
    (tmp_path / "sweep.yaml").write_text(text)
    return str(tmp_path / "sweep.yaml")


def _sweep(tmp_path: Path, capsys: Capture, *options: str) -> tuple[dict[str, Any], str, str]:
    uri = recording(tmp_path)
    code = main(["sweep", uri, "--grid", _grid(tmp_path), "--jobs=1", *options])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out.splitlines()[-1]), captured.out, captured.err


def test_the_winner_replayed_gives_the_alerts_it_won_with(tmp_path: Path, capsys: Capture) -> None:
    best = tmp_path / "best.yaml"
    bounds = ["--out_of_orderness_sec=4", "--end_time=2026-01-01T00:45:00Z", "--max_loss_share=0.5"]
    summary, _, _ = _sweep(
        tmp_path, capsys, "--labels", labels(tmp_path), "--output", str(best), *bounds
    )
    assert (summary["configurations"], summary["window_settings"]) == (18, 2)
    found = summary["best"]
    assert (found["found"], found["faults"], found["recall"]) == (2, 2, 1.0)
    text = best.read_text()
    [command] = [one[4:] for one in text.splitlines() if one.startswith("#   padit replay")]
    argv = shlex.split(command)[1:]
    argv[-1] = str(tmp_path / "alerts.jsonl")
    assert main(argv) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["alerts"] == found["alerts"]
    assert set(bounds) <= set(argv)
    opened = [one for one in Path(argv[-1]).read_bytes().splitlines() if b"alert.opened" in one]
    assert len(opened) == found["alerts"] > 0


def test_results_are_the_same_with_any_number_of_processes(tmp_path: Path, capsys: Capture) -> None:
    written = []
    for jobs in (1, 2, 3):
        place = tmp_path / f"{jobs}.csv"
        page = tmp_path / f"{jobs}.html"
        _sweep(tmp_path, capsys, f"--jobs={jobs}", "--csv", str(place), "--html", str(page))
        written.append((place.read_bytes(), page.read_bytes()))
    assert written[0] == written[1] == written[2]
    assert len(written[0][0].splitlines()) == 19


def test_random_search_draws_the_same_for_the_same_seed(tmp_path: Path, capsys: Capture) -> None:
    text = """
vary:
  window_size_sec: {from: 60, to: 600, step: 60}
  detectors.rule.p99_above: {from: 5, to: 100, scale: log}
  detectors.novelty.intervals: {from: 8, to: 64}
"""
    found: list[str] = []
    for seed in (1, 1, 2):
        place = tmp_path / f"{len(found)}.csv"
        uri = recording(tmp_path)
        drawn = ["--search=random", "--trials=5", f"--seed={seed}"]
        grid = _grid(tmp_path, text)
        assert main(["sweep", uri, "--grid", grid, *drawn, "--jobs=1", f"--csv={place}"]) == 0
        found.append(place.read_text())
    capsys.readouterr()
    assert found[0] == found[1] != found[2]
    rows = [one.split(",") for one in found[0].splitlines()[1:]]
    assert len(rows) == 5
    assert all(int(row[2]) % 60 == 0 and 5 <= float(row[3]) <= 100 for row in rows)
    assert all(8 <= int(row[4]) <= 64 for row in rows)


def test_the_page_needs_no_network_and_shows_the_winner(tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "out" / "sweep.html"
    summary, out, _ = _sweep(tmp_path, capsys, "--html", str(page), "--labels", labels(tmp_path))
    text = page.read_text()
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "{{" not in text
    # one for the trade-off, one for each of three parameters, one for each two of them
    assert text.count("<svg") == 7
    assert f"{summary['best']['f1']:.3f}" in text
    assert "padit replay --input" in text
    assert "precision" in out.splitlines()[0]


def test_combinations_that_make_no_windows_are_left_out_and_reported(
    tmp_path: Path, capsys: Capture
) -> None:
    text = "vary: {window_size_sec: [100, 120], extract_interval_sec: [40, 60]}"
    uri = recording(tmp_path)
    assert main(["sweep", uri, "--grid", _grid(tmp_path, text), "--jobs=1"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["configurations"] == 2
    assert "left out 2 combinations, the first with window_size_sec=100" in captured.err
    assert "must be a whole multiple" in captured.err


BAD_GRIDS = [
    ("", "must be a mapping"),
    ("vary: {}", "vary is empty, so there is nothing to try"),
    ("vary: {alerts.open_at: []}", "vary.alerts.open_at is an empty list"),
    ("vary: {detectors.rule.p98_above: [1]}", "did you mean detectors.rule.p99_above?"),
    ("vary: {detectors.novelty.wrning: [1]}", "detectors.novelty.warning"),
    ("vary: {detectors.oracle.level: [1]}", "there is no detector 'oracle'; there are: "),
    ("vary: {detectors.novelty.warning: [0]}", "warning: Input should be greater than 0"),
    ("vary: {detectors.rule.p99_above: [high]}", "detector rule: rules.0.conditions.0.limit"),
    ("vary: {alerts.open_at: [2]}", "alerts.open_at: Input should be less than or equal to 1"),
    ("vary: {window_size_sec: [soon]}", "window_size_sec='soon' is not a number"),
    ("vary: {window_size_sec: [30]}", "no combination makes windows: --window_size_sec=30"),
    ("vary: {alerts.open_at: {from: 0.1}}", "vary.alerts.open_at.range.to: Field required"),
    ("vary: {alerts.open_at: {from: 0.1, to: 0.9}}", "a grid needs steps"),
    ("vary: {alerts.open_at: {from: 0.9, to: 0.1, steps: 3}}", "must be less than to=0.1"),
    (
        "vary: {max_samples: {from: 1, to: 50000, step: 1}}",
        "max_samples: 50,000 values, and a grid has at most 20,000",
    ),
    (
        "{vary: {alerts.open_at: 1}, vari: {}}",
        "unknown key vari; perhaps vary is meant; allowed are: config, vary",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD_GRIDS)
def test_a_wrong_grid_is_an_error_with_its_remedy(
    tmp_path: Path, capsys: Capture, text: str, said: str
) -> None:
    uri = recording(tmp_path)
    assert main(["sweep", uri, "--grid", _grid(tmp_path, text)]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, "Traceback" in captured.err) == ("", False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--search=random"], "--search random has nothing to draw from"),
        (["--trials=5"], "--trials is for --search random"),
        (["--jobs=0"], "--jobs: 0 must lie between 1 and 1024"),
        (["--alerts_per_day=-1"], "must lie between 0 and"),
        (["--runner=FlinkRunner"], "padit sweep takes no --runner"),
        (["--window_size=5"], "did you mean --window_size_sec?"),
        (["--start_time=soon"], "--start_time=soon is neither RFC 3339"),
        (["--start_time=2027-01-01"], "has no rows between the bounds"),
        (["--config=nothing.yaml"], "nothing.yaml cannot be read"),
        (["--labels={tmp}/other.json"], "none of its 1 labels belongs to a series"),
        (["--labels={tmp}/before.json"], "lie outside its time"),
    ],
)
def test_a_wrong_option_is_an_error_with_its_remedy(
    tmp_path: Path, capsys: Capture, options: list[str], said: str
) -> None:
    times = ["2020-01-01 00:00:00", "2020-01-01 01:00:00"]
    (tmp_path / "other.json").write_text(json.dumps({"art/jump.csv": [times]}))
    (tmp_path / "before.json").write_text(json.dumps({"art/m1.csv": [times]}))
    given = [one.format(tmp=tmp_path) for one in options]
    uri = recording(tmp_path)
    grid = _grid(tmp_path, "vary: {alerts.open_at: 0.7}")
    assert main(["sweep", uri, "--grid", grid, *given]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, "Traceback" in captured.err) == ("", False)


def test_a_recording_of_broken_records_only_is_an_error(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "broken.jsonl").write_text("{\n[]\n")
    grid = _grid(tmp_path, "vary: {alerts.open_at: 0.7}")
    assert main(["sweep", str(tmp_path / "broken.jsonl"), "--grid", grid]) == 3
    error = capsys.readouterr().err
    assert "none of the 2 samples" in error
    assert "Input data was truncated" in error


def test_a_recording_of_more_than_one_batch_gives_the_alerts_of_replay(tmp_path: Path) -> None:
    """A replay reads 250,000 rows at a time, so here windows close twice."""
    uri = str(tmp_path / "factory.jsonl")
    faults = "--faults=overstrain,heat_dissipation"
    assert main(["simulate", "--machines=10", "--hours=1.5", faults, f"--output={uri}"]) == 0
    config = tmp_path / "config.yaml"
    config.write_text("detectors: [{name: rule}, {name: novelty}, {name: changepoint}]")
    setting = WindowSetting(WindowOptions(300 * SECOND, 60 * SECOND, 1000), 10 * SECOND)
    read = _read(uri, 10 * SECOND)
    assert len(read.rows) > 250_000
    [mine] = messages_of(read, Job(setting, (load_config(str(config)),)))
    assert _bytes(mine) == _replayed(tmp_path, uri, f"--config={config}") != b""
