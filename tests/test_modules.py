"""Laws of modules: no circle of imports, no export of nothing, no state that outlives a run."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import EVERYTHING, ROOT, SOURCES

# What outlives a run in one process, and why it may.
KEPT = {
    "cli/commands/compile.py": {
        "os.environ": "processor and folder during the command, restored after it"
    },
    "cli/main.py": {"os.environ": "the folder of plug-ins during one command, restored after it"},
    "adapters/fronthaul/links.py": {"_programs": "the last eight filters given to the kernel"},
    "adapters/http_timing.py": {"_current": "phases by task, removed when its request ends"},
    "connectors/file_formats.py": {"SUFFIXES": "registry, filled while modules are imported"},
    "connectors/collector.py": {
        "_before": "the collector's settings before the first reader, restored after the last",
        "_readers": "readers that share the collector's settings",
    },
    "connectors/uris.py": {
        "_takes_several": "registry of outputs that take several streams, filled at import"
    },
    "stores/store_output.py": {
        "_open": "writers that streams of one run share, removed when the last is closed"
    },
    "domain/renamed.py": {"_reported": "old names reported by this command, cleared by the next"},
    "ops/compiled.py": {
        "_kernels": "registry, filled while modules are imported",
        "_warm_ups": "registry, filled while modules are imported",
        "_warm": "what is loaded already, as the code itself is",
    },
    "ops/compiler.py": {
        "_compiled": "what this process compiled, for a line on standard error",
        "config": "numba's processor, which a process chooses once",
    },
    "ops/run_context.py": {"_here": "the runs of this process by their id, while they live"},
    "connectors/sinks/_away.py": {"_known": "which brokers of sinks are away, by name of the sink"},
    "connectors/sinks/_kafka_once.py": {"_open": "open transactional writers, by place"},
    "pipelines/direct.py": {
        "_runs": "runs that share Beam's state cache, which is restored after the last",
        "worker_handlers": "Beam's state cache is a constant of its module",
    },
    "pipelines/sampler.py": {
        "_runs": "runs that share the sampler's pace, restored after the last"
    },
    "devcluster/processes.py": {"_children": "processes started here, so they are reaped"},
    "analysis/sweep/evaluate.py": {"_shared": "the recording, once in each worker process"},
}
MUTABLE = re.compile(
    r"(\w+\.)*(dict|list|set|defaultdict|deque|Counter|OrderedDict|bytearray|local|Event|Condition"
    r"|Queue|SimpleQueue|WeakKeyDictionary|WeakValueDictionary|WeakSet)"
)
CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
    "popleft", "put", "remove", "set", "setdefault", "update",
}  # fmt: skip


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("padit", *parts)).removesuffix(".__init__")


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run, or are read by a type checker, when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _outside_functions(child)


def _imported_modules(tree: ast.AST, modules: set[str]) -> set[str]:
    """Those of `modules` that are imported outside functions, under TYPE_CHECKING too."""
    found: set[str] = set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & modules or {node.module}
    return found & modules


def _circles(imports: dict[str, set[str]]) -> set[frozenset[str]]:
    """Groups of modules that reach each other."""
    reached: dict[str, set[str]] = {}
    for start in imports:
        seen: set[str] = set()
        left = [start]
        while left:
            new = imports.get(left.pop(), set()) - seen
            seen |= new
            left += new
        reached[start] = seen
    return {
        frozenset(other for other in reached[one] if one in reached.get(other, set()))
        for one in imports
        if one in reached[one]
    }


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For) else []


def _bound(tree: ast.Module) -> set[str]:
    """Names that a module has once it is imported."""
    names: set[str] = set()
    for node in [*_outside_functions(tree), *tree.body]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        for target in _targets(node):
            names |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
    return names


def _exports(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if [ast.unparse(target) for target in _targets(node)] == ["__all__"]:
            return set(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return set()


def _mutable_names(tree: ast.Module) -> set[str]:
    """Module-level names of containers, events and the like."""
    names: set[str] = set()
    for node in tree.body:
        value = getattr(node, "value", None)
        literal = isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp)
        called = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
        if literal or MUTABLE.fullmatch(called):
            names |= {one.id for one in _targets(node) if isinstance(one, ast.Name)}
    return names


def _changed(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Names whose content functions change; whether an item or attribute is set for that."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CHANGES
            ):
                yield ast.unparse(node.func.value), False
            for target in _targets(node):
                for one in getattr(target, "elts", [target]):
                    if isinstance(one, ast.Subscript | ast.Attribute):
                        yield ast.unparse(one.value), True


def _kept(tree: ast.Module) -> set[str]:
    """Module-level state, of this or of an imported module, that functions change."""
    changed = set(_changed(tree))
    rebound = {
        name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names
    }
    modules = {
        alias.asname or alias.name
        for node in _outside_functions(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (alias.asname or alias.name).islower()
    }
    own = _mutable_names(tree) & {name for name, _ in changed}
    foreign = (modules | {"os.environ"}) & {name for name, is_set in changed if is_set}
    return rebound | own | foreign


def test_no_module_imports_itself_through_others() -> None:
    modules = {_module(path) for path in SOURCES}
    imports = {_module(path): _imported_modules(_tree(path), modules) for path in SOURCES}
    assert _circles(imports) == set()


def test_every_exported_name_exists() -> None:
    missing = {_name(path): _exports(_tree(path)) - _bound(_tree(path)) for path in EVERYTHING}
    assert {name: names for name, names in missing.items() if names} == {}


def test_nothing_outlives_a_run_without_a_reason() -> None:
    found = {_name(path): _kept(_tree(path)) for path in SOURCES}
    reasons = {name: set(names) for name, names in KEPT.items()}
    assert {name: names for name, names in found.items() if names} == reasons


CIRCLE = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from padit.domain.rows import Rows
"""


