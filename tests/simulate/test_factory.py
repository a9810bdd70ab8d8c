"""The factory machines: statistics, failures, determinism."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.adapters.factory import UNITS, Factory
from padit.adapters.factory_faults import FAULTS, fails, parse_faults, schedule_faults
from padit.domain.errors import ConfigurationError
from padit.domain.rows import concatenate
from padit.domain.timestamps import MICROS
from tests.parts import skip_for_data

Floats = NDArray[np.float64]
DATA = Path(os.environ.get("PADIT_TEST_DATA", "../shared/data"))
AI4I = DATA / "ai4i" / "ai4i2020.csv"
TWO_HOURS = 7200


def long_run() -> Floats:
    """200 machines, 20 days, a sample every five minutes; (steps, machines, 5)."""
    return Factory(200, seed=3, step=300).values(0, 12 * 24 * 20)


@pytest.fixture(scope="module")
def normal() -> Floats:
    return long_run()


@pytest.fixture(scope="module")
def published() -> Floats:
    if not AI4I.exists():
        skip_for_data(f"the AI4I 2020 data set is not at {AI4I}; set PADIT_TEST_DATA")
    with AI4I.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    return np.array([[float(cell) for cell in row[3:8]] for row in rows])


# Scales of comparison: 0.25 K, and 2% of the mean of the others.
@pytest.mark.parametrize(
    ("column", "metric", "within"),
    [
        (i, metric, within)
        for i, (metric, within) in enumerate(zip(UNITS, (0.25, 0.25, 31, 0.8, 3), strict=True))
    ],
)
def test_means_are_those_of_the_data_set(
    normal: Floats, published: Floats, column: int, metric: str, within: float
) -> None:
    ours = normal[:, :, column].mean()
    assert abs(ours - published[:, column].mean()) < within, metric


@pytest.mark.parametrize(("column", "metric"), [*enumerate(UNITS)])
def test_deviations_are_within_ten_percent_of_the_data_set(
    normal: Floats, published: Floats, column: int, metric: str
) -> None:
    theirs = published[:, column].std()
    assert abs(normal[:, :, column].std() / theirs - 1) < 0.1, metric


def test_process_is_ten_kelvin_above_air(normal: Floats) -> None:
    gap = normal[:, :, 1] - normal[:, :, 0]
    assert abs(gap.mean() - 10) < 0.1
    assert abs(gap.std() - 1) < 0.1


def test_speed_falls_as_torque_rises_as_in_the_data_set(normal: Floats, published: Floats) -> None:
    ours = np.corrcoef(normal[:, :, 2].ravel(), normal[:, :, 3].ravel())[0, 1]
    assert abs(ours - np.corrcoef(published[:, 2], published[:, 3])[0, 1]) < 0.05


def test_no_torque_is_negative(normal: Floats) -> None:
    assert normal[:, :, 3].min() >= 0


@pytest.mark.parametrize("kind", FAULTS)
def test_normal_operation_never_fails(kind: str) -> None:
    factory = Factory(40, seed=5)
    values = factory.values(0, TWO_HOURS)
    for number, variant in enumerate(factory.variants):
        assert not fails(kind, values[:, number], variant).any()


def test_products_of_variant_h_m_and_l_take_5_3_and_2_minutes() -> None:
    factory = Factory(30, seed=2)
    wear = factory.values(0, 2)[:, :, 4]
    assert set(factory.variants) == {"L", "M", "H"}
    assert np.allclose(np.diff(wear, axis=0)[0][wear[1] > 0.1], 1 / 60, atol=0.011)


@pytest.mark.parametrize("seed", range(5))
def test_every_fault_becomes_a_failure_within_its_label(seed: int) -> None:
    factory = Factory(8, seed, 1.0, schedule_faults(FAULTS, 8, TWO_HOURS, seed))
    labels = factory.labels(0)
    assert {label.fault for label in labels} == set(FAULTS)
    for label in labels:
        assert label.failure is not None
        assert label.start < label.failure < label.end


@pytest.mark.parametrize("seed", range(5))
def test_nothing_differs_from_normal_outside_the_label(seed: int) -> None:
    faults = schedule_faults(("heat_dissipation", "power_failure"), 4, TWO_HOURS, seed)
    broken = Factory(4, seed, 1.0, faults)
    differs = (broken.values(0, TWO_HOURS) != Factory(4, seed).values(0, TWO_HOURS)).any(axis=2)
    time = np.arange(TWO_HOURS)
    for number in range(4):
        fault = faults.get(number)
        within = np.zeros(TWO_HOURS, bool)
        if fault is not None:
            within = (time >= fault.start) & (time < fault.end)
            assert differs[within, number].any()
        assert not differs[~within, number].any()


def test_a_fault_grows_gradually() -> None:
    (number, fault), *_ = schedule_faults(("heat_dissipation",), 1, TWO_HOURS, 1).items()
    air = Factory(1, 1, 1.0, {number: fault}).values(0, TWO_HOURS)[:, 0, 0]
    assert np.abs(np.diff(air)).max() < 0.5  # of about 6 K


def test_blocks_do_not_depend_on_where_they_are_cut() -> None:
    factory = Factory(3, seed=9, faults=schedule_faults(FAULTS[:2], 3, 600, 9))
    whole = factory.rows(0, 600, 0)
    parts = concatenate([factory.rows(0, 7, 0), factory.rows(7, 400, 0), factory.rows(407, 193, 0)])
    assert np.array_equal(whole.value, parts.value)
    assert np.array_equal(whole.time, parts.time)
    assert np.array_equal(whole.code, parts.code)


def test_a_machine_is_the_same_in_a_larger_factory() -> None:
    small, large = Factory(2, seed=4).values(0, 50), Factory(9, seed=4).values(0, 50)
    assert np.array_equal(small, large[:, :2])


def test_another_seed_is_another_factory() -> None:
    assert not np.array_equal(Factory(1, seed=1).values(0, 50), Factory(1, seed=2).values(0, 50))


def test_rows_come_in_order_of_time_with_every_series_at_every_step() -> None:
    rows = Factory(2, seed=1, step=0.5).rows(0, 4, 10 * MICROS)
    seconds = np.repeat([10.0, 10.5, 11.0, 11.5], 10)
    assert np.array_equal(rows.time, seconds * MICROS)
    assert len({series.key for series in rows.series}) == 10
    assert rows.series[0] == ("machine-01", "air_temp_k", "K")


def test_blocks_stay_small_however_long_the_run() -> None:
    sizes = [len(block) for _, block in zip(range(3), Factory(100).blocks(10**9, 0), strict=False)]
    assert max(sizes) <= 200_000


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="'rust'; there are: overstrain"):
        parse_faults("overstrain,rust")


def test_more_faults_than_machines_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="raise --machines"):
        schedule_faults(FAULTS, 3, TWO_HOURS, 0)


def test_a_factory_without_machines_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one machine"):
        Factory(0)
