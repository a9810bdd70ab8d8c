"""Rounds: one replay each, struck by every kind of fault in an order and at moments of chance."""

from __future__ import annotations

import math
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from padit.devcluster.errors import PartFailedError
from tests.faults.job import Job, JobEnded, Outputs, Stopped
from tests.faults.judge import Results, Verdict, judge, results
from tests.faults.kinds import KINDS, RESTORING, SHORT
from tests.faults.site import Site
from tests.faults.workload import WINDOWS
from tests.integration.helpers import padit

__all__ = ["Round", "Strike", "play", "table"]

_LAST = "rescaled 2, 4, 1"
_EACH_S = 35.0  # reading goes on for about so long between two faults, recovery included


@dataclass(frozen=True)
class Strike:
    """One fault.

    Attributes:
        kind: its name.
        at: records that had been read.
        seconds: until the job had read on.
        restored: whether Flink restored state meanwhile.
    """

    kind: str
    at: int
    seconds: float
    restored: bool


@dataclass
class Round:
    """One disturbed replay.

    Attributes:
        number: counted from 1.
        seconds: that it took.
        strikes: what happened to it.
        missed: kinds that found it ended.
        verdict: its results compared with the undisturbed run; None if it did not end.
        error: why it did not.
        stopped: stops with a savepoint after which it went on.
    """

    number: int
    seconds: float = 0.0
    strikes: list[Strike] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    error: str | None = None
    stopped: list[Stopped] = field(default_factory=list)

    def met(self, kind: str) -> bool:
        """Whether it was struck by this kind, also if that was its end."""
        ended_it = self.error is not None and self.error.startswith(f"{kind}: ")
        return ended_it or any(strike.kind == kind for strike in self.strikes)

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "round": self.number,
            "seconds": round(self.seconds, 1),
            "faults": [
                {
                    "fault": one.kind,
                    "at": one.at,
                    "recovery_s": round(one.seconds, 1),
                    "restored": one.restored,
                }
                for one in self.strikes
            ],
            "missed": self.missed,
            "error": self.error,
            **(self.verdict.to_json() if self.verdict else {}),
        }


def play(
    site: Site,
    rounds: int,
    seed: int,
    kinds: Sequence[str],
    say: Callable[[str], None],
    seconds: float = math.inf,
    each_s: float = _EACH_S,
) -> Iterator[Round]:
    """Run once undisturbed, then `rounds` times with every kind; each round's outcome.

    No round begins after `seconds`. Reading goes on for `each_s` between two faults.
    """
    latest = time.monotonic() + seconds
    places = Outputs.of(site, "undisturbed", alerts_to_topic=False)
    site.limit(None)
    # In one process, which is quick, and says besides that Flink gives the same.
    run = padit("replay", "--input", site.input, *places.options(), *WINDOWS, timeout=400)
    wanted = results(places)
    say(
        f"undisturbed: {run.summary['read']} records, {len(wanted.alerts)} transitions, "
        f"{len(wanted.anomalies)} anomalies, {len(wanted.features)} windows"
    )
    chance = random.Random(seed)
    for number in range(1, rounds + 1):
        if time.monotonic() > latest:
            return
        order = chance.sample([kind for kind in kinds if kind != _LAST], len(set(kinds) - {_LAST}))
        order += [_LAST] if _LAST in kinds else []
        outcome = Round(number)
        started = time.monotonic()
        try:
            _round(site, outcome, order, chance, wanted, places.alerts, say, each_s)
        except (AssertionError, PartFailedError, OSError, subprocess.SubprocessError) as error:
            # It counts as failed, and the next one shows whether it was chance.
            outcome.error = f"{(outcome.missed or ['no fault'])[0]}: {error!r:.3000}"
            site.repair()
        outcome.seconds = time.monotonic() - started
        say(f"round {number}, {outcome.seconds:.0f} s: {outcome.verdict or outcome.error}")
        yield outcome


def _round(
    site: Site,
    outcome: Round,
    order: list[str],
    chance: random.Random,
    wanted: Results,
    reference: str,
    say: Callable[[str], None],
    each_s: float,
) -> None:
    number = outcome.number
    outputs = Outputs.of(site, f"round-{number}", alerts_to_topic=number % 2 == 1)
    slowed = each_s * len(order)
    site.limit(slowed)
    with Job(site, outputs, slowed) as job:
        job.submit()
        job.wait_progress(0)
        outcome.missed = list(order)
        outcome.stopped = job.stopped
        try:
            for kind in order:
                outcome.strikes.append(_strike(job, kind, chance))
                outcome.missed.remove(kind)
                say(f"  {kind} at {outcome.strikes[-1].at}: {outcome.strikes[-1].seconds:.1f} s")
        except JobEnded:
            say(f"  ended before {', '.join(outcome.missed)}")
        site.limit(None)
        run = job.end()
    outcome.verdict = judge(wanted, outputs, run, reference, site.records)


def _strike(job: Job, kind: str, chance: random.Random) -> Strike:
    time.sleep(chance.uniform(0.2, 4.0))
    at = job.read()
    started, moment = time.monotonic(), time.time()
    (KINDS | SHORT)[kind](job, chance)
    if kind in RESTORING:
        job.wait_restored(moment)
    job.wait_progress(at)
    return Strike(kind, at, time.monotonic() - started, job.restored() > moment)


def table(rounds: Sequence[Round], kinds: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each kind; what a round lost counts for every kind that struck it."""
    rows = []
    for kind in kinds:
        struck = [one for one in rounds if one.met(kind)]
        seconds = sorted(s.seconds for one in struck for s in one.strikes if s.kind == kind)
        verdicts = [one.verdict for one in struck if one.verdict]
        rows.append(
            {
                "fault": kind,
                "rounds": len(struck),
                "failed": sum(one.error is not None for one in struck),
                "lost": sum(one.lost for one in verdicts),
                "changed": sum(one.changed for one in verdicts),
                "doubled": sum(one.doubled for one in verdicts),
                "residue": sum(abs(one.residue) + abs(one.read) for one in verdicts),
                "recovery_s_median": round(seconds[len(seconds) // 2], 1) if seconds else None,
                "recovery_s_max": round(seconds[-1], 1) if seconds else None,
            }
        )
    return rows
