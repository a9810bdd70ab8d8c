"""How long the end of a bundle waits for Beam's state sampler."""

from __future__ import annotations

from apache_beam.runners.worker.statesampler import StateSampler
from apache_beam.utils.counters import CounterFactory

from padit.pipelines.runners import choose_runner


def test_the_sampler_of_a_bundle_sleeps_at_most_5_ms_once_a_runner_was_chosen() -> None:
    choose_runner(["--runner=DirectRunner"], bounded=True)
    sampler = StateSampler("stage", CounterFactory())
    assert sampler.sampling_period_ms == 5


def test_a_sampler_with_short_sleeps_still_sees_the_time_of_a_state() -> None:
    choose_runner(["--runner=DirectRunner"], bounded=True)
    sampler = StateSampler("stage", CounterFactory())
    state = sampler.scoped_state("step", "process")
    sampler.start()
    try:
        with state:
            sum(range(3_000_000))
    finally:
        sampler.stop()
    assert state.sampled_msecs_int() > 0
