"""Reasons, shares and remedies of what a run lost."""

import json
from datetime import datetime
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from padit.analysis.losses import remedies
from padit.analysis.losses.remedies import remedy_of, seconds_to_allow, time_format_of
from padit.analysis.losses.report import Counted, Limits, judge, opening, reasons_of
from padit.analysis.losses.warmup import WarmUp, warm_up_line
from padit.codecs.contract import Reject
from padit.codecs.dead_letter import DeadRecord
from padit.codecs.forgiving import hint_of
from padit.codecs.presets import SIGNS
from padit.connectors.cursor import advance, first_cursors
from padit.connectors.losses import dead_losses, kind_of
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.config import JobConfig
from padit.domain.findings import Findings, Guess, Unwatched
from padit.domain.losses import LATE_KIND, MOST_KINDS, Loss, add_losses
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.detectors import create_detector

SECOND = 1_000_000
ALL = Limits(1.0)

losses = st.builds(
    Loss,
    kind=st.sampled_from([LATE_KIND, *"abcdefghijklmnopqrstuvwxyz"]),
    count=st.integers(1, 1000),
    reason=st.text(max_size=20),
    place=st.just("t"),
    partition=st.integers(0, 3),
    offset=st.integers(0, 100),
)
unwatched = st.builds(
    Unwatched,
    place=st.just("t"),
    what=st.from_regex(r"column '[a-z]{1,3}'", fullmatch=True),
    reason=st.sampled_from(["holds text such as 'x'", "holds text such as 'y'", "is empty"]),
    remedy=st.just(""),
    amount=st.integers(0, 1000),
    unit=st.just("cells"),
    numeric=st.integers(0, 1000),
)


@given(
    st.lists(losses, max_size=60), st.lists(unwatched, max_size=30),
    st.integers(0, 10_000), st.integers(0, 500),
)  # fmt: skip
def test_the_amounts_of_all_reasons_add_up_to_what_is_lost(
    lost: list[Loss], left: list[Unwatched], scored: int, refused: int
) -> None:
    tally = add_losses((), lost)
    late = sum(one.count for one in lost if one.kind == LATE_KIND)
    dead = sum(one.count for one in lost if one.kind != LATE_KIND) + refused
    counted = Counted(scored + late + dead, scored, late, dead)
    findings = Findings((), left)
    reasons = reasons_of(counted, findings, tally)
    assert sum(one.amount for one in reasons) == late + dead + sum(one.numeric for one in left)
    assert len(tally) <= MOST_KINDS + 2
    assert len(opening(findings)) <= 11
    assert len(judge(counted, findings, tally, Limits(), "t").lines) <= 1 + 3 * 3 + 1


@given(st.lists(losses, max_size=MOST_KINDS), st.data())
def test_a_tally_does_not_depend_on_the_order_of_what_is_added(
    lost: list[Loss], data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations(lost))
    left, right = add_losses((), lost), add_losses((), mixed)
    plain = [[(one.kind, one.count, one.offset) for one in tally] for tally in (left, right)]
    assert plain[0] == plain[1]


@given(st.data())
def test_a_tally_does_not_depend_on_how_a_log_is_cut_into_reads(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    times = data.draw(st.lists(st.integers(0, 400), min_size=n, max_size=n))
    bad = data.draw(st.sets(st.integers(0, n - 1)))
    reads = [_read(i, times[i], i in bad) for i in range(n)]
    cut = data.draw(st.integers(0, n))
    whole = _tally([reads])
    assert _tally([reads[:cut], reads[cut:]]) == whole
    assert _tally([[one] for one in reads]) == whole
    assert sum(one.count for one in whole if one.kind != LATE_KIND) == len(bad)


def _read(offset: int, second: int, bad: bool) -> ReadBatch:
    if bad:
        reject = Reject(0, f"value 'x{offset}' is no number" if offset % 2 else "empty")
        dead = [DeadRecord(b"{}", reject, "t", 0, offset)]
        return ReadBatch(0, offset + 1, Rows.empty(), dead)
    rows = Rows(
        [Series("ab"[offset % 2], "m")],
        np.zeros(1, np.int32),
        np.array([1_767_225_600 + second]) * SECOND,
        np.ones(1),
    )
    return ReadBatch(0, offset + 1, rows)


def _tally(steps: list[list[ReadBatch]]) -> tuple[Loss, ...]:
    [cursor] = first_cursors([PartitionRange(0, 0, None)], 1)
    for reads in steps:
        cursor = advance(cursor, reads, 10 * SECOND, "t").cursor
    return cursor.losses


def test_samples_of_a_record_that_are_not_named_count_for_its_first_reason() -> None:
    reject = Reject(0, "many", 30, ((0, "a is 'x'"), (1, "b is 'y'"), (2, "a is 'z'")))
    found = dead_losses([DeadRecord(b"[...]", reject, "t", 0, 7)])
    assert [(one.kind, one.count, one.offset) for one in found] == [("a is …", 29, 7),
                                                                    ("b is …", 1, 7)]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("05.01.2026 00:01:00", "%d.%m.%Y %H:%M:%S"),
        ("31/12/2026 23:59", "%d/%m/%Y %H:%M"),
        ("12/31/2026 11:59:01 PM", "%m/%d/%Y %I:%M:%S %p"),
        ("2026/01/05 00:01:00", "%Y/%m/%d %H:%M:%S"),
        ("05-01-26", "%d-%m-%y"),
        ("05.01.2026T00:01:00.250", "%d.%m.%YT%H:%M:%S.%f"),
    ],
)
def test_the_format_of_a_date_is_guessed_so_that_it_reads_the_date(text: str, form: str) -> None:
    assert time_format_of(text) == form
    datetime.strptime(text, form)  # noqa: DTZ007  # only whether it can be read


