"""Runners: this process, Prism or a Flink cluster."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions
from apache_beam.runners.portability.job_server import StopOnExitJobServer
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner

from padit.devcluster.prism import prism
from padit.devcluster.state import read_state
from padit.domain.errors import ConfigurationError
from padit.pipelines.direct import InProcessRunner
from padit.pipelines.flink_job import new_submission
from padit.pipelines.savepoint import find_savepoint

__all__ = ["Runner", "choose_runner"]

STATE_DIRECTORY = ".padit"
_SAVEPOINT = "savepoint_path"


def _nothing() -> None:
    """A runner that starts no process of its own has nothing to end."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner and its properties.

    Attributes:
        beam: the Beam runner.
        options: Beam options, completed for it.
        here: whether readers run in this process, which can then stop them.
        in_process: whether all of the job runs in this process.
        restores: whether the run continues from a savepoint.
        rest_url: Flink's REST address, where it is known; counters of a live run are there.
        submission: identifies this run among the jobs on Flink.
        drained: whether a bounded job has to be ended from here, see `pipelines.flink_job`.
        close: ends what was started for the run.
    """

    beam: Any
    options: PipelineOptions
    here: bool
    in_process: bool = False
    restores: bool = False
    rest_url: str | None = None
    submission: str = ""
    drained: bool = False
    close: Callable[[], None] = _nothing


def choose_runner(argv: Sequence[str], *, bounded: bool, detach: bool = False) -> Runner:
    """Pick the runner that `--runner` names and complete its options.

    Args:
        argv: the command line.
        bounded: whether the input has an end.
        detach: whether the command returns after submitting.

    Raises:
        PaditError: there is no such runner, or it lacks something.
    """
    name = PipelineOptions(list(argv)).view_as(StandardOptions).runner or "DirectRunner"
    if name not in _RUNNERS:
        message = f"--runner={name} is not one of {', '.join(_RUNNERS)}"
        raise ConfigurationError(message)
    if _given(argv, _SAVEPOINT) and _RUNNERS[name] is not _flink:
        message = f"--{_SAVEPOINT} needs --runner=FlinkRunner; {name} keeps no state"
        raise ConfigurationError(message)
    return _RUNNERS[name](list(argv), bounded, detach)


def _with_defaults(argv: list[str], defaults: dict[str, str]) -> PipelineOptions:
    """Add the options that were not given; an empty value makes a bare flag."""
    given = {argument.split("=", 1)[0] for argument in argv}
    added = [
        f"--{name}={value}" if value else f"--{name}"
        for name, value in defaults.items()
        if f"--{name}" not in given
    ]
    return PipelineOptions([*argv, *added])


def _refuse_detached(runner: str, detach: bool) -> None:
    if detach:
        message = (
            f"--detach needs a cluster that keeps the job, --runner=FlinkRunner: with --runner="
            f"{runner} it ends with this process"
        )
        raise ConfigurationError(message)


def _direct(argv: list[str], bounded: bool, detach: bool) -> Runner:
    _refuse_detached("DirectRunner", detach)
    return Runner(InProcessRunner(), PipelineOptions(argv), here=True, in_process=True)


def _prism(argv: list[str], bounded: bool, detach: bool) -> Runner:
    _refuse_detached("PrismRunner", detach)
    defaults = {"environment_type": "LOOPBACK", "streaming": ""}
    if not any(argument.startswith("--prism_location") for argument in argv):
        defaults["prism_location"] = str(prism())
    # Beam keeps one server a process, and that of another pipeline may have another location.
    argv = [*argv, "--experiments=disable_prism_server_singleton"]
    runner = _OwnPrism()
    return Runner(runner, _with_defaults(argv, defaults), here=True, close=runner.close)


class _OwnPrism(PrismRunner):  # type: ignore[misc]
    """Prism as a process of this run; Beam's own keeps it until the Python process ends."""

    _server: Any = None

    def default_job_server(self, options: Any) -> Any:
        self._server = StopOnExitJobServer(PrismJobServer(options))
        return self._server

    def close(self) -> None:
        """End the process."""
        if self._server is not None:
            self._server.stop()


def _flink(argv: list[str], bounded: bool, detach: bool) -> Runner:
    """Submit to a job server; `padit up` has written down the address of its own."""
    argv = [argument for argument in argv if not argument.startswith("--runner=")]
    argv = [_with_savepoint(argument) for argument in argv]
    local = read_state(Path(os.environ.get("PADIT_STATE_DIR", STATE_DIRECTORY)))
    defaults = {
        "runner": "PortableRunner",
        "job_endpoint": local.job_endpoint if local else "127.0.0.1:8099",
        "environment_type": "EXTERNAL",
        "environment_config": local.worker_endpoint if local else "127.0.0.1:50000",
        "streaming": "",
        "checkpointing_interval": "10000",
        # Flink forwards the output of a stage when its bundle ends: this bounds the latency.
        "max_bundle_time_mills": "100",
        # A bundle of what has piled up would hold its first results back until its last element.
        "max_bundle_size": "256",
        # Otherwise output of a bundle during a checkpoint is held back while the watermark
        # goes on; at the end of the input stateful steps then drop it as late, unreported.
        "finish_bundle_before_checkpointing": "",
        # Flink names state by what is chained, and the first source is chained at parallelism 1
        # only: a savepoint of parallelism 2 could not be restored at 1, and vice versa.
        "operator_chaining": "false",
    }
    rest_url = _rest_url(argv) or (local.rest_url if local else None)
    shut = "shutdown_sources_after_idle_ms"
    drained = bounded and not detach and rest_url is not None and not _given(argv, shut)
    if bounded and not drained:
        # Without it the impulse that starts the readers would keep the job alive for ever. With
        # it everything is read while the first tasks finish, when no checkpoint is taken.
        defaults[shut] = "1000"
    parallelism = PipelineOptions(argv).get_all_options().get("parallelism")
    if parallelism and parallelism > 1:
        # One Python process for each instance; by default all would share one.
        defaults["sdk_worker_parallelism"] = str(parallelism)
    submission = new_submission()
    options = _with_defaults([*argv, f"--submission_id={submission}"], defaults)
    if not options.view_as(PortableOptions).job_endpoint:
        message = "--job_endpoint is empty; `padit up` starts a cluster and prints its address"
        raise ConfigurationError(message)
    return Runner(
        PortableRunner(),
        options,
        here=False,
        restores=_given(argv, _SAVEPOINT),
        rest_url=rest_url,
        submission=submission,
        drained=drained,
    )


def _with_savepoint(argument: str) -> str:
    name, _, place = argument.partition("=")
    return f"{name}={find_savepoint(place)}" if name == f"--{_SAVEPOINT}" else argument


def _given(argv: Sequence[str], name: str) -> bool:
    return any(argument.split("=", 1)[0] == f"--{name}" for argument in argv)


def _rest_url(argv: list[str]) -> str | None:
    master = PipelineOptions(argv).get_all_options().get("flink_master")
    return master if master and master != "[auto]" else None


_RUNNERS: dict[str, Callable[[list[str], bool, bool], Runner]] = {
    "DirectRunner": _direct,
    "PrismRunner": _prism,
    "FlinkRunner": _flink,
    "PortableRunner": _flink,
}
