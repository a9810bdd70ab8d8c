"""Where a job runs: in this process, on Prism or on a Flink cluster."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.portability.prism_runner import PrismRunner

from domain.errors import ConfigurationError
from pipelines.direct import InProcessRunner
from pipelines.local.prism import prism
from pipelines.local.state import read_state

__all__ = ["Runner", "choose_runner"]

STATE_DIRECTORY = ".padit"


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner and what it means for a run.

    Attributes:
        beam: the Beam runner.
        options: Beam options, completed for it.
        here: whether readers run in this process, so that they can be asked to stop.
        in_process: whether all of the job runs in this process.
        restores: whether the run continues from a savepoint.
        restorable: whether the runner restores state after a crash.
        rest_url: Flink's REST address, where it is known; counters of a live run are there.
    """

    beam: Any
    options: PipelineOptions
    here: bool
    in_process: bool = False
    restores: bool = False
    restorable: bool = False
    rest_url: str | None = None


def choose_runner(argv: Sequence[str], *, bounded: bool) -> Runner:
    """Pick the runner that `--runner` names and complete its options.

    Args:
        argv: the command line.
        bounded: whether the input has an end.

    Raises:
        PaditError: there is no such runner, or it lacks something.
    """
    name = PipelineOptions(list(argv)).view_as(StandardOptions).runner or "DirectRunner"
    if name not in _RUNNERS:
        message = f"--runner={name} is not one of {', '.join(_RUNNERS)}"
        raise ConfigurationError(message)
    return _RUNNERS[name](list(argv), bounded)


def _with_defaults(argv: list[str], defaults: dict[str, str]) -> PipelineOptions:
    """Add the options that were not given; an empty value makes a bare flag."""
    given = {argument.split("=", 1)[0] for argument in argv}
    added = [
        f"--{name}={value}" if value else f"--{name}"
        for name, value in defaults.items()
        if f"--{name}" not in given
    ]
    return PipelineOptions([*argv, *added])


def _direct(argv: list[str], bounded: bool) -> Runner:
    return Runner(InProcessRunner(), PipelineOptions(argv), here=True, in_process=True)


def _prism(argv: list[str], bounded: bool) -> Runner:
    defaults = {"environment_type": "LOOPBACK", "streaming": ""}
    if not any(argument.startswith("--prism_location") for argument in argv):
        defaults["prism_location"] = str(prism())
    return Runner(PrismRunner(), _with_defaults(argv, defaults), here=True)


def _flink(argv: list[str], bounded: bool) -> Runner:
    """Submit to a job server; `padit up` wrote down where its own answers."""
    argv = [argument for argument in argv if not argument.startswith("--runner=")]
    local = read_state(Path(os.environ.get("PADIT_STATE_DIR", STATE_DIRECTORY)))
    defaults = {
        "runner": "PortableRunner",
        "job_endpoint": local.job_endpoint if local else "127.0.0.1:8099",
        "environment_type": "EXTERNAL",
        "environment_config": local.worker_endpoint if local else "127.0.0.1:50000",
        "streaming": "",
        "checkpointing_interval": "10000",
        # Flink hands on what a stage produced when its bundle ends: this bounds the latency.
        "max_bundle_time_mills": "100",
        # Otherwise what a bundle produced during a checkpoint is held back while the watermark
        # goes on; at the end of the input stateful steps then drop it as late, without a word.
        "finish_bundle_before_checkpointing": "",
    }
    if bounded:
        # Without it the impulse that starts the readers would keep the job alive for ever.
        defaults["shutdown_sources_after_idle_ms"] = "1000"
    parallelism = PipelineOptions(argv).get_all_options().get("parallelism")
    if parallelism and parallelism > 1:
        # One Python process for each instance; by default all would share one.
        defaults["sdk_worker_parallelism"] = str(parallelism)
    options = _with_defaults(argv, defaults)
    if not options.view_as(PortableOptions).job_endpoint:
        message = "--job_endpoint is empty; `padit up` starts a cluster and says where it answers"
        raise ConfigurationError(message)
    master = options.get_all_options().get("flink_master")
    return Runner(
        PortableRunner(),
        options,
        here=False,
        restorable=True,
        restores=any(argument.startswith("--savepoint_path") for argument in argv),
        rest_url=master if master and master != "[auto]" else local.rest_url if local else None,
    )


_RUNNERS: dict[str, Callable[[list[str], bool], Runner]] = {
    "DirectRunner": _direct,
    "PrismRunner": _prism,
    "FlinkRunner": _flink,
    "PortableRunner": _flink,
}
