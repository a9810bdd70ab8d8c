"""The sizing model against the runs that it was fitted to, and what it must never say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sizing_model import (
    CLOSE,
    KEPT,
    QUANTITIES,
    SERIES_OF_A_WORKER,
    STATE,
    Load,
    Row,
    fit,
    left_out,
    measured,
    need,
    tables,
    within,
)
from benchmarks.state_size import measure_written, saved_of, written_by_replay

ROOT = Path(__file__).resolve().parents[2]
ROWS = measured()
MODEL = fit(ROWS)
# Relative; of a JVM's CPU most belongs to the job's classes, and varies with the compiler's luck.
_WITHIN = {"workers, CPU s": 0.25, "JVMs, CPU s": 0.75, "worker, MB": 0.35, "loopback, bytes": 0.25}


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda one: one.name)
def test_every_measured_run_is_met(quantity: object) -> None:
    name = quantity.name  # type: ignore[attr-defined]
    for row in ROWS:
        cost = quantity.cost(row)  # type: ignore[attr-defined]
        if cost and quantity.fits(row):  # type: ignore[attr-defined]
            error = abs(MODEL.predict(quantity, row) / cost - 1)  # type: ignore[arg-type]
            assert error <= _WITHIN[name], (row["point"], name, error)


def test_a_run_that_was_left_out_is_foretold() -> None:
    (quantity,) = [one for one in QUANTITIES if one.name == "workers, CPU s"]
    largest = max(filter(within, ROWS), key=lambda row: int(row["read"]))
    without = fit([row for row in ROWS if row is not largest])
    cost = quantity.cost(largest)
    assert cost
    assert without.predict(quantity, largest) == pytest.approx(cost, rel=0.4)


def test_the_error_that_is_stated_is_that_of_runs_the_model_had_not_seen() -> None:
    worst = left_out(ROWS)
    for quantity in QUANTITIES:
        fitted = max(
            abs(MODEL.predict(quantity, row) / cost - 1)
            for row in ROWS
            if quantity.fits(row) and (cost := quantity.cost(row))
        )
        assert worst[quantity.name] >= fitted - 1e-9


def test_state_is_what_the_detectors_keep_with_full_windows() -> None:
    parts = saved_of(32, 4)
    of_samples = parts["samples of closed slots"] + parts["samples that wait"]
    known = MODEL.coefficients["state, bytes"]
    assert known["series"] == pytest.approx(sum(parts.values()) - of_samples, rel=0.05)
    assert known["sample"] * 360 == pytest.approx(of_samples, rel=0.05)
    assert len(STATE) == len(known)


def test_state_that_is_written_is_what_a_group_writes() -> None:
    written = measure_written(100, 30)
    close = (written.cells["detection"] + written.cells["changes"]) / 100
    kept = (written.cells["rows"] + written.cells["kept"]) / (100 * 60)
    assert close == pytest.approx(CLOSE, rel=0.05)
    assert kept == pytest.approx(KEPT, rel=0.05)


@pytest.mark.parametrize("row", [row for row in ROWS if "state_written" in row], ids=str)
def test_a_replay_writes_less_than_in_these_runs_since_states_are_packed(row: Row) -> None:
    point = row["point"]
    each = written_by_replay(point["series"], point["seconds"], point["interval"])
    share = point["series"] * each / row["state_written"]
    assert 0.02 < share < 0.6


def test_the_cost_of_the_loopback_is_foretold_within_a_quarter() -> None:
    assert left_out(ROWS)["loopback, bytes"] < 0.25


@given(
    series=st.floats(1, 1e7), records=st.floats(1, 1e7), more=st.floats(1, 100),
    interval=st.sampled_from([1.0, 10.0, 60.0]),
)  # fmt: skip
def test_more_load_never_needs_less(
    series: float, records: float, more: float, interval: float
) -> None:
    one, two = (need(MODEL, Load(series * x, records * x, interval)) for x in (1.0, more))
    assert two.worker_cores >= one.worker_cores * (more - 1e-9)
    assert two.workers >= one.workers
    assert two.state_gb >= one.state_gb
    assert two.network_mb_s >= one.network_mb_s
    assert two.loopback_mb_s >= one.loopback_mb_s >= one.network_mb_s
    assert one.workers * SERIES_OF_A_WORKER >= series


def test_the_page_has_the_tables_of_the_model() -> None:
    page = (ROOT / "docs" / "sizing.md").read_text()
    for line in tables(measured()).splitlines():
        assert line in page, line
