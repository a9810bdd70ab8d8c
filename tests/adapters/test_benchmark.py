"""The adapters' benchmark puts its figures beside those of the others."""

import json
from pathlib import Path

import pytest

from benchmarks import adapters


def test_results_are_renewed_and_what_others_wrote_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "build" / "bench.json"
    floor = {"json": lambda name: {"name": name, "per_cpu_second": 10, "ok": False}}
    monkeypatch.setattr(adapters, "BENCHMARKS", floor)
    assert adapters.main(["json", "--into", str(path)]) == 1  # below its floor
    path.write_text(json.dumps({"direct_per_s": 7, "adapters": {"json": {}, "http": {"x": 1}}}))
    adapters.main(["json", "--into", str(path)])
    content = json.loads(path.read_text())
    assert content["direct_per_s"] == 7
    assert content["adapters"]["http"] == {"x": 1}
    assert content["adapters"]["json"]["per_cpu_second"] == 10
