"""Mutants of source files: one small change each, by cosmic-ray's operators."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

__all__ = ["Mutant", "mutants_of", "sample"]

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
    nodes = list(ast_nodes(parso.parse(source)))
    named = _line_names(source)
    left_out = list(_left_out(ast.parse(source)))
    found = []
    for name in sorted(operator_names()):
        if name.endswith(_UNUSED):
            continue
        places = list(_places(get_operator(name)(), nodes))
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
        return mutate_code(source, get_operator(name)(), occurrence) is not None
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
    drawn: list[tuple[Mutant, str]] = []
    for place in sorted(by_place, key=lambda place: _digest(seed, *place)):
        kinds: Counter[str] = Counter()
        digests = {}
        for mutant in by_place[place]:
            digests[_digest(seed, *place, mutant.operator, kinds[mutant.operator])] = mutant
            kinds[mutant.operator] += 1
        mutant, text = _changed(root, digests[min(digests)])
        if _compiles(text):
            drawn.append((mutant, text))
        if len(drawn) == count:
            break
    return sorted(drawn)


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
    text = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    assert text is not None, mutant
    before, after = _difference(source.splitlines(), text.splitlines())
    return replace(mutant, before=before, after=after), text


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
