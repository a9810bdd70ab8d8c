"""Every command of README.md, CONTRIBUTING.md and docs is one that exists, with options that exist.

A command block is a fenced block without a language, or of a shell, that begins with a program of
`CHECKS`, and every block of a shell. `padit` is parsed by the command line itself, `make` against
the Makefile, `python -m` against the module; other programs are listed in `TRIED` with the test
that runs them. So are paths of the repository, wherever they stand as code. What is unknown fails.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from padit.cli import main as command_line
from padit.domain.errors import ConfigurationError
from padit.pipelines.suggest import OptionParser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "adr" not in path.parts),
]
SHELLS = ("sh", "bash", "console", "shell")
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_HEREDOC = re.compile(r"<<'?(\w+)'?\n.*?^\1$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"[A-Z][A-Z_0-9]*=.*")
_PLACE = re.compile(
    r"(?:adapters|alerting|analysis|benchmarks|cli|codecs|connectors|deploy|devcluster|docs|domain"
    r"|flink-conf|ops|pipelines|portal|stores|tests|transforms)/[\w./*-]*"
)
PREFIXES = ("nice", "sudo", "time")
# Programs that are not ours: the start of the command, and the test that runs it.
TRIED = {
    "helm install padit": "tests/deploy/test_install.py",
    "helm upgrade padit": "tests/deploy/test_install.py",
    "docker compose": "tests/deploy/test_compose.py",
    "pip install padit": "tests/deploy/test_wheel.py",
    "pip install padit[": "tests/deploy/test_wheel.py",
    "curl -X POST": "tests/integration/test_pages.py",
    "curl $FLINK": "tests/integration/test_pages.py",
    "curl -H Authorization": "tests/adapters/test_log_store.py",
    "curl -f http://127.0.0.1:9464": "tests/integration/test_operators_pages.py",
    "promtool": "tests/integration/test_operators_pages.py",
    "curl -c jar": "tests/portal/test_access.py",
    "curl -b jar": "tests/portal/test_access.py",
    "curl http://127.0.0.1:8080/api/v1/logs": "tests/portal/test_log_path.py",
    "cat >": "tests/integration/test_start_pages.py",
}
NOT_OURS = re.compile(r"adapters/tank\.py|detectors/limit\.py|.*NAME.*")
"""Paths of files that a reader makes."""
RECORDED = {"docs/mutants.md"}
"""Pages that a run has written, about the files of that day."""


def commands(text: str) -> Iterator[str]:
    """Each command of the blocks of a page, on one line; a comment is left out."""
    for _, language, body in _FENCE.findall(text):
        if language and language not in SHELLS:
            continue
        joined = re.sub(r"\\\n\s*", " ", _HEREDOC.sub("", body))
        lines = [line.strip() for line in joined.splitlines() if line.strip()]
        lines = [line.removeprefix("$ ") for line in lines if not line.startswith("#")]
        if language in SHELLS:
            yield from lines
        elif lines and _program(lines[0]) in CHECKS:
            yield from (line for line in lines if _program(line) in CHECKS)


def inline(text: str) -> Iterator[str]:
    """Each command that stands as code in a sentence."""
    for span in _CODE.findall(_FENCE.sub("", text)):
        if _program(span) in ("padit", "make"):
            yield span


def _words(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    while words and _VARIABLE.fullmatch(words[0]):
        words = words[1:]
    while words and words[0] in PREFIXES:
        words = words[1:]
        while words and (words[0].startswith("-") or words[0].isdigit()):
            words = words[1:]
    return [word for word in words if word not in ("...", "&")]


def _program(command: str) -> str:
    try:
        words = _words(command)
    except ValueError:
        return ""
    return words[0] if words else ""


def _padit(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Parsed by the command line itself; nothing runs."""
    others, _ = command_line._taken(words[1:], "--log_format", "json or text")
    others, _ = command_line._taken(others, "--plugins", "a folder")
    if not others or others == ["--help"] or others == ["COMMAND"]:
        return None
    name = others[0].replace("-", "_")
    if (ROOT / "cli" / "commands" / f"{name}.py").exists():
        module = importlib.import_module(f"padit.cli.commands.{name}")
        monkeypatch.setattr(module, "run", lambda args: 0)
    try:
        command_line._dispatch(others)
    except ConfigurationError as error:
        return str(error)
    except SystemExit as error:
        return None if not error.code else f"exit code {error.code}"
    return None


