"""Each extra is enough for what it is named after; the base, for a job, its files and all helps."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from padit.ops.extras import remedy
from tests.limits import allowed
from tests.pipelines.seed import RULE, seed_lines, write
from tests.test_architecture import PACKAGES, ROOT
from tests.test_dependencies import PROJECT, SHIPPED, _key

NEEDS = {
    "adapters/": ("adapters",),
    "alerting/": ("alerting",),
    "analysis/series_": ("portal",),
    "codecs/bodies.py": ("adapters",),
    "codecs/otlp_": ("adapters",),
    "codecs/remote_write.py": ("adapters",),
    "portal/": ("portal",),
    "portal/team/": ("portal", "alerting", "stores"),
    "stores/": ("stores",),
}
"""Extras that files need, by how their paths begin; what is not here is of the base."""
OF_THE_BASE = ("stores/store_output.py", "stores/kinds/", "cli/")
"""Files that the base imports to list what there is."""


@cache
def _holders(library: str) -> frozenset[str]:
    return frozenset(map(_key, _known().get(library, ())))


_known = cache(packages_distributions)


@cache
def distributions(extras: tuple[str, ...]) -> frozenset[str]:
    """Packages of an installation with these extras, with all that they bring."""
    optional = PROJECT["optional-dependencies"]
    left = [Requirement(one) for one in PROJECT["dependencies"]]
    left += [Requirement(line) for extra in extras for line in optional[extra]]
    done: set[tuple[str, tuple[str, ...]]] = set()
    while left:
        one = left.pop()
        key = (_key(one.name), tuple(sorted(one.extras)))
        if key in done:
            continue
        done.add(key)
        try:
            lines = requires(one.name) or []
        except PackageNotFoundError:
            continue  # of another system
        for needed in map(Requirement, lines):
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in ("", *one.extras)):
                left.append(needed)
    return frozenset(name for name, _ in done)


def hide(*extras: str) -> None:
    """In this process only the base and these extras are installed."""
    there = distributions(extras) | {"padit"}

    class Hidden:
        @staticmethod
        def find_spec(name: str, path: object = None, _target: object = None) -> None:
            holders = _holders(name.partition(".")[0])
            if path is None and holders and not holders & there:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Hidden)


# ---- what a module imports as soon as it is imported


def _imported_at_once(nodes: Iterable[ast.stmt]) -> Iterator[str]:
    """Modules of a body, without functions and what is for type checkers; `try` may fail."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.ClassDef | ast.With):
            yield from _imported_at_once(node.body)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _imported_at_once([*node.body, *node.orelse])


@cache
def _files() -> dict[str, Path]:
    """Every module of the rooms, with its file."""
    paths = [path for room in PACKAGES for path in (ROOT / room).rglob("*.py")]
    names = {path: path.relative_to(ROOT).with_suffix("").as_posix() for path in paths}
    return {f"padit/{name}".replace("/", ".").removesuffix(".__init__"): path
            for path, name in names.items()}  # fmt: skip


@cache
def _direct(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """Modules of the project, and libraries, that a module imports at once."""
    names = set(_imported_at_once(ast.parse(_files()[module].read_text()).body))
    parts = module.split(".")
    ours = {name for name in names if name in _files()}
    ours |= {".".join(parts[:n]) for n in range(2, len(parts))} & _files().keys()
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"padit"}
    return frozenset(ours), frozenset(tops)


def _libraries(module: str) -> dict[str, str]:
    """Libraries that are imported with a module, each with the module that imports it."""
    found: dict[str, str] = {}
    left, seen = [module], {module}
    while left:
        one = left.pop()
        ours, libraries = _direct(one)
        found |= dict.fromkeys(libraries, one)
        left += ours - seen
        seen |= ours
    return found


def _extras_of(path: str) -> tuple[str, ...]:
    if path.startswith(OF_THE_BASE):
        return ()
    begins = [begin for begin in NEEDS if path.startswith(begin)]
    return NEEDS[max(begins, key=len)] if begins else ()


def _beyond(module: str) -> dict[str, str]:
    """Libraries that a module needs at once and its extras do not bring."""
    there = distributions(_extras_of(_files()[module].relative_to(ROOT).as_posix()))
    libraries = _libraries(module)
    return {one: importer for one, importer in libraries.items() if not _holders(one) & there}


def test_every_module_can_be_imported_with_the_extras_of_its_folder() -> None:
    assert {name: found for name in sorted(_files()) if (found := _beyond(name))} == {}


def test_an_import_beyond_the_extras_would_be_noticed() -> None:
    code = "import redis\nif TYPE_CHECKING:\n    import a\ndef f():\n    import b\n"
    assert list(_imported_at_once(ast.parse(code).body)) == ["redis"]
    assert "redis" not in distributions(())
    assert "redis" in distributions(("stores",))


def test_make_install_brings_all_that_is_shipped() -> None:
    (line,) = [one for one in (ROOT / "Makefile").read_text().splitlines()
               if "pip install" in one and "flink" in one and "dev" not in one]  # fmt: skip
    assert f"'.[{','.join(SHIPPED)}]'" in line


# ---- and in truth


BASE = """
import sys
from tests.test_extras import hide
hide()
from padit.cli.main import main
from tests.cli.test_cli import COMMANDS
for command in ([], *([one] for one in COMMANDS)):
    try:
        main([*command, "--help"])
    except SystemExit as end:
        assert not end.code, command
place, rule = sys.argv[1:]
assert main(["run", f"--input={place}", rule, f"--output={place}.alerts.jsonl"]) == 0
assert main(["look", place]) == 0
for store in ("redis", "postgresql"):
    assert main(["run", f"--input={place}", rule, f"--output={store}://127.0.0.1:1/0"]) == 2
assert main(["portal", "--data", "."]) == 2
"""


def test_the_base_alone_shows_every_help_runs_a_job_and_names_what_another_part_needs(
    tmp_path: Path,
) -> None:
    place = write(tmp_path / "seed.jsonl", seed_lines())
    command = [sys.executable, "-c", BASE, place, RULE]
    done = subprocess.run(command, check=False, capture_output=True, text=True,
                          cwd=ROOT, timeout=allowed(60))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"alerts":1' in done.stdout
    for needs in ("redis is not installed", "psycopg is not installed", "uvicorn"):
        assert needs in done.stderr
    assert done.stderr.count("pip install 'padit[stores]'") == 2


LIBRARIES = sorted({top for name in _files() for top in _direct(name)[1]})


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_that_is_missing_comes_with_the_extra_that_is_named(library: str) -> None:
    holders = _holders(library)
    if holders & distributions(()):
        return
    named = remedy(library) or ""
    extra = named.removeprefix("pip install 'padit[").removesuffix("]'")
    assert extra in SHIPPED
    assert holders & distributions((extra,))
