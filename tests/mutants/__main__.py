"""`make mutants [ARGS=...]`: change one thing at a time in the pure parts, see what tests notice.

A mutant is killed if a test that reaches the changed line fails. Which mutants are drawn depends
on the seed and the source alone. The exit code is 1 if fewer are killed than asked for.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import CodeType

from tests.mutants.live import changed_function, check_noticed, run_live
from tests.mutants.mutate import Mutant, remembered_draw
from tests.mutants.outcomes import Outcomes, say
from tests.mutants.reach import measure
from tests.mutants.report import Judged, Run, judgements, write
from tests.mutants.trial import Outcome, Trial, anew, run_all, warm_up
from tests.mutants.ways import DECLARED, WAYS, Way, is_compiled, way_named

ROOT = Path(__file__).resolve().parents[2]
# What has no clock, no process and no connection. Folders that do not exist are passed over.
_SOURCES = ("codecs", "domain", "transforms")
_UNTRIED = Outcome(False, "not tried")
_SEED = 20_261_128
_IMPORT_S = 0.2  # of the processor, for a file of tests


def main(argv: Sequence[str] | None = None) -> int:
    """Draw mutants, try them, write the report."""
    args = _parser().parse_args(argv)
    os.chdir(ROOT)
    os.environ["CI"] = "true"  # the same Hypothesis examples for every mutant
    args.directory = args.directory.resolve()
    sources = [one for one in args.source or _SOURCES if (ROOT / one).exists()]
    files = sorted({file for one in sources for file in _files(one)})
    every, drawn = remembered_draw(ROOT, files, args.count, args.seed, args.directory)
    if args.only:
        drawn = [one for one in drawn if one[0].path.startswith(tuple(args.only))]
    say(f"{len(drawn)} of {every} mutants in {len(files)} files, seed {args.seed}")
    outcomes = Outcomes(ROOT, args.outcomes or args.directory / "outcomes.jsonl", drawn)
    compiled = [is_compiled(ROOT, mutant) for mutant, _ in drawn]
    tested: list[str] = []
    for way in args.way or WAYS:
        numbers = [number for number, one in enumerate(compiled) if one == way.compiled]
        tests = [one for one in args.tests or way.tests if (ROOT / one).exists()]
        tested += tests
        _forked(functools.partial(_try_all, drawn, numbers, way, tests, outcomes, args))
    notes, found = judgements(ROOT), outcomes.known()
    judged = [
        Judged(mutant, found.get(number, _UNTRIED), notes.get(mutant.key, ""))
        for number, (mutant, _) in enumerate(drawn)
    ]
    killed = sum(one.outcome.killed for one in judged)
    run = Run(every, args.seed, args.seconds, sorted(set(tested)), bool(args.minutes))
    write(args.output, judged, run)
    say(f"{killed} of {len(judged)} killed; the report is {args.output}")
    return 0 if killed >= args.least * len(judged) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=1000, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--source", action="append", help="a file or folder; default: pure parts")
    parser.add_argument("--tests", action="append", help="a file or folder; default: theirs")
    parser.add_argument(
        "--only", action="append", help="of the drawn ones those of a file or folder"
    )
    parser.add_argument("--anew", action="store_true", help="import everything for every mutant")
    parser.add_argument("--workers", type=int, default=2, help="mutants tried at a time")
    parser.add_argument(
        "--seconds",
        type=float,
        default=8.0,
        help="of tests that a mutant gets, quickest first; what only others notice survives",
    )
    parser.add_argument(
        "--longest", type=float, default=2.5, help="seconds of a test that is used at all"
    )
    parser.add_argument(
        "--way", action="append", type=way_named, help="compiled, plain; default: both"
    )
    parser.add_argument("--outcomes", type=Path, help="file of outcomes; default: in --directory")
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="none is tried after them: what is left counts as survived, and the next run goes on",
    )
    parser.add_argument("--least", type=float, default=0.8, help="share that has to be killed")
    parser.add_argument("--output", type=Path, default=Path("docs/mutants.md"))
    parser.add_argument("--directory", type=Path, default=Path("build/mutants"))
    return parser


def _files(source: str) -> list[str]:
    place = ROOT / source
    paths = [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in paths]


def _try_all(
    drawn: Sequence[tuple[Mutant, str]],
    numbers: Sequence[int],
    way: Way,
    tests: Sequence[str],
    outcomes: Outcomes,
    args: argparse.Namespace,
) -> None:
    """Try those of one way; in a process of its own, for the compiler is on or off for good."""
    os.environ.update(way.environment(args.directory))
    place = args.directory / way.name
    paths = sorted({(ROOT / one.path).resolve() for one, _ in drawn})
    reach = replace(measure(ROOT, paths, tests, place, args.longest), declared=DECLARED)
    trials: dict[int, Trial] = {}
    codes: dict[int, CodeType] = {}
    for number in numbers:
        mutant, text = drawn[number]
        file = ROOT / mutant.path
        code = None if args.anew else changed_function(file, text, reach.imported(file))
        # A process that imports everything anew imports every file of tests that it runs.
        each = 0.0 if code else _IMPORT_S
        chosen = reach.tests(file, mutant.line, args.seconds, each)
        trials[number] = Trial(file, text, chosen, reach.seconds)
        if code:
            codes[number] = code
    known = outcomes.known(trials)
    left = [number for number in numbers if number not in known]
    live, elsewhere = [n for n in left if n in codes], [n for n in left if n not in codes]
    say(
        f"{way.name}: {len(numbers)}, {len(left)} to be tried, {len(live)} change one function only"
    )
    until = time.monotonic() + 60 * args.minutes
    run = functools.partial(run_all, workers=args.workers, log=place / "log", until=until)
    warm_up()
    if live and args.minutes:
        texts = [(trials[number], codes[number]) for number in live]
        files = sorted({test.partition("::")[0] for one, _ in texts for test in one.tests})
        done = outcomes.of(live, trials)
        _forked(lambda: run_live(texts, files, run, done))
    run([trials[n] for n in elsewhere], child=anew, done=outcomes.of(elsewhere, trials))
    noticed = outcomes.noticed(numbers, reach.seconds)
    if noticed and args.minutes:
        check = functools.partial(run, until=math.inf)
        files = sorted({test.partition("::")[0] for one in noticed for test in one.tests})
        _forked(lambda: check_noticed(noticed, files, check))


def _forked(work: Callable[[], None]) -> None:
    """In a process of its own: this one may not import what the next mutants change."""
    pid, code = os.fork(), 1
    if not pid:
        try:
            work()
            code = 0
        except RuntimeError as error:
            say(str(error))
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        message = "the tests cannot judge mutants, see above"
        raise RuntimeError(message)


if __name__ == "__main__":
    sys.exit(main())
