"""How long the end of a bundle waits for Beam's state sampler."""

from __future__ import annotations

from apache_beam.runners.worker.statesampler import StateSampler
from apache_beam.utils.counters import CounterFactory

from padit.pipelines.sampler import sampling_often


def test_the_sampler_of_a_bundle_sleeps_at_most_5_ms_while_a_run_lasts() -> None:
    before = StateSampler("stage", CounterFactory()).sampling_period_ms
    with sampling_often():
        with sampling_often():
            pass
        assert StateSampler("stage", CounterFactory()).sampling_period_ms == 5
    assert StateSampler("stage", CounterFactory()).sampling_period_ms == before


def test_a_sampler_with_short_sleeps_still_sees_the_time_of_a_state() -> None:
    with sampling_often():
        sampler = StateSampler("stage", CounterFactory())
    state = sampler.scoped_state("step", "process")
    sampler.start()
    try:
        with state:
            sum(range(3_000_000))
    finally:
        sampler.stop()
    assert state.sampled_msecs_int() > 0