def _mentioned(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """In a sentence only a part of a command stands: it exists, and its options do."""
    if words[0] == "make":
        return _make(words, monkeypatch)
    others, _ = command_line._taken(words[1:], "--log_format", "json or text")
    if not others or others[0].startswith("-") or others == ["COMMAND"]:
        return None
    name = others[0].replace("-", "_")
    if not (ROOT / "cli" / "commands" / f"{name}.py").exists():
        return f"there is no command {others[0]}"
    commands = OptionParser(prog="padit").add_subparsers()
    module = command_line._add(commands, name)
    try:
        command_line._check_options(others[1:], module, commands.choices[name])
    except ConfigurationError as error:
        return str(error)
    return None


def _make(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    del monkeypatch
    makefile = (ROOT / "Makefile").read_text()
    for word in words[1:]:
        name, equals, _ = word.partition("=")
        if equals and f"$({name})" not in makefile and f"$(if $({name})" not in makefile:
            return f"the Makefile has no variable {name}"
        if not equals and not re.search(
            rf"^{re.escape(name)}(?: [\w-]+)*:", makefile, re.MULTILINE
        ):
            return f"the Makefile has no target {name}"
    return None


def _python(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    del monkeypatch
    if words[1:2] != ["-m"]:
        return "only `python -m MODULE` is understood"
    module = words[2]
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        return f"there is no module {module}"
    place = Path(spec.origin)
    sources = place.parent.glob("*.py") if place.name == "__init__.py" else [place]
    source = "".join(path.read_text() for path in sources)
    options = [word.partition("=")[0] for word in words[3:] if word.startswith("--")]
    missing = [option for option in options if f'"{option}"' not in source]
    return f"{module} has no {', '.join(missing)}" if missing else None


def _tried(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    del monkeypatch
    text = " ".join(words)
    for start, test in TRIED.items():
        if text.startswith(start):
            return None if (ROOT / test).exists() else f"{test} is gone"
    return "no test of TRIED runs it"


CHECKS = {
    "padit": _padit,
    "make": _make,
    "python": _python,
    **{start.partition(" ")[0]: _tried for start in TRIED},
}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_of_a_page_exists(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text(encoding="utf-8")
    wrong = {}
    for command in commands(text):
        check = CHECKS.get(_program(command))
        said = "an unknown program" if check is None else check(_words(command), monkeypatch)
        if said is not None:
            wrong[command] = said
    for command in inline(text):
        said = _mentioned(_words(command), monkeypatch)
        if said is not None:
            wrong[command] = said
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_path_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    words = {span.partition("::")[0] for span in _CODE.findall(_FENCE.sub("", text))}
    words |= {word for command in commands(text) for word in _words(command)}
    places = {word for word in words if _PLACE.fullmatch(word) and not NOT_OURS.fullmatch(word)}
    missing = [one for one in sorted(places) if not list(ROOT.glob(one.rstrip("/")))]
    assert missing == [] or _name(page) in RECORDED


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_link_of_a_page_outside_of_the_site_leads_somewhere(page: str) -> None:
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    inside = [one for one in found if "://" not in one and not one.startswith("mailto:")]
    assert [one for one in inside if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("test", sorted(set(TRIED.values())))
def test_what_runs_other_programs_is_a_file_of_tests(test: str) -> None:
    tree = ast.parse((ROOT / test).read_text())
    assert any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))


@pytest.mark.parametrize(
    "command",
    [
        "padit rnu --input a.jsonl", "padit run --inptu a.jsonl", "padit run --key_groups=lots",
        "make tets", "make faults TIMES=3", "python -m benchmarks.nothing",
        "python -m benchmarks.throughput --recrods 3", "kubectl get pods", "docker run padit",
    ],
)  # fmt: skip
def test_a_command_that_is_wrong_is_found(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = commands(f"```sh\n{command}\n```\n")
    check = CHECKS.get(_program(found))
    assert check is None or check(_words(found), monkeypatch) is not None


def test_commands_are_found_in_blocks_and_sentences() -> None:
    page = (
        "```\npadit up      # starts\nit prints this\npadit run \\\n    --input a\n```\n"
        "see `padit look FILE`\n```sh\ncat > a <<'EOF'\npadit: no command\nEOF\n```\n"
        "```yaml\npadit: 1\n```\n```\nShards > Read\n```\n"
    )
    assert [_words(one) for one in commands(page)] == [
        ["padit", "up"], ["padit", "run", "--input", "a"], ["cat", ">", "a"],
    ]  # fmt: skip
    assert list(inline(page)) == ["padit look FILE"]
