"""docs/mutants.md: counts by file, and every survivor with its judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.mutants.mutate import Mutant
from tests.mutants.trial import Outcome

__all__ = ["Judged", "Run", "judgements", "write"]

_HEAD = """# Mutants

`make mutants` changes one thing at a time in the pure parts (`codecs/`, `domain/`, `transforms/`):
an operator, a comparison, a number, a condition, a loop. The change is *killed* if a test that
reaches its line fails; a *survivor* is a change that no test noticed. What is changed depends
on the seed and the source alone: cosmic-ray's operators, one change for each place that is drawn.
A line that changes leaves the draw of all others as it was. The bar is 80 %.

{drawn} of {every} possible mutants, seed {seed}: **{killed} killed, {share:.1f} %**
({failed} by a test that failed, {slow} by taking too long; of the survivors {reached} were not
reached and {untried} not tried in this run's time).

A mutant gets the tests that ran its line, quickest first, for at most {seconds:g} s of the
processor's time in all; each is ended after many times what it takes otherwise. If only one
function changes, and nothing called it at import, a process that has imported everything and
collected all tests forks and exchanges its code; for any other change a process imports everything
anew. Compiled code is tried with its compiler off. {checked}Tests:
{tests}.

| file | mutants | killed | % |
|---|---|---|---|
{table}

## Survivors

What was thought of each is kept in `tests/mutants/judged.yaml`; a line there whose mutant is gone
does no harm.

"""


_CHECKED = "Every test that noticed a\nmutant passed alone without any. "


@dataclass(frozen=True)
class Judged:
    """A mutant and what became of it.

    Attributes:
        mutant: the change.
        outcome: of its tests.
        judgement: what was thought of it, if it survived before.
    """

    mutant: Mutant
    outcome: Outcome
    judgement: str


@dataclass(frozen=True)
class Run:
    """What a report says of the run.

    Attributes:
        every: mutants that are possible.
        seed: of the draw.
        seconds: of tests for each mutant.
        tests: files and folders of tests.
        checked: whether the tests that noticed were run alone, too.
    """

    every: int
    seed: int
    seconds: float
    tests: Sequence[str]
    checked: bool


def judgements(root: Path) -> dict[str, str]:
    """By `Mutant.key`."""
    found = yaml.safe_load((root / "tests" / "mutants" / "judged.yaml").read_text())
    return {str(key): str(text) for key, text in (found or {}).items()}


def write(output: Path, judged: Sequence[Judged], run: Run) -> None:
    """Write the report."""
    killed = [one for one in judged if one.outcome.killed]
    survivors = [one for one in judged if not one.outcome.killed]
    head = _HEAD.format(
        drawn=len(judged),
        every=run.every,
        seed=run.seed,
        seconds=run.seconds,
        checked=_CHECKED if run.checked else "",
        tests=", ".join(f"`{one}`" for one in run.tests),
        killed=len(killed),
        share=100 * len(killed) / max(1, len(judged)),
        failed=sum(one.outcome.how == "failed" for one in killed),
        slow=sum(one.outcome.how == "took too long" for one in killed),
        reached=sum(one.outcome.how == "not reached" for one in survivors),
        untried=sum(one.outcome.how == "not tried" for one in survivors),
        table="\n".join(_rows(judged)),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(head + "\n".join(_survivor(one) for one in survivors) + "\n")


def _rows(judged: Sequence[Judged]) -> list[str]:
    paths = sorted({one.mutant.path for one in judged})
    rows = []
    for path in paths:
        mine = [one for one in judged if one.mutant.path == path]
        killed = sum(one.outcome.killed for one in mine)
        rows.append(f"| `{path}` | {len(mine)} | {killed} | {100 * killed / len(mine):.0f} |")
    return rows


def _survivor(one: Judged) -> str:
    mutant = one.mutant
    how = one.outcome.how
    reached = f" ({how})" if how.startswith("not ") else ""
    return (
        f"- `{mutant.path}:{mutant.line}`{reached}  \n  `{mutant.before}`  \n"
        f"  `{mutant.after}`  \n  {one.judgement or 'not judged yet'}"
    )