@pytest.mark.parametrize("text", ["", "tomorrow", "1767571200000000", "05.01.2026 noon"])
def test_what_is_no_date_has_no_format(text: str) -> None:
    assert time_format_of(text) == ""


@given(st.integers(1, 10**15))
def test_the_out_of_orderness_that_is_proposed_is_enough(behind: int) -> None:
    assert seconds_to_allow(behind) * SECOND >= behind


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("timestamp '1767571200000000' is not in 2000 to 2199", "microseconds"),
        ("timestamp 1767571207000000000.0 lies outside the years 2000 to 2199", "nanoseconds"),
        ("timestamp '12' is not in 2000 to 2199", ""),
        ("value '1,5' is no number", ""),
        (
            "timestamp lies 5400.000 s ahead of its record's, more than the 3600 s of "
            "--max_ahead_sec", "--max_ahead_sec=5400",
        ),
        ("5000000 bytes, more than the 4194304 of --max_record_bytes", "=5000000"),
    ],
)  # fmt: skip
def test_a_remedy_holds_the_value_of_the_example(reason: str, remedy: str) -> None:
    found = remedy_of(Loss(kind_of(reason), 1, reason, "t"))
    assert remedy in found
    assert bool(remedy) == bool(found)


@pytest.mark.parametrize(
    ("counted", "limits", "failed"),
    [
        (Counted(100, 90, 10, 0), Limits(), False),
        (Counted(100, 89, 6, 5), Limits(), True),
        (Counted(100, 99, 1, 0), Limits(strict=True), True),
        (Counted(100, 100, 0, 0), Limits(strict=True), False),
        (Counted(10, 0, 0, 0), ALL, True),
        (Counted(0, 0, 0, 0), ALL, True),
        (Counted(100, 1, 99, 0), ALL, False),
    ],
)
def test_a_run_has_failed_from_the_allowed_share_on(
    counted: Counted, limits: Limits, failed: bool
) -> None:
    verdict = judge(counted, Findings(), (), limits, "t")
    assert verdict.failed == failed
    assert bool(verdict.lines) == (failed or counted.late + counted.dead_lettered > 0)


def test_reasons_that_nothing_has_kept_are_still_an_amount() -> None:
    [reason] = reasons_of(Counted(10, 5, 3, 2), Findings(), None)
    assert reason.amount == 5
    assert "audit log" in reason.what
    [reason] = reasons_of(Counted(10, 5, 0, 5), Findings(), ())
    assert "series_limit" in reason.what


def test_guesses_come_before_what_is_not_watched() -> None:
    guess = Guess("a.csv", "it is Latin-1", "encoding=utf-8")
    left = Unwatched("a.csv", "column 'x'", "holds text such as 'on'", "", 3, "cells")
    assert [line[:30] for line in opening(Findings([guess], [left]))] == [
        "a.csv: it is Latin-1 (a guess;", "a.csv: not watched: column 'x'",
    ]  # fmt: skip


def test_warm_up_is_told_from_detectors_that_look_at_nothing() -> None:
    novelty, multivariate = create_detector("novelty", {}), create_detector("multivariate", {})
    seen = WarmUp(scored=12, windows=20, series=2, warm=0, interval=60, slots=5)
    line = warm_up_line(seen, [multivariate, novelty]) or ""
    assert "novelty judges a series from sample 9 on, they have 6 each; about 3 more" in line
    assert warm_up_line(seen._replace(warm=1), [novelty]) is None
    assert warm_up_line(seen, []) is None
    looked = warm_up_line(seen._replace(scored=60), [novelty]) or ""
    assert looked.startswith("no series has been judged: novelty gave no score")


