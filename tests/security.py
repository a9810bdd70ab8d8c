"""What `make check` asks about security: patterns in our code (bandit), licences of what we use.

`python -m tests.security` checks both, without a network. `--audit` asks, too, whether a version in
requirements.lock has a known vulnerability; where the service cannot be reached it prints a line
that says so, and fails only with `--strict`. `--sbom FILE` writes a bill of materials.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from tests.test_architecture import PACKAGES, ROOT

__all__ = ["ACCEPTED", "LICENCES", "audit", "findings", "main", "sbom", "wrong_licences"]

_FREE = re.compile(
    r"apache|\bmit\b|mit-|bsd|isc|python software foundation|psf|mpl|mozilla public|lgpl"
    r"|lesser general|zlib|cc0|unlicense|hpnd|public domain",
    re.IGNORECASE,
)
_BINDING = re.compile(r"(?<!l)(?<!lesser )\b(agpl|gpl|gnu (affero )?general)", re.IGNORECASE)
LICENCES: Mapping[str, str] = {
    "atheris": "Apache-2.0, in its LICENSE; its metadata name none",
    "pysnmp": "BSD-2-Clause, in its LICENSE.rst; its metadata name none",
}
"""By package, the licence of those whose metadata do not say it."""

ACCEPTED: Mapping[str, str] = {}
"""By id of a vulnerability, why it does not concern PADIT."""
_TIMEOUT_S = 300.0


def findings(places: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """(file, test, text) of what bandit finds of medium or high severity.

    ruff knows the same tests under other names, so a line that is reviewed for ruff (`noqa: S608`
    and the reason) is reviewed for bandit's B608.

    Args:
        places: folders and files below the repository.
    """
    command = [sys.executable, "-m", "bandit", "-q", "-ll", "-f", "json", "-r"]
    done = subprocess.run(
        [*command, *map(str, places)],
        capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
    )  # fmt: skip
    for one in json.loads(done.stdout[done.stdout.index("{") :])["results"]:
        path = Path(one["filename"])
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        if _is_reviewed(path, one["line_range"], one["test_id"]):
            continue
        yield name, one["test_id"], f"line {one['line_number']}: {one['issue_text']}"


def _is_reviewed(path: Path, lines: Sequence[int], test: str) -> bool:
    text = path.read_text(encoding="utf-8").splitlines()
    mark = re.compile(rf"# noqa:.*\bS{test[1:]}\b")
    return any(mark.search(line) for line in text[min(lines) - 1 : max(lines) + 1])


def locked() -> list[str]:
    """The packages of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line.partition("==")[0].strip() for line in lines if "==" in line]


def licence_of(package: str) -> str:
    """What a package's metadata say; "" if nothing."""
    found: Any = metadata(package)  # a message, of which the type names only a part
    classified = [
        one.rpartition(" :: ")[2]
        for one in found.get_all("Classifier") or []
        if one.startswith("License ::")
    ]
    said = found.get("License-Expression") or "; ".join(classified) or found.get("License")
    return said or ""


def wrong_licences(packages: Mapping[str, str]) -> Iterator[str]:
    """A line for each licence, by package, that we do not distribute with, or do not know."""
    for name, licence in packages.items():
        first = LICENCES.get(name) or licence.strip().partition("\n")[0]
        choices = re.split(r"\s+OR\s+", first)
        if not any(_FREE.search(one) and not _BINDING.search(one) for one in choices):
            yield f"{name}: the licence {first!r} is not among those that we use"


def audit(requirements: Path) -> tuple[list[str], str]:
    """Known vulnerabilities, a line for each, and why it was not found out, or ""."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
    command += ["--disable-pip", "--no-deps", "--progress-spinner=off", "--format=json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
        found = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return [], f"no answer within {_TIMEOUT_S:g} s"
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines()
        return [], lines[-1][:200] if lines else "no answer"
    return [
        f"{one['name']} {one['version']}: {known['id']}, repaired in {known['fix_versions']}"
        for one in found
        for known in one.get("vulns", [])
        if known["id"] not in ACCEPTED
    ], ""


def sbom(python: str, target: Path) -> dict[str, Any]:
    """Write a bill of materials (CycloneDX 1.6) of what an interpreter has installed.

    Args:
        python: of the environment.
        target: a file; the same environment gives the same bytes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", python]
    command += ["--output-reproducible", "--spec-version=1.6", "--no-validate"]
    command += [f"--output-file={target}"]
    subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return found


def _installed(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in packages:
        try:
            yield name, licence_of(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed here


def main(argv: list[str] | None = None) -> int:
    """Print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(
        prog="tests.security",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--audit", action="store_true", help="ask for known vulnerabilities")
    parser.add_argument("--strict", action="store_true", help="fail where that cannot be asked")
    parser.add_argument("--sbom", type=Path, help="write a bill of materials there, and end")
    args = parser.parse_args(argv)
    if args.sbom:
        print(f"{args.sbom}: {len(sbom(sys.executable, args.sbom)['components'])} components")
        return 0
    rooms = [ROOT / room for room in PACKAGES]
    wrong = [
        f"{file}, {text} ({test}): repair it, or review it as for ruff (# noqa: S{test[1:]}  # why)"
        for file, test, text in findings(rooms)
    ]
    wrong += wrong_licences(dict(_installed(locked())))
    if args.audit:
        known, reason = audit(ROOT / "requirements.lock")
        wrong += known
        if reason:
            print(f"vulnerabilities were not looked up: {reason}")
            wrong += ["vulnerabilities have to be looked up (--strict)"] if args.strict else []
    print("\n".join(wrong) if wrong else "security: nothing found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
