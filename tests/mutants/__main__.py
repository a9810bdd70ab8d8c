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
from pathlib import Path
from types import CodeType

from tests.mutants.live import changed_function, check_noticed, run_live
from tests.mutants.mutate import Mutant, mutants_of, sample
from tests.mutants.outcomes import Outcomes, say
from tests.mutants.reach import Reach, measure
from tests.mutants.report import Judged, Run, judgements, write
from tests.mutants.trial import Outcome, Trial, anew, run_all, warm_up

ROOT = Path(__file__).resolve().parents[2]
# What has no clock, no process and no connection. Folders that do not exist are passed over.
_SOURCES = ("codecs", "domain", "transforms")
_TESTS = (
    "tests/codecs", "tests/detectors", "tests/domain", "tests/laws", "tests/transforms",
    # What tests the pure parts through those who use them, without a broker or a device.
    "tests/adapters/test_fuzz.py", "tests/adapters/test_mqtt_messages.py",
    "tests/adapters/test_prometheus_series.py", "tests/adapters/test_receiver_books.py",
    "tests/adapters/test_scrape_series.py", "tests/analysis/test_losses.py",
    "tests/connectors/test_case_payloads.py", "tests/connectors/test_file_json.py",
    "tests/connectors/test_file_labels.py", "tests/connectors/test_file_promtool.py",
    "tests/connectors/test_payload_docs.py", "tests/adapters/test_otlp_series.py",
    "tests/connectors/test_payloads.py", "tests/connectors/test_reading.py",
    "tests/connectors/test_schema_registry.py", "tests/connectors/test_side_outputs.py",
    "tests/connectors/test_text_order.py", "tests/connectors/test_units.py",
)  # fmt: skip
_UNTRIED = Outcome(False, "not tried")
_SEED = 20_261_128


def main(argv: Sequence[str] | None = None) -> int:
    """Draw mutants, try them, write the report."""
    args = _parser().parse_args(argv)
    os.chdir(ROOT)
    os.environ["CI"] = "true"  # the same Hypothesis examples for every mutant
    os.environ["NUMBA_DISABLE_JIT"] = "1"  # what is compiled would be taken from a cache, unchanged
    sources = [one for one in args.source or _SOURCES if (ROOT / one).exists()]
    tests = [one for one in args.tests or _TESTS if (ROOT / one).exists()]
    files = sorted({file for one in sources for file in _files(one)})
    every = [mutant for file in files for mutant in mutants_of(ROOT, file)]
    drawn = sample(ROOT, every, args.count, args.seed)
    if args.only:
        drawn = [one for one in drawn if one[0].path.startswith(tuple(args.only))]
    say(f"{len(drawn)} of {len(every)} mutants in {len(files)} files, seed {args.seed}")
    paths = [(ROOT / one).resolve() for one in files]
    reach = measure(ROOT, paths, tests, args.directory.resolve(), args.workers)
    judged = _try_all(drawn, reach, args)
    killed = sum(one.outcome.killed for one in judged)
    write(args.output, judged, Run(len(every), args.seed, args.seconds, tests, bool(args.minutes)))
    say(f"{killed} of {len(judged)} killed; the report is {args.output}")
    return 0 if killed >= args.least * len(judged) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
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
        default=30.0,
        help="of tests that a mutant gets, quickest first; what only others notice survives",
    )
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
    drawn: Sequence[tuple[Mutant, str]], reach: Reach, args: argparse.Namespace
) -> list[Judged]:
    trials: list[Trial] = []
    codes: list[CodeType | None] = []
    for mutant, text in drawn:
        file = ROOT / mutant.path
        tests = reach.tests(file, mutant.line, args.seconds)
        trials.append(Trial(file, text, tests, reach.seconds))
        codes.append(None if args.anew else changed_function(file, text, reach.imported(file)))
    outcomes = Outcomes(ROOT, args.directory / "outcomes.jsonl", drawn)
    known = outcomes.known()
    kept = {number for number, one in known.items() if one.killed}
    say(f"{len(kept)} were killed before")
    left = [number for number in range(len(drawn)) if number not in kept]
    left.sort(key=known.__contains__)  # those that were never tried first
    elsewhere = [number for number in left if codes[number] is None]
    live = [(number, code) for number in left if (code := codes[number]) is not None]
    say(f"{len(live)} of the other {len(left)} change one function only")
    until = time.monotonic() + 60 * args.minutes
    run = functools.partial(run_all, workers=args.workers, log=args.directory / "log", until=until)
    files = sorted({test.partition("::")[0] for one in trials for test in one.tests})
    warm_up()
    numbers = [number for number, _ in live]
    texts = [(trials[number], code) for number, code in live]
    if texts and args.minutes:
        _forked(lambda: run_live(texts, files, run, outcomes.of(numbers)))
    run([trials[number] for number in elsewhere], child=anew, done=outcomes.of(elsewhere))
    if args.minutes:
        check = functools.partial(run, until=math.inf)
        _forked(lambda: check_noticed(outcomes.noticed(reach.seconds), files, check))
    notes, found = judgements(ROOT), outcomes.known()
    return [
        Judged(mutant, found.get(number, _UNTRIED), notes.get(mutant.key, ""))
        for number, (mutant, _) in enumerate(drawn)
    ]


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
