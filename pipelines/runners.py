"""Where a job runs: in this process, on Prism or on a Flink cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.portability.prism_runner import PrismRunner

from domain.errors import ConfigurationError
from pipelines.direct import FlowingDirectRunner

__all__ = ["Runner", "choose_runner"]


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner and what it means for a run.

    Attributes:
        beam: the Beam runner.
        options: Beam options, completed for it.
        here: whether readers run in this process, so that they can be asked to stop.
        restores: whether the run continues from a savepoint.
    """

    beam: Any
    options: PipelineOptions
    here: bool
    restores: bool = False


def choose_runner(argv: Sequence[str]) -> Runner:
    """Pick the runner that `--runner` names and complete its options.

    Raises:
        ConfigurationError: there is no such runner.
    """
    options = PipelineOptions(list(argv))
    name = options.view_as(StandardOptions).runner or "DirectRunner"
    if name not in _RUNNERS:
        message = f"--runner={name} is not one of {', '.join(_RUNNERS)}"
        raise ConfigurationError(message)
    return _RUNNERS[name](list(argv))


def _with_defaults(argv: list[str], defaults: dict[str, str]) -> PipelineOptions:
    given = {argument.split("=", 1)[0] for argument in argv}
    added = [
        f"--{name}={value}" if value else f"--{name}"
        for name, value in defaults.items()
        if f"--{name}" not in given
    ]
    return PipelineOptions([*argv, *added])


def _direct(argv: list[str]) -> Runner:
    return Runner(FlowingDirectRunner(), PipelineOptions(argv), here=True)


def _prism(argv: list[str]) -> Runner:
    options = _with_defaults(argv, {"environment_type": "LOOPBACK", "streaming": ""})
    return Runner(PrismRunner(), options, here=True)


def _flink(argv: list[str]) -> Runner:
    argv = [argument for argument in argv if not argument.startswith("--runner")]
    options = _with_defaults(
        argv,
        {
            "runner": "PortableRunner",
            "job_endpoint": "127.0.0.1:8099",
            "environment_type": "EXTERNAL",
            "environment_config": "127.0.0.1:50000",
            "streaming": "",
            "checkpointing_interval": "10000",
        },
    )
    restores = any(argument.startswith("--savepoint_path") for argument in argv)
    return Runner(PortableRunner(), options, here=False, restores=restores)


_RUNNERS = {
    "DirectRunner": _direct,
    "PrismRunner": _prism,
    "FlinkRunner": _flink,
    "PortableRunner": _flink,
}
