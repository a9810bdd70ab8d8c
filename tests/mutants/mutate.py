"""Mutants of source files: one small change each, by cosmic-ray's operators."""

from __future__ import annotations

import ast
import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names
from parso.python.tree import Operator as ParsoOperator

__all__ = ["Mutant", "mutants_of", "remembered_draw", "sample"]

# Operators that need arguments; those that change what a name stands for everywhere; and `is` in
# place of `==`, which is the same for the small numbers and names that most comparisons are about.
_UNUSED = ("VariableReplacer", "VariableInserter", "RemoveDecorator", "_Is", "_IsNot")

Position = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of a file.

    Attributes:
        path: of the file, relative to the root of the repository.
        line, column: where it is, lines from 1.
        operator: cosmic-ray's name of it.
        occurrence: which of the operator's places in the file, from 0.
        before, after: the line, or the lines, without indentation.
        place: the line's text, how often it came before and the column in it: other lines may come
            and go without changing it.
    """

    path: str
    line: int
    column: int
    operator: str
    occurrence: int
    before: str = ""
    after: str = ""
    place: str = ""

    @property
    def key(self) -> str:
        """What it is called in the file of judgements; lines that move do not change it."""
        return f"{self.path}: {self.before} -> {self.after}"


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """All mutants of a file, without those that could not change anything."""
    source = (root / path).read_text()
    nodes = _nodes(source)
    operators = [node for node in nodes if isinstance(node, ParsoOperator)]
    named = _line_names(source)
    left_out = list(_left_out(ast.parse(source)))
    found = []
    for name in sorted(operator_names()):
        if name.endswith(_UNUSED):
            continue
        among = operators if "ReplaceBinaryOperator" in name else nodes
        places = list(_places(get_operator(name)(), among))
        for occurrence, ((line, column), end) in enumerate(places):
            within = any(first <= (line, column) and end <= last for first, last in left_out)
            if not within and _possible(source, name, occurrence):
                name_of, indent = named[line - 1]
                place = f"{name_of}|{column - indent}"
                found.append(Mutant(path, line, column, name, occurrence, place=place))
    return found


def _possible(source: str, name: str, occurrence: int) -> bool:
    """Whether the operator can do it: that of exceptions fails where one is an attribute."""
    if not name.endswith("ExceptionReplacer"):
        return True
    try:
        return _mutated(source, Mutant("", 0, 0, name, occurrence)) is not None
    except AttributeError:
        return False


def _line_names(source: str) -> list[tuple[str, int]]:
    """For every line its text with the number of equal ones before it, and its indentation."""
    seen: Counter[str] = Counter()
    names = []
    for line in source.splitlines():
        text = line.strip()
        names.append((f"{text}|{seen[text]}", len(line) - len(line.lstrip())))
        seen[text] += 1
    return names


def sample(
    root: Path, mutants: Sequence[Mutant], count: int, seed: int
) -> list[tuple[Mutant, str]]:
    """Draw at most `count` of them, one for each place; the same seed draws the same.

    A place is drawn first and one of its mutants then: an addition has eleven, a number two, and
    additions are not for that reason more worth testing. Those with the least digests are drawn:
    a line that is added or changed leaves the draw of the others as it was. What is no Python (the
    star of a signature is no product) is passed over.

    Returns:
        Each with its lines, and the whole text of the changed file.
    """
    by_place: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in sorted(mutants):
        by_place.setdefault((mutant.path, mutant.place), []).append(mutant)
    order = sorted(by_place, key=lambda place: _digest(seed, *place))
    drawn: list[tuple[Mutant, str]] = []
    while order and len(drawn) < count:
        chosen, order = order[: count - len(drawn)], order[count - len(drawn) :]
        for mutant in sorted(_chosen(seed, place, by_place[place]) for place in chosen):
            changed, text = _changed(root, mutant)
            if _compiles(text):
                drawn.append((changed, text))
    return sorted(drawn)


def remembered_draw(
    root: Path, files: Sequence[str], count: int, seed: int, directory: Path
) -> tuple[int, list[tuple[Mutant, str]]]:
    """Number of all mutants of the files, and a `sample` of them, which the directory keeps."""
    digest = hashlib.sha256(repr((count, seed)).encode())
    for path in [root / one for one in files] + [Path(__file__)]:
        digest.update(f"{path}\n".encode() + path.read_bytes())
    kept = directory / "drawn.json"
    if kept.exists():
        found = json.loads(kept.read_text())
        if found["state"] == digest.hexdigest():
            return found["every"], [(Mutant(*one), text) for one, text in found["drawn"]]
    every = [mutant for file in files for mutant in mutants_of(root, file)]
    drawn = sample(root, every, count, seed)
    directory.mkdir(parents=True, exist_ok=True)
    rows = [(astuple(mutant), text) for mutant, text in drawn]
    text = json.dumps({"state": digest.hexdigest(), "every": len(every), "drawn": rows})
    kept.write_text(text)
    return len(every), drawn


def _chosen(seed: int, place: tuple[str, str], mutants: Sequence[Mutant]) -> Mutant:
    kinds: Counter[str] = Counter()
    digests = {}
    for mutant in mutants:
        digests[_digest(seed, *place, mutant.operator, kinds[mutant.operator])] = mutant
        kinds[mutant.operator] += 1
    return digests[min(digests)]


def _compiles(text: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _digest(*what: object) -> bytes:
    return hashlib.sha256(repr(what).encode()).digest()


def _changed(root: Path, mutant: Mutant) -> tuple[Mutant, str]:
    source = (root / mutant.path).read_text()
    text = _mutated(source, mutant)
    before, after = _difference(source.splitlines(), text.splitlines())
    return replace(mutant, before=before, after=after), text


def _mutated(source: str, mutant: Mutant) -> str:
    """What `cosmic_ray.mutating.mutate_code` returns, without reading the source every time."""
    operator = get_operator(mutant.operator)()
    left = mutant.occurrence
    for node in _nodes(source):
        many = sum(1 for _ in operator.mutation_positions(node))
        if left < many:
            new = operator.mutate(_copy(node), left)
            start, end = (
                _offset(source, *position)
                for position in (node.get_start_pos_of_prefix(), node.end_pos)
            )
            return source[:start] + ("" if new is None else new.get_code()) + source[end:]
        left -= many
    message = f"the file has no such place: {mutant}"
    raise ValueError(message)


@lru_cache(maxsize=1)  # mutants come sorted by file
def _nodes(source: str) -> list[Any]:
    return list(ast_nodes(parso.parse(source)))


def _copy(node: Any) -> Any:
    """A node that may be changed, with the parent that the other has."""
    parent, node.parent = node.parent, None
    try:
        copied = deepcopy(node)
    finally:
        node.parent = parent
    copied.parent = parent
    return copied


def _offset(source: str, line: int, column: int) -> int:
    return _starts(source)[line - 1] + column


@lru_cache(maxsize=1)
def _starts(source: str) -> list[int]:
    return [0, *accumulate(len(line) for line in parso.split_lines(source, keepends=True))]


def _difference(before: list[str], after: list[str]) -> tuple[str, str]:
    first = next(n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1])
    behind = 0
    for one, other in zip(reversed(before), reversed(after), strict=False):
        if one != other or behind >= min(len(before), len(after)) - first - 1:
            break
        behind += 1
    lines = before[first : len(before) - behind], after[first : len(after) - behind]
    return " ".join(one.strip() for one in lines[0]), " ".join(one.strip() for one in lines[1])


def _places(operator: Operator, nodes: list[Any]) -> Iterator[Position]:
    for node in nodes:
        yield from operator.mutation_positions(node)


def _left_out(tree: ast.Module) -> Iterator[Position]:
    """Annotations, which nothing evaluates, and what only a type checker reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield _span(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield _span(node.returns)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield _span(node)


def _span(node: ast.expr | ast.stmt) -> Position:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
