"""The words of a run: what it begins with, and what it lost by its end."""

import shlex
import sys
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from msgspec import UnsetType

from padit.analysis.audit_log import read_losses
from padit.analysis.budget import Spending, budget_line
from padit.analysis.losses.report import Counted, Limits, Verdict, judge, opening, printable
from padit.analysis.losses.warmup import WarmUp, warm_up_line
from padit.domain.findings import Findings
from padit.domain.losses import Loss
from padit.domain.timestamps import MICROS
from padit.pipelines.graph import Plan
from padit.pipelines.options import JobOptions
from padit.transforms.detect import Detection

__all__ = ["Ending", "Totals", "announce", "say", "verdict_of"]


class Totals(Protocol):
    """The counts of a summary."""

    read: int
    scored: int
    late: int
    dead_lettered: int
    waiting: int
    in_flight: int
    windows: int
    series: int
    warm: int
    judged_hours: int
    budget_alerts: int
    budget_more: int
    silenced: int | UnsetType
    released: int | UnsetType


class Ending(NamedTuple):
    """How a run came to its end.

    Attributes:
        findings: of its source.
        bounded: whether its input has an end.
        seconds: from its start to its last result.
    """

    findings: Findings
    bounded: bool
    seconds: float


def say(lines: Iterable[str]) -> None:
    """Lines for people, on standard error; those that belong to the one before are indented."""
    for line in lines:
        shown = printable(line)
        sys.stderr.write(f"{shown}\n" if shown.startswith(" ") else f"padit: {shown}\n")


def announce(plan: Plan) -> Findings:
    """Show what the source has guessed and leaves unwatched, once, and return it."""
    findings = plan.source.findings()
    say(opening(findings))
    return findings


def verdict_of(
    totals: Totals,
    plan: Plan,
    job: JobOptions,
    ending: Ending,
    losses: tuple[Loss, ...] | None,
    *,
    judged: bool,
) -> Verdict:
    """Whether a run has failed, with the lines that say what it lost, or is still waiting for.

    Args:
        totals: its summary.
        plan: its parts.
        job: its options.
        ending: what else is known of it.
        losses: of its readers, if they ran in this process; None: the audit log holds them.
        judged: whether it may fail: it has read all of a bounded input.
    """
    waiting = totals.waiting + totals.in_flight
    counted = Counted(totals.read, totals.scored, totals.late, totals.dead_lettered, waiting)
    if losses is None:
        losses = read_losses(job.audit, counted.late + counted.dead_lettered)
    limits = Limits(job.max_loss_share, job.strict) if judged else Limits(1.0)
    verdict = judge(counted, ending.findings, losses, limits, plan.source.name)
    if not judged:  # a live run that has read nothing had nothing to read
        return verdict._replace(failed=False) if totals.read else Verdict(False, ())
    if verdict.failed:
        look = f"  `padit look {shlex.quote(job.input)}` shows what is read, and what is not"
        return verdict._replace(lines=(*verdict.lines, look))
    windows = plan.windows
    seen = WarmUp(
        totals.scored,
        totals.windows,
        totals.series,
        totals.warm,
        windows.interval / MICROS,
        windows.slots,
    )
    young = warm_up_line(seen, Detection(plan.config.detectors).detectors)
    spent = Spending(totals.judged_hours, totals.budget_alerts, totals.budget_more, totals.series)
    lines = young, budget_line(plan.config.alerts, spent), _silenced_line(totals, job)
    more = [line for line in lines if line]
    return verdict._replace(lines=(*verdict.lines, *more))


def _silenced_line(totals: Totals, job: JobOptions) -> str | None:
    """What the option `peers` did; None without it."""
    if isinstance(totals.silenced, UnsetType) or isinstance(totals.released, UnsetType):
        return None
    line = f"alerts: {totals.silenced:,} were silenced, because they were no news on two peers"
    if totals.released:
        line += f"; {totals.released:,} of them were told after all"
    if totals.silenced and job.audit is not None:
        line += f". The records `silenced` of {job.audit} name them"
    return f"{line} (`peers: null` tells all)"
