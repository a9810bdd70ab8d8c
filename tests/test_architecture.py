"""The shape of the code: allowed imports, sizes of files and functions, unused code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "domain", "codecs", "ops", "adapters", "connectors", "transforms", "analysis", "pipelines",
    "stores", "alerting", "cli", "portal", "devcluster",
)  # fmt: skip
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EVERYTHING = [
    *SOURCES,
    *sorted(path for part in ("tests", "benchmarks") for path in (ROOT / part).rglob("*.py")),
]

# domain <- ops <- codecs <- connectors, transforms, adapters <- stores, analysis <- alerting
# <- pipelines, portal <- cli
_BASE = {"domain", "codecs", "ops"}
_PARTS = _BASE | {"adapters", "connectors", "transforms"}
ALLOWED = {
    "domain": {"domain"},
    "codecs": {"domain", "ops", "codecs"},
    "ops": {"domain", "ops"},
    "adapters": _BASE | {"adapters"},
    "connectors": _BASE | {"connectors"},
    "transforms": _BASE | {"transforms"},
    "analysis": _PARTS | {"analysis"},
    "stores": _BASE | {"connectors", "stores"},
    "alerting": _BASE | {"connectors", "stores", "alerting"},
    "pipelines": _PARTS | {"analysis", "pipelines", "devcluster"},
    "cli": set(PACKAGES),
    "portal": _PARTS | {"analysis", "stores", "alerting", "portal"},
    "devcluster": {"domain", "devcluster"},
}
# Files that may import more than their room, and why.
ALSO = {
    "transforms/detectors/model_places.py": {"connectors"},  # models lie in object storage, too
}
DOMAIN_LIBRARIES = {"numpy", "msgspec", "pydantic", "yaml"}
BEAM_FILES = {
    "transforms/watch.py",
    "transforms/watch_fleet.py",
    "connectors/coders.py",
    "connectors/deliver.py",
    "connectors/read_shard.py",
    "connectors/restriction.py",
}
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
    """What is imported, also inside functions: `padit.<room>`, or the top-level package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_package(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                yield "."
            elif module == "padit":
                yield from (f"padit.{alias.name}" for alias in node.names)
            else:
                yield _package(module)


def _package(module: str) -> str:
    first, _, rest = module.partition(".")
    return f"padit.{rest.partition('.')[0]}" if first == "padit" and rest else first


def _forbidden_imports(name: str, tree: ast.AST, libraries: set[str]) -> set[str]:
    room = name.partition("/")[0]
    found = set(_imports(tree))
    wrong = found & {".", "padit", *PACKAGES}  # a room by its bare name would be a second module
    wrong |= {
        one
        for one in found
        if one.startswith("padit.")
        and one[len("padit.") :] not in ALLOWED[room] | ALSO.get(name, set())
    }
    if room == "domain":
        wrong |= found & libraries - DOMAIN_LIBRARIES
    if "apache_beam" in found and room not in ("pipelines", "cli") and name not in BEAM_FILES:
        wrong.add("apache_beam")
    return wrong


def _third_party() -> set[str]:
    """What any file imports that is neither ours nor Python's."""
    import sys

    found = {one for path in SOURCES for one in _imports(_tree(path))}
    ours = {one for one in found if one.startswith("padit")}
    return found - ours - set(sys.stdlib_module_names)


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


def test_no_file_names_a_path_of_one_machine() -> None:
    place = re.compile(r"[\"' =(](/(?:home|Users|work|root)/|C:\\\\)\w")
    found = [_name(path) for path in EVERYTHING if place.search(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("name", "code", "wrong"),
    [
        ("domain/x.py", "import padit.transforms.group", {"padit.transforms"}),
        ("domain/x.py", "import confluent_kafka", {"confluent_kafka"}),
        ("domain/x.py", "import numpy, yaml, json", set()),
        ("codecs/x.py", "from padit.connectors.uris import Address", {"padit.connectors"}),
        ("ops/x.py", "from padit.codecs.records import decode", {"padit.codecs"}),
        (
            "connectors/x.py",
            "def f():\n    from padit.transforms import group",
            {"padit.transforms"},
        ),
        ("transforms/x.py", "from padit.connectors.source import ReadBatch", {"padit.connectors"}),
        ("transforms/x.py", "from padit import connectors", {"padit.connectors"}),
        ("transforms/x.py", "from padit.codecs.records import decode", set()),
        ("transforms/x.py", "import apache_beam as beam", {"apache_beam"}),
        ("transforms/watch.py", "import apache_beam as beam", set()),
        ("adapters/x.py", "from padit.pipelines import job", {"padit.pipelines"}),
        ("analysis/x.py", "from padit.pipelines.graph import build", {"padit.pipelines"}),
        ("devcluster/x.py", "from padit.ops import stats", {"padit.ops"}),
        ("connectors/x.py", "from . import uris", {"."}),
        ("connectors/x.py", "from connectors import uris", {"connectors"}),
        ("pipelines/x.py", "import apache_beam, padit.connectors.uris", set()),
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
