"""A real Flink cluster as local processes: JobManager, TaskManagers, Beam job server, workers.

Started with plain Java from the jars of `apache-flink-libraries`, configured by
`flink-conf/config.yaml`: checkpoints every 10 s, restarts on, loopback only. State lives in
`directory`: configuration, logs, checkpoints. A killed TaskManager or worker pool costs a restart
from the last checkpoint; a killed JobManager costs the jobs (there is no high availability in one
process), which are submitted again from a retained checkpoint or savepoint.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, Self

import yaml

from padit.devcluster import jars
from padit.devcluster.launcher import launcher
from padit.devcluster.ports import LOOPBACK, free_port, port_answers
from padit.devcluster.processes import Part
from padit.devcluster.service import Startable
from padit.devcluster.workers import Workers, prepare_workers

__all__ = ["FlinkCluster", "Ports", "prepare_flink", "rest_json", "start_flink"]

# Modules of Java 17 that Flink needs open, from its own env.java.opts.all.
_OPEN = [
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in (
            "java.lang",
            "java.lang.invoke",
            "java.io",
            "java.net",
            "java.nio",
            "java.math",
            "java.text",
            "java.time",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "java.util.concurrent.locks",
            "sun.net.util",
            "sun.nio.ch",
        )
    ),
]
# The JVM does little for a record, but compiles code for each job: with the optimizing
# compiler that was two thirds of its CPU time (docs/benchmarks.md).
_BASE = [
    "-XX:+UseG1GC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.net.preferIPv4Stack=true",
    "-XX:+ExitOnOutOfMemoryError",
]


@dataclass(frozen=True)
class Ports:
    """Ports of a cluster; 0 takes a free one."""

    rest: int = 0
    rpc: int = 0
    job: int = 0
    artifact: int = 0
    workers: int = 0


@dataclass
class FlinkCluster(Startable):
    """A cluster. Fault injection: `cluster.taskmanagers[0].kill()`, then `.restart()`, and so on.

    Attributes:
        rest_url: Flink's REST address and web page.
        job_endpoint: `host:port` of Beam's job server.
        worker_endpoint: `host:port` of the worker pool.
        directory: configuration, logs, checkpoints, savepoints.
        flavour: of the job server, `official` or `fallback`.
        jobmanager, taskmanagers, job_server, workers: its parts.
    """

    rest_url: str
    job_endpoint: str
    worker_endpoint: str
    directory: Path
    flavour: str
    jobmanager: Part
    job_server: Part
    workers: Workers
    taskmanagers: list[Part] = field(default_factory=list)

    @property
    def parts(self) -> list[Part]:
        """All processes in the order of their start."""
        return [self.jobmanager, self.workers.part, *self.taskmanagers, self.job_server]

    def options(self, parallelism: int = 1) -> list[str]:
        """Return the Beam options that submit a streaming pipeline here.

        One SDK worker for each parallel instance: one Python process uses one core.
        """
        return [
            "--runner=FlinkRunner",
            f"--job_endpoint={self.job_endpoint}",
            f"--flink_master={self.rest_url.removeprefix('http://')}",
            "--environment_type=EXTERNAL",
            f"--environment_config={self.worker_endpoint}",
            f"--parallelism={parallelism}",
            f"--sdk_worker_parallelism={parallelism}",
            "--streaming",
        ]

    def rest(self, path: str) -> Any:
        """GET a path of Flink's REST interface, for instance `/jobs`. Raises OSError."""
        return rest_json(self.rest_url + path)

    def start(self) -> Self:
        """Start all stopped parts at once, and wait until every part answers."""
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start all parts at once, without waiting."""
        for part in self.parts:
            part.launch()

    def wait(self) -> None:
        """Wait until all parts answer and every TaskManager has registered."""
        for part in self.parts:
            part.wait()

    def add_taskmanager(self) -> Part:
        """Add and start one more TaskManager (four more slots)."""
        part = _taskmanager(self, len(self.taskmanagers) + 1)
        self.taskmanagers.append(part)
        return part.start()

    def stop(self) -> None:
        """End all parts; checkpoints and logs stay. A part that fails to stop is skipped."""
        for part in reversed(self.parts):
            part.stop()


def rest_json(url: str, timeout_s: float = 5.0) -> Any:
    """GET a JSON document over HTTP. Raises OSError."""
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - http only
        return json.load(answer)


def start_flink(
    directory: Path,
    *,
    ports: Ports | None = None,
    taskmanagers: int = 1,
    state_cache_mb: int | None = None,
    say: Callable[[str], None] | None = None,
) -> FlinkCluster:
    """Start a cluster and wait until it takes jobs; see `prepare_flink`."""
    cluster = prepare_flink(
        directory, ports=ports, taskmanagers=taskmanagers, state_cache_mb=state_cache_mb, say=say
    )
    try:
        return cluster.start()
    except BaseException:
        cluster.stop()
        raise


def prepare_flink(
    directory: Path,
    *,
    ports: Ports | None = None,
    taskmanagers: int = 1,
    state_cache_mb: int | None = None,
    settings: Mapping[str, Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> FlinkCluster:
    """Resolve the jars and write the configuration; nothing is started.

    Args:
        directory: for all files.
        ports: fixed ports; None takes free ones.
        taskmanagers: number of TaskManagers, with four slots each.
        state_cache_mb: memory of each Python worker's state cache; None: the pool's default.
        settings: of Flink; they win over those of `flink-conf/config.yaml`.
        say: called with a text before slow steps.

    Raises MissingToolError without Java, Maven or Flink; PartFailedError if a port is taken.
    """
    ports = _chosen(ports or Ports())
    beam = jars.job_server(say)
    _write_configuration(directory, ports, settings or {})
    cluster = FlinkCluster(
        rest_url=f"http://{LOOPBACK}:{ports.rest}",
        job_endpoint=f"{LOOPBACK}:{ports.job}",
        worker_endpoint="",
        directory=directory,
        flavour=beam.flavour,
        jobmanager=_jobmanager(directory, ports, beam),
        job_server=_job_server(directory, ports, beam),
        workers=prepare_workers(directory, port=ports.workers, state_cache_mb=state_cache_mb),
    )
    cluster.worker_endpoint = cluster.workers.endpoint
    cluster.taskmanagers = [_taskmanager(cluster, n + 1) for n in range(taskmanagers)]
    return cluster


def _chosen(ports: Ports) -> Ports:
    return Ports(*(free_port(getattr(ports, name)) for name in Ports.__dataclass_fields__))


def _write_configuration(directory: Path, ports: Ports, settings: Mapping[str, Any]) -> None:
    conf = directory / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (directory / "tmp").mkdir(exist_ok=True)
    template = Template((jars.conf_dir() / "config.yaml").read_text())
    values = {"host": LOOPBACK, "rpc_port": ports.rpc, "rest_port": ports.rest}
    places = {"state_dir": directory.resolve(), "work_dir": directory.resolve()}
    text = template.substitute(values, **places)
    if settings:
        text = yaml.safe_dump({**yaml.safe_load(text), **settings})
    (conf / "config.yaml").write_text(text)
    shutil.copyfile(jars.conf_dir() / "log4j.properties", conf / "log4j.properties")


def _java(directory: Path, memory: list[str], class_path: list[str]) -> list[str]:
    log4j = f"-Dlog4j.configurationFile={directory / 'conf' / 'log4j.properties'}"
    path = os.pathsep.join(class_path)
    return [jars.tool("java"), *_OPEN, *_BASE, *memory, log4j, "-cp", path]


def _settings(directory: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((directory / "conf" / "config.yaml").read_text())
    return settings


def _megabytes(settings: dict[str, Any], *keys: str) -> int:
    """Return the sum of sizes written as `128m`."""
    return sum(int(str(settings[key]).removesuffix("m")) for key in keys)


def _jobmanager(directory: Path, ports: Ports, beam: jars.JarSet) -> Part:
    settings, prefix = _settings(directory), "jobmanager.memory."
    heap = _megabytes(settings, prefix + "heap.size")
    metaspace = _megabytes(settings, prefix + "jvm-metaspace.size")
    memory = [f"-Xms{heap}m", f"-Xmx{heap}m", f"-XX:MaxMetaspaceSize={metaspace}m"]
    command = _java(directory, memory, _cluster_class_path(beam))
    command += ["org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"]
    command += ["--configDir", str(directory / "conf")]
    overview = f"http://{LOOPBACK}:{ports.rest}/overview"
    return Part(
        "Flink JobManager",
        command,
        log=directory / "jobmanager.log",
        answers=lambda: "taskmanagers" in rest_json(overview),
    )


def _cluster_class_path(beam: jars.JarSet) -> list[str]:
    """Return Flink's jars, then Beam's: loaded once, not uploaded and loaded for every job."""
    return [str(launcher(beam)), f"{jars.flink_distribution().lib}/*", beam.class_path]


def _taskmanager(cluster: FlinkCluster, number: int) -> Part:
    directory, name = cluster.directory, f"taskmanager-{number}"
    command = _java(
        directory,
        _taskmanager_memory(_settings(directory)),
        _cluster_class_path(jars.job_server()),
    )
    command += ["org.apache.flink.runtime.taskexecutor.TaskManagerRunner"]
    command += ["--configDir", str(directory / "conf"), "-D", f"taskmanager.resource-id={name}"]

    def registered() -> bool:
        known = rest_json(f"{cluster.rest_url}/taskmanagers")["taskmanagers"]
        mine = [manager for manager in known if manager["id"] == name]
        return bool(mine) and _is_current(mine[0], part)

    part = Part(f"Flink {name}", command, log=directory / f"{name}.log", answers=registered)
    return part


def _is_current(manager: dict[str, Any], part: Part) -> bool:
    """Whether the registration is of this process, not of an earlier one that was killed."""
    port = int(str(manager["path"]).rpartition("@")[2].split("/")[0].rpartition(":")[2])
    import psutil

    if part.record is None:
        return False
    try:
        connections = psutil.Process(part.pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(at.status == psutil.CONN_LISTEN and at.laddr.port == port for at in connections)


def _taskmanager_memory(settings: dict[str, Any]) -> list[str]:
    """Return the JVM flags that Flink's start scripts derive from the configured sizes."""
    prefix = "taskmanager.memory."
    heap = _megabytes(settings, prefix + "framework.heap.size", prefix + "task.heap.size")
    direct = _megabytes(
        settings,
        prefix + "framework.off-heap.size",
        prefix + "task.off-heap.size",
        prefix + "network.max",
    )
    metaspace = _megabytes(settings, prefix + "jvm-metaspace.size")
    flags = [f"-Xms{heap}m", f"-Xmx{heap}m", f"-XX:MaxDirectMemorySize={direct}m"]
    return [*flags, f"-XX:MaxMetaspaceSize={metaspace}m"]


def _job_server(directory: Path, ports: Ports, beam: jars.JarSet) -> Part:
    own = str(launcher(beam))
    command = _java(directory, ["-Xms128m", "-Xmx768m"], [own, beam.class_path])
    command += ["PaditJobServer", own]
    command += ["--job-host", LOOPBACK, "--job-port", str(ports.job)]
    command += ["--artifact-port", str(ports.artifact), "--expansion-port", "-1"]
    command += ["--artifacts-dir", str(directory / "artifacts")]
    command += ["--flink-master", f"{LOOPBACK}:{ports.rest}"]
    command += ["--flink-conf-dir", str(directory / "conf")]
    return Part(
        "Beam job server",
        command,
        log=directory / "job-server.log",
        answers=lambda: port_answers(ports.job),
    )
