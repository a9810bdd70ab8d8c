"""The local parts that users and other tests rely on: all real, all stopped by pid."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from padit.devcluster import jars
from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.errors import PartFailedError
from padit.devcluster.flink import FlinkCluster
from padit.devcluster.ports import free_port
from padit.devcluster.processes import (
    Part,
    ProcessRecord,
    is_running,
    kill_process,
    start_process,
    stop_process,
)
from padit.devcluster.workers import start_workers
from tests.limits import allowed
from tests.parts import KafkaPart

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ProcessRecord]:
    record = start_process("sleeper", SLEEPER, log=tmp_path / "log")
    yield record
    stop_process(record)


def test_a_process_is_stopped_with_its_children(tmp_path: Path) -> None:
    code = f"import subprocess; child = subprocess.Popen({SLEEPER!r}); "
    code += "print(child.pid, flush=True); child.wait()"
    log = tmp_path / "log"
    record = start_process("parent", [sys.executable, "-c", code], log=log)
    while not log.read_text().strip():
        time.sleep(0.02)
    child = int(log.read_text())
    assert stop_process(record)
    assert not is_running(record)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_a_recycled_pid_is_never_killed(sleeper: ProcessRecord) -> None:
    stranger = ProcessRecord("ours, long gone", sleeper.pid, "another moment", sleeper.log)
    assert not is_running(stranger)
    assert not stop_process(stranger)
    assert not kill_process(stranger)
    assert is_running(sleeper)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); "
    code += "print(1, flush=True); time.sleep(600)"
    log = tmp_path / "log"
    record = start_process("stubborn", [sys.executable, "-c", code], log=log)
    while not log.read_text():
        time.sleep(0.02)
    assert stop_process(record, grace_s=0.2)
    assert not is_running(record)


def test_a_part_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such broker')"]
    part = Part("mine", command, log=tmp_path / "log", answers=lambda: False)
    with pytest.raises(
        PartFailedError, match=r"mine ended before it answered(.|\n)*no such broker"
    ):
        part.start()


def test_a_part_that_does_not_answer_in_time_is_stopped(tmp_path: Path) -> None:
    part = Part("slow", SLEEPER, log=tmp_path / "log", answers=lambda: False, timeout_s=0.2)
    with pytest.raises(PartFailedError, match="did not answer within"):
        part.start()
    assert not part.running


def test_a_taken_port_is_an_error_that_names_it() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PartFailedError, match=str(port)):
            free_port(port)


def test_a_free_port_is_given_out_once_and_a_server_can_listen_there() -> None:
    port = free_port()
    again = f"import sys; from padit.devcluster import ports; sys.exit(ports._claim({port}))"
    assert subprocess.run([sys.executable, "-c", again], check=False).returncode == 0
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_worker_that_cannot_import_what_it_needs_stops_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # "python -m" looks there first
    broken = tmp_path / "packages" / "confluent_kafka"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('librdkafka is missing')\n")
    monkeypatch.setattr(
        "padit.devcluster.workers.worker_environment",
        lambda: {**os.environ, "PYTHONPATH": f"{broken.parent}{os.pathsep}{ROOT}"},
    )
    with pytest.raises(PartFailedError, match="librdkafka is missing"):
        start_workers(tmp_path)


def _produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 2})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(60) == 0


def _consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "log_level": 2})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes] = []
    deadline = time.monotonic() + 60
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            values.append(message.value())
    consumer.close()
    return values


def test_a_broker_that_crashed_starts_again_with_its_records(
    kafka: KafkaPart, parts_directory: Path
) -> None:
    # The session's broker is asked for, so that a missing tool skips; the crash is another's.
    broker: Broker = start_broker(parts_directory / "crashing")
    with broker:
        broker.create_topic("survivor")
        before = broker.bootstrap
        _produce(before, "survivor", [b"one", b"two"])
        broker.kill()
        assert not broker.part.running
        broker.restart()
        _produce(broker.bootstrap, "survivor", [b"three"])
        assert _consume(before, "survivor", 3) == [b"one", b"two", b"three"]
    assert not broker.part.running


def test_two_tests_never_share_a_topic(kafka: KafkaPart) -> None:
    first, second = kafka.topic("same"), kafka.topic("same")
    assert first != second
    _produce(kafka.bootstrap, first, [b"1"])
    assert _consume(kafka.bootstrap, first, 1) == [b"1"]


def _run_sums(cluster: FlinkCluster, output: Path, parallelism: int) -> str:
    """Run a stateful pipeline on the cluster; return its end state."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from tests.integration.sums import AppendLine, RunningSum

    options = PipelineOptions(cluster.options(parallelism))
    pipeline = beam.Pipeline(options=options)
    (
        pipeline
        | "Make" >> beam.Create([(f"key-{n % 4}", n) for n in range(40)])
        | "Spread" >> beam.Reshuffle()
        | "Sum" >> beam.ParDo(RunningSum())
        | "Append" >> beam.ParDo(AppendLine(str(output)))
    )
    return str(pipeline.run().wait_until_finish())