def test_a_circle_under_type_checking_would_be_noticed() -> None:
    modules = {"padit.domain.watermark", "padit.domain.rows"}
    imports = {"padit.domain.watermark": _imported_modules(ast.parse(CIRCLE), modules)}
    assert _circles(imports) == set()
    imports["padit.domain.rows"] = _imported_modules(
        ast.parse("from padit.domain import watermark"), modules
    )
    assert _circles(imports) == {frozenset(modules)}


def test_an_import_inside_a_function_makes_no_circle() -> None:
    late = ast.parse("def f():\n    import padit.domain.rows")
    assert _imported_modules(late, {"padit.domain.rows"}) == set()


def test_an_exported_name_that_does_not_exist_would_be_noticed() -> None:
    tree = ast.parse('__all__ = ["a", "b", "c"]\nimport a\nif a:\n    b = 1')
    assert _exports(tree) - _bound(tree) == {"c"}


@pytest.mark.parametrize(
    "code",
    [
        "_a = None\ndef f():\n    global _a\n    _a = 1",
        "_a = {}\ndef f():\n    _a[1] = 2",
        "_a: dict[int, int] = {}\ndef f():\n    del _a[1]",
        "_a = collections.defaultdict(int)\ndef f():\n    _a[1] += 2",
        "_a = threading.Event()\nclass B:\n    def f(self):\n        _a.set()",
        "import domain._a as _a\ndef f():\n    _a.LIMIT = 2",
    ],
)
def test_state_that_outlives_a_run_would_be_noticed(code: str) -> None:
    assert _kept(ast.parse(code)) == {"_a"}


@pytest.mark.parametrize(
    "code",
    [
        "_A = {1: 2}\ndef f():\n    return _A[1]",
        "_A = []\n_A.append(1)",
        "import json\njson.dumps(1)",
    ],
)
def test_a_constant_is_no_state(code: str) -> None:
    assert _kept(ast.parse(code)) == set()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(x for e in extras if e not in ("dev", "fuzz", "mutants", "profile") for x in extras[e]),
    ]
    table = (ROOT / "docs" / "dependencies.md").read_text()
    told = {name for row in re.findall(r"^\| ([^|]+) \|", table, re.M) for name in row.split(", ")}
    assert {re.split(r"[<>=[]", one)[0] for one in wanted} - told == set()


ROOMS = {path.parts[len(ROOT.parts)] for path in SOURCES}


def test_a_room_named_in_a_text_is_named_within_the_package() -> None:
    """As `files("pipelines")` is not, which works only where the checkout is the directory."""
    loads = {"files", "import_module", "find_spec", "resource_filename"}
    wrong = [
        f"{_name(path)}: {argument.value!r}"
        for path in SOURCES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in loads
        for argument in node.args[:1]
        if isinstance(argument, ast.Constant) and str(argument.value).split(".")[0] in ROOMS
    ]
    assert wrong == []
