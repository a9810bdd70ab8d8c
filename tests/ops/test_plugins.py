"""Plug-ins of every kind: found, checked, used; a broken one stops no other."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from padit.adapters.registry import adapter_class, adapter_types, create_adapter
from padit.cli.main import main
from padit.domain.config import AlertSettings, DetectorSetting, JobConfig
from padit.domain.errors import ConfigurationError
from padit.ops.plugins import ENVIRONMENT, find_plugins
from padit.transforms.detect import Detection
from padit.transforms.detectors import create_detector, require_plugins
from tests.adapters.live import poll_made

ROOT = Path(__file__).parents[2]
TANK, LIMIT = (
    next(
        one
        for one in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / name).read_text(), re.DOTALL)
        if f"class {what}" in one
    )
    for name, what in (("adapters.md", "Tank"), ("plugins.md", "Limit"))
)
BROKEN = "import nowhere_to_be_found\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples of the docs and a broken plug-in of every kind."""
    found = tmp_path / "plugins"
    for name, text in {
        "protocol_adapters/tank.py": TANK,
        "protocol_adapters/broken.py": BROKEN,
        "detectors/limit.py": LIMIT,
        "detectors/ends.py": "raise SystemExit(3)\n",
        "detectors/_helper.py": BROKEN,
        "notifiers/pager.py": "def create_notifier(config):\n    '''Pages.'''\n",
        "notifiers/empty/__init__.py": "",
    }.items():
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).write_text(text)
    monkeypatch.setenv(ENVIRONMENT, str(found))
    return found


