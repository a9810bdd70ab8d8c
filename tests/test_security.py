"""The checks of tests/security.py notice what they are for."""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml

from tests.debian import PACKAGES
from tests.go_tools import GO_TOOLS
from tests.security import audit, findings, licence_of, locked, sbom, wrong_licences
from tests.test_architecture import ROOT


def test_a_shell_and_a_pickle_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "import pickle, subprocess\n"
        "def f(x):\n    subprocess.run(x, shell=True)\n    return pickle.loads(x)\n"
    )
    assert {test for _, test, _ in findings([tmp_path])} == {"B301", "B602"}


def test_a_line_that_was_reviewed_is_reviewed_for_both(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text(
        "import pickle\ndef f(x):\n    return pickle.loads(x)  # noqa: S301  # our own\n"
    )
    assert list(findings([tmp_path])) == []


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("Apache-2.0", True), ("MIT License", True), ("LGPL-3.0-only", True),
        ("GNU Lesser General Public License v3 or later (LGPLv3+)", True),
        ("EPL-2.0 OR BSD-3-Clause", True), ("GPL-3.0-only", False), ("AGPL-3.0", False),
        ("GNU General Public License v2 (GPLv2)", False), ("Proprietary", False), ("", False),
    ],
)  # fmt: skip
def test_a_licence_that_binds_is_found_and_a_free_one_is_not(licence: str, free: bool) -> None:
    assert bool(list(wrong_licences({"x": licence}))) is not free


def test_a_licence_is_read_from_any_kind_of_metadata() -> None:
    assert "BSD" in licence_of("numpy")
    assert "Apache" in licence_of("apache-beam")


def test_what_is_no_python_package_is_listed_with_its_licence() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text().partition("## Licences of what")[2]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    images = {str(one["image"]).partition(":")[0] for one in compose.values()}
    wanted = {*PACKAGES, *GO_TOOLS, *(one for one in images if not one.startswith("padit/"))}
    assert {name for name in wanted if name not in page} == set()


def test_no_service_of_compose_is_of_a_licence_that_is_not_free() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    version = str(compose["redis"]["image"]).partition(":")[2]
    assert tuple(map(int, version.split(".")[:2])) < (7, 4)  # RSALv2 and SSPLv1 since


def test_without_the_service_a_line_says_that_nothing_was_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "requirements.txt").write_text("msgspec==0.22.0\n")
    known, reason = audit(tmp_path / "requirements.txt")
    assert known == []
    assert reason


def test_the_bill_of_materials_names_every_installed_package_with_version_and_licence(
    tmp_path: Path,
) -> None:
    found = sbom(sys.executable, tmp_path / "a.json")
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    parts = {_key(one["name"]): one for one in found["components"]}
    installed = {_key(one.metadata["Name"]): one.version for one in distributions()}
    pinned = {_key(name) for name in locked()} & installed.keys()
    assert pinned
    assert {name: parts[name]["version"] for name in pinned} == {
        name: installed[name] for name in pinned
    }
    assert all(parts[name]["purl"].startswith("pkg:pypi/") for name in pinned)
    without = [name for name in sorted(pinned) if not parts[name].get("licenses")]
    assert len(without) < len(pinned) / 20, without  # `wrong_licences` reviews these


def test_the_bill_of_materials_of_the_same_environment_has_the_same_bytes(tmp_path: Path) -> None:
    sbom(sys.executable, tmp_path / "a.json")
    sbom(sys.executable, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def _key(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