@pytest.mark.parametrize("parallelism", [1, 2])
def test_a_stateful_pipeline_runs_on_flink_through_external_workers(
    flink: FlinkCluster, tmp_path: Path, parallelism: int
) -> None:
    output = tmp_path / "sums"
    assert _run_sums(flink, output, parallelism) == "DONE"
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == 40
    final = {key: max(total for name, total in rows if name == key) for key, _ in rows}
    assert final == {f"key-{n}": sum(range(n, 40, 4)) for n in range(4)}


def test_jobs_have_checkpoints_and_restarts_without_asking(
    flink: FlinkCluster, tmp_path: Path
) -> None:
    assert _run_sums(flink, tmp_path / "sums", 1) == "DONE"
    jobs = flink.rest("/jobs/overview")["jobs"]  # other tests share the cluster
    job = max(jobs, key=lambda job: job["start-time"])
    assert flink.rest(f"/jobs/{job['jid']}/checkpoints/config")["interval"] == 10_000
    settings = {row["key"]: row["value"] for row in flink.rest("/jobmanager/config")}
    assert settings["restart-strategy.type"] == "exponential-delay"


def test_a_killed_taskmanager_comes_back_under_its_name(
    flink: FlinkCluster, tmp_path: Path
) -> None:
    flink.taskmanagers[0].kill()
    flink.taskmanagers[0].restart()
    assert [manager["id"] for manager in flink.rest("/taskmanagers")["taskmanagers"]]
    assert _run_sums(flink, tmp_path / "sums", 1) == "DONE"


def _not_on_loopback(cluster: FlinkCluster) -> set[str]:
    """Return the parts that listen on an address others could reach."""
    open_parts = set()
    for part in cluster.parts:
        process = psutil.Process(part.pid)
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                found = one.net_connections("inet")
                listening = [c.laddr for c in found if c.status == psutil.CONN_LISTEN]
                addresses = {at.ip.removeprefix("::ffff:") for at in listening}
                if not addresses <= {"127.0.0.1", "::1"}:
                    open_parts.add(part.name)
    return open_parts


def test_all_of_flink_listens_on_loopback_only_also_while_a_job_runs(
    flink: FlinkCluster, tmp_path: Path
) -> None:
    # Beam's servers on the TaskManager live as long as a job.
    open_parts: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            open_parts.update(_not_on_loopback(flink))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert _run_sums(flink, tmp_path / "sums", 1) == "DONE"
    finally:
        done.set()
        watcher.join()
    assert not open_parts


def _padit(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "padit.cli.main", *arguments],
        cwd=directory,
        env=env,
        capture_output=True,
        text=True,
        timeout=allowed(240),
        check=False,
    )


def test_up_doctor_down_leave_no_process_behind(kafka: KafkaPart, tmp_path: Path) -> None:
    jars.tool("java")
    up = _padit(tmp_path, "up", "--free_ports")
    assert up.returncode == 0, up.stderr
    assert "padit run --runner=FlinkRunner" in up.stdout
    state = json.loads((tmp_path / ".padit" / "up.json").read_text())
    family = [psutil.Process(record["pid"]) for record in state["processes"]]
    family += [child for process in family for child in process.children(recursive=True)]
    try:
        doctor = _padit(tmp_path, "doctor", "--json")
        report = json.loads(doctor.stdout)
        assert doctor.returncode == 0, doctor.stdout
        assert {"broker", "topic", "flink", "workers"} <= {
            finding["check"] for finding in report["findings"] if finding["level"] == "ok"
        }
        assert all(f["fix"] for f in report["findings"] if f["level"] != "ok")
    finally:
        down = _padit(tmp_path, "down")
    assert down.returncode == 0, down.stderr
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    again = _padit(tmp_path, "down")
    assert again.returncode == 0
    assert "nothing runs" in again.stderr


def test_doctor_without_anything_running_says_how_to_start_it(tmp_path: Path) -> None:
    port = free_port()
    nowhere = f"127.0.0.1:{port}"
    arguments = ["--bootstrap", nowhere, "--flink", f"http://{nowhere}", "--job_endpoint", nowhere]
    arguments += ["--environment_config", nowhere, "--only", "broker,flink,workers", "--json"]
    doctor = _padit(tmp_path, "doctor", *arguments)
    assert doctor.returncode == 1
    broken = [f for f in json.loads(doctor.stdout)["findings"] if f["level"] == "broken"]
    assert {f["check"] for f in broken} == {"broker", "flink", "job endpoint", "workers"}
    assert all("padit up" in f["fix"] for f in broken)