def test_plugins_are_listed_with_their_faults(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins"]) == 1
    lines = capsys.readouterr().out.splitlines()
    found = {tuple(line.split()[:2]): line for line in lines}
    assert {name for _, name in found} == {"tank", "broken", "limit", "ends", "pager", "empty"}
    assert "The fill level of a tank." in found["adapter", "tank"]
    assert "One limit for all series." in found["detector", "limit"]
    assert "nowhere_to_be_found" in found["adapter", "broken"]
    assert "SystemExit: 3" in found["detector", "ends"]
    assert "has no `create_notifier`" in found["notifier", "empty"]


def test_a_folder_without_broken_plugins_is_listed_with_exit_code_0(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT)
    for name in ("protocol_adapters/broken.py", "detectors/ends.py", "notifiers/empty/__init__.py"):
        (folder / name).unlink()
    assert main(["plugins", "--json", f"--plugins={folder}"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["kind"], one["name"]) for one in found] == [
        ("adapter", "tank"), ("detector", "limit"), ("notifier", "pager")
    ]  # fmt: skip
    assert main(["plugins", "--plugins", str(folder / "nothing")]) == 2
    assert main(["plugins", "--plugins"]) == 2
    assert main(["plugins"]) == 0, "the folder was that of the other commands only"


def test_adapter_in_a_folder_collects_beside_a_broken_one(folder: Path) -> None:
    level = folder / "level"
    level.write_text("41.5\n")
    made = create_adapter({"type": "tank", "path": str(level), "interval_sec": 1})
    (metric,) = poll_made(made).metrics
    assert (metric.source_id, metric.value) == ("tank-1", 41.5)
    assert made.options.interval_sec == 1
    assert {"tank", "broken", "http"} <= {*adapter_types()}
    with pytest.raises(ConfigurationError, match="nowhere_to_be_found"):
        create_adapter({"type": "broken"})


def test_options_that_an_adapter_refuses_are_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'tank': validate_config refuses .*\['pat'\]"):
        create_adapter({"type": "tank", "pat": "x"})


@pytest.mark.parametrize(
    ("text", "values", "faults"),
    [
        (
            "class A:\n"
            "    def __init__(self, config): self.n = config['n']\n"
            "    async def collect(self, config):\n"
            "        return [dict(source_id='a', metric_name='m', value=str(self.n)), 7,\n"
            "                {'source_id': 'a'}]\n"
            "def create_adapter(config): return A(config)\n",
            [3.0],
            2,
        ),
        (
            "from types import SimpleNamespace\n"
            "from datetime import datetime, UTC\n"
            "class A:\n"
            "    def validate_config(self, config): return True\n"
            "    def collect(self, config):\n"
            "        return SimpleNamespace(source_id='a', metric_name='m', value=2, unit=None,\n"
            "                               timestamp=datetime(2026, 1, 5, tzinfo=UTC))\n"
            "def create_adapter(): return A()\n",
            [2.0],
            0,
        ),
        (
            "from padit.domain.metric import Metric\n"
            "class A:\n"
            "    async def open(self, emitter): self.opened = True\n"
            "    async def poll(self, emitter):\n"
            "        emitter.emit([Metric(1767571200, 'a', 'm', float(self.opened))])\n"
            "    async def close(self): pass\n"
            "def create_adapter(config): return A()\n",
            [1.0],
            0,
        ),
    ],
    ids=["coroutine", "object", "protocol"],
)
def test_every_form_of_create_adapter_gives_samples(
    folder: Path, text: str, values: list[float], faults: int
) -> None:
    (folder / "protocol_adapters" / "form.py").write_text(text)
    emitter = poll_made(create_adapter({"type": "form", "n": 3}))
    assert [metric.value for metric in emitter.metrics] == values
    assert emitter.faults.get("malformed", 0) == faults


def test_a_name_of_a_built_in_part_stays_with_it_and_is_reported(
    folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "protocol_adapters" / "http.py").write_text(TANK)
    (folder / "detectors" / "rule.py").write_text(LIMIT)
    with caplog.at_level(logging.WARNING):
        assert adapter_class("http").__module__ == "padit.adapters.http_probe"
        detection = Detection([DetectorSetting(name="rule")])
        assert type(detection.detectors[0]).__module__ == "padit.transforms.detectors.rule"
        assert "plugin" not in detection.resolved[0]
    assert "its name is that of a built-in adapter" in caplog.text
    assert "its name is that of a built-in detector" in caplog.text
    main(["plugins"])
    assert capsys.readouterr().out.count("rename it") == 2


def test_detector_in_a_folder_alerts_and_its_digest_is_in_the_evidence(
    folder: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    cells = [f"{1_767_571_200 + 10 * i},{500 if 60 < i < 90 else 5}\n" for i in range(200)]
    rows.write_text("timestamp,level\n" + "".join(cells))
    config = tmp_path / "job.yaml"
    config.write_text("detectors: [{name: limit, parameters: {above: 50}}]\n")
    alerts = tmp_path / "alerts.jsonl"
    places = [f"--input={rows}", f"--output={alerts}", f"--config={config}"]
    assert main(["run", *places]) == 0
    opened = json.loads(alerts.read_text().splitlines()[0])
    digest = find_plugins("detector")["limit"].digest()
    assert opened["data"]["detector"]["name"] == "limit"
    assert opened["data"]["evidence"]["detectors"][0]["plugin"] == digest
    assert "max 500 > 50" in opened["data"]["summary"]


def test_a_changed_plugin_changes_the_shape_of_the_job(folder: Path) -> None:
    settings = [DetectorSetting(name="limit", parameters={"above": 5})]
    before = Detection(settings).resolved
    assert before[0]["parameters"] == {"above": 5}
    (folder / "detectors" / "limit.py").write_text(LIMIT + "# changed\n")
    after = Detection(settings).resolved
    assert before[0]["plugin"] != after[0]["plugin"]


def test_a_worker_without_the_plugin_or_with_another_ends_the_job_at_its_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {"limit": find_plugins("detector")["limit"].digest()}
    require_plugins(digests, None)
    (folder / "detectors" / "limit.py").write_text(LIMIT + "# changed\n")
    with pytest.raises(ConfigurationError, match="has the digest"):
        require_plugins(digests, str(folder))
    monkeypatch.delenv(ENVIRONMENT)
    with pytest.raises(ConfigurationError, match=r"is missing on the worker .* PADIT_PLUGINS"):
        require_plugins(digests, None)


def test_the_step_of_a_job_refuses_to_start_without_its_plugin(folder: Path) -> None:
    from padit.transforms.watch import WatchGroup
    from padit.transforms.windows import WindowOptions

    config = JobConfig(detectors=(DetectorSetting(name="limit"),), alerts=AlertSettings())
    step = WatchGroup(WindowOptions(60, 60, 10), config, frozenset(), "here")
    step.setup()
    (folder / "detectors" / "limit.py").unlink()
    with pytest.raises(ConfigurationError, match="is missing on the worker"):
        step.setup()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def create_detector(parameters): return object()\n", "lacks initial, step"),
        ("def create_detector(parameters): raise ValueError('above')\n", "ValueError: above"),
        (LIMIT.replace('name = "limit"', 'name = "other"'), "give both the same name"),
    ],
)
def test_a_plugin_that_makes_no_detector_is_refused_in_plain_words(
    folder: Path, text: str, said: str
) -> None:
    (folder / "detectors" / "limit.py").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        create_detector("limit", {})
