"""`make mutants [ARGS=...]`: change one thing at a time in the pure parts, see what tests notice.

A mutant is killed if a test that reaches the changed line fails. Which mutants are drawn depends
on the seed and the source alone. The exit code is 1 if fewer are killed than asked for.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.mutate import Mutant, changed, mutants_of, sample
from tests.mutants.reach import Reach, measure
from tests.mutants.report import Judged, judgements, write
from tests.mutants.trial import Outcome, Trial, run_all, warm_up

ROOT = Path(__file__).resolve().parents[2]
# What has no clock, no process and no connection. Folders that do not exist are passed over.
_SOURCES = ("codecs", "domain", "transforms")
_TESTS = (
    "tests/codecs", "tests/detectors", "tests/domain", "tests/laws", "tests/transforms",
    # What tests codecs through those who use them, without a server, a broker or a device.
    "tests/adapters/test_fuzz.py", "tests/adapters/test_receiver_books.py",
    "tests/connectors/test_case_payloads.py", "tests/connectors/test_payloads.py",
)  # fmt: skip
_SEED = 20_261_128
_MARGIN, _LEAST_S = 10.0, 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Draw mutants, try them, write the report."""
    args = _parser().parse_args(argv)
    os.chdir(ROOT)
    os.environ["CI"] = "true"  # the same Hypothesis examples for every mutant
    sources = [one for one in args.source or _SOURCES if (ROOT / one).exists()]
    tests = [one for one in args.tests or _TESTS if (ROOT / one).exists()]
    files = sorted({file for one in sources for file in _files(one)})
    every = [mutant for file in files for mutant in mutants_of(ROOT, file)]
    drawn = sample(every, args.count, args.seed)
    _say(f"{len(drawn)} of {len(every)} mutants in {len(files)} files, seed {args.seed}")
    reach = measure(
        ROOT, [(ROOT / one).resolve() for one in files], tests, args.directory.resolve()
    )
    judged = _try_all(drawn, reach, args)
    killed = sum(one.outcome.killed for one in judged)
    write(args.output, judged, len(every), args.seed)
    _say(f"{killed} of {len(judged)} killed; the report is {args.output}")
    return 0 if killed >= args.least * len(judged) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--source", action="append", help="a file or folder; default: pure parts")
    parser.add_argument("--tests", action="append", help="a file or folder; default: theirs")
    parser.add_argument("--workers", type=int, default=2, help="mutants tried at a time")
    parser.add_argument("--least", type=float, default=0.8, help="share that has to be killed")
    parser.add_argument("--output", type=Path, default=Path("docs/mutants.md"))
    parser.add_argument("--directory", type=Path, default=Path("build/mutants"))
    return parser


def _files(source: str) -> list[str]:
    place = ROOT / source
    paths = [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in paths]


def _try_all(drawn: Sequence[Mutant], reach: Reach, args: argparse.Namespace) -> list[Judged]:
    mutants, trials = [], []
    for one in drawn:
        mutant, text = changed(ROOT, one)
        tests = reach.tests(ROOT / mutant.path, mutant.line)
        seconds = _LEAST_S + _MARGIN * sum(reach.seconds.get(test, 0.0) for test in tests)
        mutants.append(mutant)
        trials.append(Trial(ROOT / mutant.path, text, tests, seconds))
    warm_up()
    _try_unchanged(trials, args)
    outcomes: dict[int, Outcome] = {}
    started = time.monotonic()

    def done(number: int, outcome: Outcome) -> None:
        outcomes[number] = outcome
        if not outcome.killed:
            _say(f"  {outcome.how}: {mutants[number].key}")
        if len(outcomes) % 50 == 0:
            killed = sum(one.killed for one in outcomes.values())
            minutes = (time.monotonic() - started) / 60
            _say(f"{len(outcomes)} of {len(trials)}, {killed} killed, {minutes:.1f} minutes")

    run_all(trials, args.workers, args.directory / "log", done)
    notes = judgements(ROOT)
    return [
        Judged(mutant, outcomes[number], notes.get(mutant.key, ""))
        for number, mutant in enumerate(mutants)
    ]


def _try_unchanged(trials: Sequence[Trial], args: argparse.Namespace) -> None:
    """All tests of the mutants have to pass with an unchanged file. Raises RuntimeError."""
    tried = [one for one in trials if one.tests]
    if not tried:
        return
    tests = list(dict.fromkeys(test for one in tried for test in one.tests))
    seconds = _LEAST_S + sum(one.seconds for one in tried)
    unchanged = Trial(tried[0].file, tried[0].file.read_text(), tests, seconds)
    outcomes: dict[int, Outcome] = {}
    run_all([unchanged], 1, args.directory / "log", outcomes.__setitem__)
    if outcomes[0].killed:
        message = f"the tests fail without any mutant, see {args.directory / 'log'}"
        raise RuntimeError(message)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
