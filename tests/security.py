"""What `make check` asks about security: patterns in our code (bandit), licences of what we use.

`python -m tests.security` checks both, without a network. `--audit` asks, too, whether a version in
requirements.lock has a known vulnerability; where the service cannot be reached it prints a line
that says so, and fails only with `--strict`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from tests.test_architecture import PACKAGES, ROOT

__all__ = ["ACCEPTED", "LICENCES", "REVIEWED", "audit", "findings", "main", "wrong_licences"]

REVIEWED: Mapping[tuple[str, str], str] = {
    ("adapters/log_store.py", "B608"): "conditions are fixed texts, values are parameters",
    ("alerting/store/sqlite.py", "B608"): "names of our own tables, values are parameters",
    ("cli/checks/tools.py", "B608"): "a message, not SQL",
    ("connectors/schema_registry.py", "B310"): "the scheme is checked to be http or https",
    ("devcluster/flink.py", "B310"): "Flink's REST address of the local cluster",
    ("ops/compiler.py", "B301"): "numba's own cache, in a folder that only its owner can write",
    ("pipelines/flink_counters.py", "B310"): "the REST address that the operator gave",
    ("pipelines/flink_job.py", "B310"): "the REST address that the operator gave",
}
"""By file and test of bandit, why a finding of medium or high severity is none."""

_FREE = re.compile(
    r"apache|\bmit\b|mit-|bsd|isc|python software foundation|psf|mpl|mozilla public|lgpl"
    r"|lesser general|zlib|cc0|unlicense|hpnd|public domain",
    re.IGNORECASE,
)
_BINDING = re.compile(r"(?<!l)(?<!lesser )\b(agpl|gpl|gnu (affero )?general)", re.IGNORECASE)
LICENCES: Mapping[str, str] = {
    "pysnmp": "BSD-2-Clause, in its LICENSE.rst; its metadata name none",
}
"""By package, the licence of those whose metadata do not say it."""

ACCEPTED: Mapping[str, str] = {}
"""By id of a vulnerability, why it does not concern PADIT."""
_TIMEOUT_S = 300.0


def findings(places: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """(file, test, text) of what bandit finds of medium or high severity.

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
        yield name, one["test_id"], f"line {one['line_number']}: {one['issue_text']}"


def locked() -> list[str]:
    """The packages of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line.partition("==")[0].strip() for line in lines if "==" in line]


def licence_of(package: str) -> str:
    """What a package's metadata say; "" if nothing."""
    found = metadata(package)
    classified = [
        one.rpartition(" :: ")[2]
        for one in found.get_all("Classifier") or []
        if one.startswith("License ::")
    ]
    return found.get("License-Expression") or "; ".join(classified) or (found.get("License") or "")


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


def _installed(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in packages:
        try:
            yield name, licence_of(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed here


def main(argv: list[str] | None = None) -> int:
    """Print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(prog="tests.security", description=__doc__)
    parser.add_argument("--audit", action="store_true", help="ask for known vulnerabilities")
    parser.add_argument("--strict", action="store_true", help="fail where that cannot be asked")
    args = parser.parse_args(argv)
    rooms = [ROOT / room for room in PACKAGES]
    wrong = [
        f"{file}, {text} ({test}): repair it, or add the reason to REVIEWED in tests/security.py"
        for file, test, text in findings(rooms)
        if (file, test) not in REVIEWED
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
