"""Mutants of source files: one small change each, by cosmic-ray's operators."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

__all__ = ["Mutant", "changed", "mutants_of", "sample"]

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
    """

    path: str
    line: int
    column: int
    operator: str
    occurrence: int
    before: str = ""
    after: str = ""

    @property
    def key(self) -> str:
        """What it is called in the file of judgements; lines that move do not change it."""
        return f"{self.path}: {self.before} -> {self.after}"


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """All mutants of a file, without those that could not change anything."""
    source = (root / path).read_text()
    nodes = list(ast_nodes(parso.parse(source)))
    left_out = list(_left_out(ast.parse(source)))
    found = []
    for name in sorted(operator_names()):
        if name.endswith(_UNUSED):
            continue
        places = list(_places(get_operator(name)(), nodes))
        for occurrence, ((line, column), end) in enumerate(places):
            within = any(first <= (line, column) and end <= last for first, last in left_out)
            if not within and _possible(source, name, occurrence):
                found.append(Mutant(path, line, column, name, occurrence))
    return found


def _possible(source: str, name: str, occurrence: int) -> bool:
    """Whether the operator can do it: that of exceptions fails where one is an attribute."""
    if not name.endswith("ExceptionReplacer"):
        return True
    try:
        return mutate_code(source, get_operator(name)(), occurrence) is not None
    except AttributeError:
        return False


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Draw at most `count` of them, one for each place; the same seed draws the same.

    A place is drawn first and one of its mutants then: an addition has eleven, a number two, and
    additions are not for that reason more worth testing.
    """
    chance = random.Random(seed)
    by_place: dict[tuple[str, int, int], list[Mutant]] = {}
    for mutant in sorted(mutants):
        by_place.setdefault((mutant.path, mutant.line, mutant.column), []).append(mutant)
    places = sorted(by_place)
    chosen = chance.sample(places, min(count, len(places)))
    return [chance.choice(by_place[place]) for place in sorted(chosen)]


def changed(root: Path, mutant: Mutant) -> tuple[Mutant, str]:
    """Return the mutant with its lines, and the whole text of the changed file."""
    source = (root / mutant.path).read_text()
    text = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    assert text is not None, mutant
    before, after = _difference(source.splitlines(), text.splitlines())
    where = (mutant.path, mutant.line, mutant.column, mutant.operator, mutant.occurrence)
    return Mutant(*where, before, after), text


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