def test_rows_of_a_wild_clock_are_a_loss_of_their_own() -> None:
    day = 86_400
    log = [
        row
        for second in range(0, 300, 10)
        for row in ((second, "a"), (second, "b"), (second + 2 * day, "c"))
    ]
    reads = [_at(offset, second, source) for offset, (second, source) in enumerate(log)]
    found = _tally([reads])
    assert found == _tally([[one] for one in reads])
    [far] = found
    assert (far.count, far.where) == (29, "t, partition 0")
    assert far.record == "c m at 2026-01-03T00:00:10.000000Z"
    assert far.reason.startswith("its time lies more than 24 h ahead")


def _at(offset: int, second: int, source: str) -> ReadBatch:
    time = np.array([1_767_225_600 + second]) * SECOND
    rows = Rows([Series(source, "m")], np.zeros(1, np.int32), time, np.ones(1))
    return ReadBatch(0, offset + 1, rows)


class _FileOptions(BaseModel):
    """Options of a source that knows forms of times and numbers."""

    time_format: str = ""
    decimal: str = ""
    thousands: str = ""


@pytest.mark.parametrize(
    ("reason", "record", "remedy"),
    [
        (
            "timestamp '05.01.2026 00:00:00' is none of the forms that are known", "",
            "time_format=%d.%m.%Y %H:%M:%S",
        ),
        ("bytes: '7,554.9' is not a finite number", "", "thousands=,"),
        ("Druck: '1,5' is not a finite number", "", "decimal=,"),
        ("Druck: 'n/a' is not a finite number", "", ""),
        ("timestamp '46027.5' is not in 2000 to 2199", "",
         "the times look like Excel's numbers of days: give the column a date format there"),
        ("Object missing required field `timestamp`", "[1, 2]", ""),
    ],
)  # fmt: skip
def test_options_of_a_source_are_proposed_where_it_has_them(
    monkeypatch: pytest.MonkeyPatch, reason: str, record: str, remedy: str
) -> None:
    loss = Loss(kind_of(reason), 1, reason, "t.csv.gz", record=record)
    monkeypatch.setattr(remedies, "FileOptions", _FileOptions)
    assert remedy_of(loss) == remedy


@pytest.mark.parametrize("place", ["a.jsonl", "b.JSON.gz", "metrics"])
def test_json_is_not_told_an_option_that_only_tables_have(place: str) -> None:
    reason = "timestamp '05.01.2026 00:00:00' is neither epoch seconds, ms nor RFC 3339"
    assert remedy_of(Loss(kind_of(reason), 1, reason, place)) == (
        'time_format: "%d.%m.%Y %H:%M:%S" in `format` under `input`, see docs/payloads.md'
    )


@pytest.mark.parametrize("why", ["does not exist in Europe/Berlin", "comes twice in Europe/Berlin"])
def test_an_hour_that_the_clocks_changed_is_no_question_of_the_format(why: str) -> None:
    reason = f"timestamp '29.03.2026 02:00' {why}"
    assert remedy_of(Loss(kind_of(reason), 1, reason, "a.csv")) == ""


@pytest.mark.parametrize("preset", sorted({preset for preset, _, _ in SIGNS}))
def test_the_format_of_a_foreign_record_is_proposed_as_it_stands_in_the_configuration(
    preset: str,
) -> None:
    _, _, paths = next(one for one in SIGNS if one[0] == preset)
    record: dict[str, Any] = {}
    for path in paths:
        inner = record
        for name in path.split("."):
            inner = inner.setdefault(name, {})
    reason = f"Object missing required field `value`{hint_of(json.dumps(record).encode())}"
    remedy = remedy_of(Loss(kind_of(reason), 1, reason, "t"))
    address = f"format={preset} in the address"
    assert remedy == f"`input: {{format: {preset}}}` in the file of --config, or {address}"
    JobConfig.model_validate(yaml.safe_load(remedy.split("`")[1]))


def test_a_certain_guess_is_left_to_look_and_one_without_an_option_names_none() -> None:
    sure = Guess("a.csv", "the times are seconds", "time_format=epoch_s", certain=True)
    bare = Guess("a.csv", "it is annotated", "")
    assert opening(Findings([sure, bare])) == ["a.csv: it is annotated (a guess)"]
