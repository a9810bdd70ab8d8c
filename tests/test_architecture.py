"""The shape of the code: who may import whom, how long things are, what is never used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("domain", "adapters", "connectors", "transforms", "pipelines", "portal")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EVERYTHING = [
    *SOURCES,
    *sorted(path for part in ("tests", "benchmarks") for path in (ROOT / part).rglob("*.py")),
]

ALLOWED = {
    "domain": {"domain"},
    "adapters": {"domain", "adapters"},
    "connectors": {"domain", "connectors"},
    "transforms": {"domain", "transforms"},
    "pipelines": {"domain", "adapters", "connectors", "transforms", "pipelines", "portal"},
    "portal": {"domain", "adapters", "connectors", "transforms", "portal"},
}
DOMAIN_LIBRARIES = {"numpy", "pyarrow", "msgspec", "pydantic", "yaml"}
BEAM_FILES = {"transforms/watch.py", "connectors/deliver.py", "connectors/read_shard.py"}
LONGEST_FILE = 400
TOO_LONG = {
    "benchmarks/throughput.py": "four ways to run one job side by side; to be cut",
}
ASSERTS = {
    "pipelines/worker_pool.py": "pipes that Popen was asked for, said to the type checker",
}
LONGEST_FUNCTION = 50
CHANCE = re.compile(
    r"(uuid\.)?uuid[14]|random\.\w+|np\.random\.\w+|time\.time(_ns)?|hash|id"
    r"|(datetime\.)?datetime\.(now|utcnow|today)|date\.today|os\.urandom|secrets\.\w+"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that are imported, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else (node.module or "").partition(".")[0]


def _forbidden_imports(name: str, tree: ast.AST, libraries: set[str]) -> set[str]:
    package = name.partition("/")[0]
    wrong = {one for one in _imports(tree) if one in PACKAGES and one not in ALLOWED[package]}
    if "." in set(_imports(tree)):
        wrong.add(".")
    if package == "domain":
        wrong |= set(_imports(tree)) & libraries - DOMAIN_LIBRARIES
    if "apache_beam" in _imports(tree) and package != "pipelines" and name not in BEAM_FILES:
        wrong.add("apache_beam")
    return wrong


def _third_party() -> set[str]:
    """What any file imports that is neither ours nor Python's."""
    import sys

    found = {one for path in SOURCES for one in _imports(_tree(path))}
    return found - set(PACKAGES) - set(sys.stdlib_module_names) - {"."}


def _long_functions(tree: ast.AST) -> list[str]:
    return [
        f"{node.name} ({(node.end_lineno or 0) - node.lineno + 1} lines)"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 >= LONGEST_FUNCTION
    ]


def _chance(tree: ast.AST) -> list[str]:
    """Calls whose answer differs from run to run."""
    called = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [name for name in called if CHANCE.fullmatch(name)]


def _asserts(tree: ast.AST) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def test_imports_point_one_way() -> None:
    libraries = _third_party()
    wrong = {_name(path): _forbidden_imports(_name(path), _tree(path), libraries)
             for path in SOURCES}  # fmt: skip
    assert {name: found for name, found in wrong.items() if found} == {}


def test_files_are_short() -> None:
    lengths = {_name(path): len(path.read_bytes().splitlines()) for path in EVERYTHING}
    long = {name: lines for name, lines in lengths.items() if lines >= LONGEST_FILE}
    assert {name: lines for name, lines in long.items() if name not in TOO_LONG} == {}


def test_functions_are_short() -> None:
    found = {_name(path): _long_functions(_tree(path)) for path in SOURCES}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_nothing_is_asserted_outside_tests() -> None:
    found = {_name(path): _asserts(_tree(path)) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines and name not in ASSERTS} == {}


def test_nothing_that_decides_results_uses_chance_or_the_clock() -> None:
    deciding = [path for path in SOURCES if _name(path).startswith(("domain/", "transforms/"))]
    found = {_name(path): _chance(_tree(path)) for path in deciding}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(r"[\"' =(](/(?:home|Users|work|root)/|C:\\\\)\w")
    found = [_name(path) for path in EVERYTHING if place.search(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("name", "code", "wrong"),
    [
        ("domain/x.py", "import transforms.group", {"transforms"}),
        ("domain/x.py", "import confluent_kafka", {"confluent_kafka"}),
        ("domain/x.py", "import numpy, yaml, json", set()),
        ("connectors/x.py", "def f():\n    from transforms import group", {"transforms"}),
        ("transforms/x.py", "from connectors.reader import Read", {"connectors"}),
        ("transforms/x.py", "import apache_beam as beam", {"apache_beam"}),
        ("transforms/watch.py", "import apache_beam as beam", set()),
        ("adapters/x.py", "from pipelines import job", {"pipelines"}),
        ("connectors/x.py", "from . import uris", {"."}),
        ("pipelines/x.py", "import apache_beam, connectors.uris", set()),
    ],
)
def test_a_wrong_import_would_be_noticed(name: str, code: str, wrong: set[str]) -> None:
    assert _forbidden_imports(name, ast.parse(code), {"confluent_kafka", "numpy", "yaml"}) == wrong


@pytest.mark.parametrize(
    "call",
    ["uuid.uuid4()", "uuid4()", "random.random()", "time.time()", "hash(x)", "datetime.now()",
     "np.random.default_rng()"],
)  # fmt: skip
def test_chance_and_the_clock_would_be_noticed(call: str) -> None:
    assert _chance(ast.parse(f"x = {call}")) != []


def test_a_long_function_and_an_assert_would_be_noticed() -> None:
    body = "    x = 1\n" * LONGEST_FUNCTION
    assert _long_functions(ast.parse(f"def f():\n{body}")) != []
    assert _asserts(ast.parse("assert True")) == [1]
