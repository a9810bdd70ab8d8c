"""The lines that a run begins and ends with, and whether a bounded run has failed."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from padit.analysis.losses.remedies import remedy_of
from padit.connectors.losses import kind_of
from padit.domain.findings import Findings, Guess, Unwatched
from padit.domain.losses import LATE_KIND, Loss
from padit.domain.timestamps import MICROS

__all__ = [
    "Counted", "Limits", "Reason", "Verdict", "counted_numeric", "counted_unwatched", "judge",
    "opening", "printable", "reasons_of",
]  # fmt: skip

_FILES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".gz", ".zst")
MOST_LINES = 10
"""Guesses, and things left unwatched, that are named one by one."""
_MOST_REASONS = 3


class Counted(NamedTuple):
    """Samples of a run, as in the summary; `waiting` are those that may still be scored."""

    read: int
    scored: int
    late: int
    dead_lettered: int
    waiting: int = 0


class Limits(NamedTuple):
    """From when on a bounded run has failed.

    Attributes:
        share: of what holds a number, the share that may be lost.
        strict: whether any loss is a failure.
        series: of a key group that may have state at a time; 0 where there is no such limit.
    """

    share: float = 0.1
    strict: bool = False
    series: int = 0


class Reason(NamedTuple):
    """Why something is lost.

    Attributes:
        what: in words.
        amount: how many cells or samples.
        example: where, and how its record begins; "" where nothing is known.
        remedy: the option that changes it; "" where none does.
    """

    what: str
    amount: int
    example: str
    remedy: str


class Verdict(NamedTuple):
    """How a run ended.

    Attributes:
        failed: whether too much was lost.
        lines: for standard error; the first one states what was lost.
    """

    failed: bool
    lines: tuple[str, ...]


def printable(text: str) -> str:
    """A text from an input as it may be shown: no control characters reach a terminal."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def opening(findings: Findings) -> list[str]:
    """What is guessed and what is not watched, one line each, bounded in number.

    A guess that is certain would only keep a newcomer from seeing the others.
    """
    guesses = [one for one in findings.guesses if not one.certain]
    lines = [_guess(one) for one in guesses[:MOST_LINES]]
    lines += _rest(len(guesses), "guesses; `padit look --json` lists all")
    lines += [_unwatched(one) for one in findings.unwatched[:MOST_LINES]]
    return lines + _rest(len(findings.unwatched), "like it; `padit look --json` lists all")


def _guess(one: Guess) -> str:
    option = f"; the option: {one.option}" if one.option else ""
    return f"{one.place}: {one.what} (a guess{option})"


def _unwatched(one: Unwatched) -> str:
    remedy = f"; {one.remedy}" if one.remedy else ""
    return f"{one.place}: not watched: {one.what} ({one.amount:,} {one.unit}): {one.reason}{remedy}"


def _rest(count: int, what: str) -> list[str]:
    return [f"  and {count - MOST_LINES:,} more {what}"] if count > MOST_LINES else []


def counted_unwatched(findings: Findings) -> int:
    """How much is not watched, each thing in its own unit."""
    return sum(one.amount for one in findings.unwatched)


def counted_numeric(findings: Findings) -> int:
    """How much of what is not watched holds a number, or text that looks like one."""
    return sum(one.numeric for one in findings.unwatched)


def reasons_of(
    counted: Counted, findings: Findings, losses: Sequence[Loss] | None, most_series: int = 0
) -> list[Reason]:
    """Everything that is lost by reason, the commonest first; the counts add up to all of it.

    Args:
        counted: samples of the run.
        findings: of its source.
        losses: what readers lost by kind; None where it is not known.
        most_series: that a key group has state for.
    """
    reasons = [_of_loss(one) for one in losses or ()]
    missing = counted.late + counted.dead_lettered - sum(one.amount for one in reasons)
    if missing > 0:
        reasons.append(_of_rest(missing, most_series, known=losses is not None))
    reasons += _of_unwatched(findings)
    return sorted(reasons, key=lambda one: (-one.amount, one.what))


def _of_loss(one: Loss) -> Reason:
    where = _where(one)
    if one.kind == LATE_KIND:
        what = f"late: {where} is up to {_span(one.behind)} out of order"
        return Reason(what, one.count, one.reason, remedy_of(one))
    what = f"unusable, such as: {one.reason}"
    return Reason(what, one.count, f"{where}: {one.record}", remedy_of(one))


