"""A reader that hands its cursor back all the time leaves nothing behind in Flink's state."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmarks.self_checkpoints import measure, slope
from padit.cli.checks.tools import check_job_server
from padit.devcluster import jars
from padit.devcluster.errors import LocalError
from padit.devcluster.flink import FlinkCluster
from padit.devcluster.launcher import residuals
from tests.parts import required

_TAGS, _OURS = b"org/apache/beam/runners/core/StateTags", b"PaditResiduals"
_BYTES_EACH = 100  # 4,800 with the runner's own classes, docs/soak.md


@pytest.fixture(scope="module")
def fallback(flink: FlinkCluster) -> jars.JarSet:
    """The jars of a runner that does not bound this state itself."""
    found = required(jars.job_server)
    if found.flavour != "fallback":
        pytest.skip("the official job server bounds this state itself")
    return found


def _jar(place: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place, "w") as jar:
        for name, code in entries.items():
            jar.writestr(name, code)
    return place


def _original(fallback: jars.JarSet) -> tuple[str, str, dict[str, bytes]]:
    """Names of the handler and of the operator, and both as the runner has them."""
    names = {name for name, _ in residuals(fallback.jars)}
    (handler,) = [name for name in names if "BundleCheckpointHandlers" in name]
    (operator,) = names - {handler}
    found: dict[str, bytes] = {}
    for path in fallback.jars:
        with zipfile.ZipFile(path) as jar:
            found |= {name: jar.read(name) for name in names & set(jar.namelist())}
    return handler, operator, found


def test_two_classes_name_the_state_and_both_are_changed(fallback: jars.JarSet) -> None:
    found = dict(residuals(fallback.jars))
    assert len(found) == 2
    for code in found.values():
        assert _TAGS not in code
        assert _OURS in code


def test_a_runner_that_bounds_it_is_left_alone_and_one_that_has_changed_is_named(
    fallback: jars.JarSet, tmp_path: Path
) -> None:
    handler, operator, found = _original(fallback)
    mended = found | {handler: found[handler] + b"\x01\x00\x10residualStateTag"}
    assert list(residuals([_jar(tmp_path / "mended.jar", mended)])) == []
    changed = found | {operator: found[operator].replace(_TAGS, b"x" * len(_TAGS))}
    for name, entries in {"changed.jar": changed, "none.jar": {}}.items():
        with pytest.raises(LocalError, match="runner has changed"):
            list(residuals([_jar(tmp_path / name, entries)]))


def test_the_doctor_has_nothing_to_warn_of(fallback: jars.JarSet) -> None:
    finding = check_job_server()
    assert fallback.flavour in finding.detail
    assert finding.level == "ok"


def test_self_checkpoints_leave_nothing_behind(flink: FlinkCluster) -> None:
    rows = measure(flink, 6, least=60)
    assert rows[-1]["done"] - rows[1]["done"] >= 60
    assert abs(slope(rows, "state")) < _BYTES_EACH
