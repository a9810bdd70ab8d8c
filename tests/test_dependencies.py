"""What is declared is used, what is used is declared, and the page says why each is there."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import Any

import pytest

from tests.test_architecture import PACKAGES, ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Extras of what is shipped; the others are for those who develop it.
SHIPPED = ("flink", "adapters", "alerting", "notify", "stores", "portal", "telemetry")
NOT_IMPORTED = {
    "apache-flink-libraries": "jars, found by importlib.metadata",
    "websockets": "uvicorn speaks WebSocket with it",
    "msgpack": "python-can's bus over UDP encodes with it",
}
"""Packages that are there for what they bring, and how they are used."""


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared(extra: str | None) -> set[str]:
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return {_key(re.split(r"[\[<>=!~ ]", line)[0]) for line in lines}


def _imported() -> Iterator[str]:
    """Every module that a room imports, wherever in a file, with its parents."""
    for room in PACKAGES:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
                yield from names


@cache
def _used() -> dict[str, set[str]]:
    """By module that a room imports, the distributions that may hold it."""
    known = packages_distributions()
    tops = {name.partition(".")[0] for name in _imported()} - sys.stdlib_module_names - {"padit"}
    return {top: {_key(one) for one in known.get(top, ())} for top in tops}


def _with_what_they_bring(packages: set[str]) -> set[str]:
    found, left = set(), set(packages)
    while left:
        name = left.pop()
        found.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue  # of another system, or of an extra that is not installed
        needed = [line for line in lines if "extra ==" not in line]
        left |= {_key(re.split(r"[\[<>=!~ (;]", line)[0]) for line in needed} - found
    return found


SHIPPED_PACKAGES = _declared(None).union(*map(_declared, SHIPPED))


def test_every_package_that_is_shipped_is_used() -> None:
    unused = SHIPPED_PACKAGES.difference(*_used().values())
    assert unused == NOT_IMPORTED.keys()


def test_every_package_that_is_used_is_declared_or_comes_with_one_that_is() -> None:
    there = _with_what_they_bring(SHIPPED_PACKAGES)
    assert {top: found for top, found in _used().items() if not found & there} == {}


@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_every_package_that_is_declared_has_its_why_on_the_page(extra: str | None) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text().lower()
    names = set(re.findall(r"[\w.-]+", page.replace("_", "-")))
    assert {one for one in _declared(extra) if one not in names} == set()