def _where(one: Loss) -> str:
    """Place of the example: the row of a file, or the offset of a partition."""
    if PurePath(one.place).suffix.lower() not in _FILES:
        return one.where
    many = any(mark in one.place for mark in "*?[")  # a pattern, of which it is one file
    place = f"{one.place}, file {one.partition}" if many else one.place
    return place if one.offset < 0 else f"{place}, row {one.offset}"


def _of_rest(count: int, most_series: int, *, known: bool) -> Reason:
    """Samples that were lost behind the readers, or whose reasons nothing has kept."""
    if not known:
        what = "late or unusable; the audit log, which holds the reasons, cannot be read from here"
        return Reason(what, count, "", "--dlq=dead.jsonl --late=late.jsonl keep every one")
    what = "series_limit: new series beyond the limit of a key group"
    return Reason(what, count, "", f"--max_series_per_group={2 * most_series}")


def _of_unwatched(findings: Findings) -> list[Reason]:
    """Things that are alike as one reason."""
    alike: dict[tuple[str, str], list[Unwatched]] = {}
    for one in findings.unwatched:
        if one.numeric:
            alike.setdefault((kind_of(one.what), kind_of(one.reason)), []).append(one)
    reasons = []
    for group in alike.values():
        first = group[0]
        more = f" and {len(group) - 1:,} more like it" if len(group) > 1 else ""
        count = sum(one.numeric for one in group)
        example = f"{first.place}: {first.what}: {first.reason}"
        reasons.append(Reason(f"not watched: {first.what}{more}", count, example, first.remedy))
    return reasons


def judge(
    counted: Counted, findings: Findings, losses: Sequence[Loss] | None, limits: Limits, name: str
) -> Verdict:
    """Whether a bounded run has failed, and what it lost.

    It has failed if nothing could be scored, if more than the allowed share of what holds a
    number was late, unusable or not watched, or, with `strict`, if anything was.

    Args:
        counted: samples of the run.
        findings: of its source.
        losses: what its readers lost by kind; None where it is not known.
        limits: from when on it has failed.
        name: of the source.
    """
    lost = counted.late + counted.dead_lettered + counted_numeric(findings)
    present = counted.read + counted_numeric(findings)
    if not present:
        message = f"nothing was read: {name} holds no sample, or none between the bounds"
        return Verdict(True, (message,))
    nothing = not counted.scored and not counted.waiting
    failed = nothing or lost > limits.share * present or (limits.strict and lost > 0)
    if not lost and not nothing:
        return Verdict(False, ())
    were = "was" if lost == 1 else "were"
    share = _percent(lost / present)
    if share == _percent(limits.share):
        share = f"{100 * lost / present:.2f} %"
    head = f"{lost:,} of {present:,} values ({share}) {were} lost"
    if nothing:
        head = f"nothing could be scored: {head}"
    elif lost > limits.share * present:
        allowed = f"--max_loss_share={limits.share:.4g}"
        head += f", more than the {_percent(limits.share)} that {allowed} allows"
    elif failed:
        head += ", and --strict allows no loss"
    reasons = reasons_of(counted, findings, losses, limits.series)
    return Verdict(failed, (head, *_lines(reasons, present)))


def _lines(reasons: Sequence[Reason], present: int) -> list[str]:
    lines = []
    for one in reasons[:_MOST_REASONS]:
        lines.append(f"  {_percent(one.amount / present)} ({one.amount:,}) {one.what}")
        lines += [f"      example: {one.example}"] if one.example else []
        lines += [f"      remedy: {one.remedy}"] if one.remedy else []
    more = reasons[_MOST_REASONS:]
    if more:
        count = sum(one.amount for one in more)
        share = _percent(count / present)
        lines.append(f"  {share} ({count:,}) for {len(more):,} other reasons")
    return lines


def _percent(share: float) -> str:
    """A share in percent; below one percent with the first digit that counts.

    >>> _percent(0.734), _percent(0.0004), _percent(1.0)
    ('73 %', '0.04 %', '100 %')
    """
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 or not percent else f"{percent:.1g} %"


def _span(micros: int) -> str:
    """A duration in the unit that suits it.

    >>> _span(10_800_000_000), _span(660_000_000), _span(7_000_000)
    ('3 h', '11 min', '7 s')
    """
    seconds = micros / MICROS
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
