"""`padit up`: a real Kafka broker and Flink cluster on this machine, no Docker."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from padit.devcluster.broker import Broker, create_topic, prepare_broker
from padit.devcluster.errors import LocalError
from padit.devcluster.flink import FlinkCluster, Ports, prepare_flink
from padit.devcluster.processes import Part
from padit.devcluster.state import State, read_state, write_state
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Start a Kafka broker, a Flink cluster and Beam workers on this machine."
EXAMPLES = """\
examples:
  padit up                            on the usual ports: 9092, 8081, 8099, 50000
  padit up --free_ports               on free ports
  padit up --taskmanagers 2           eight task slots instead of four
  padit down                          ends all of it; the data stays in .padit

Needs Java 17 and, the first time, Maven. Everything listens on 127.0.0.1 only.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `padit up`."""
    add, port = parser.add_argument, Number(0, 65535)
    add(
        "--state_dir",
        type=Path,
        default=Path(".padit"),
        help="data, logs, list of processes (%(default)s)",
    )
    add("--kafka_port", type=port, default=9092, help="port of the broker (%(default)s)")
    add("--rest_port", type=port, default=8081, help="port of Flink's page and REST (%(default)s)")
    add("--job_port", type=port, default=8099, help="port of Beam's job server (%(default)s)")
    add("--workers_port", type=port, default=50000, help="port of the worker pool (%(default)s)")
    add("--free_ports", action="store_true", help="take free ports instead of these")
    add("--taskmanagers", type=Number(1, 64), default=1, help="with four slots each (%(default)s)")
    memory = Number(0, 1_000_000, "MB")
    add("--state_cache_mb", type=memory, help="state cache of each worker in MB, 0 for none")
    add(
        "--topics",
        default="metrics,features,anomalies,alerts,dlq",
        help="topics to create, separated by commas (%(default)s)",
    )
    add(
        "--partitions",
        type=Number(1, 10_000),
        default=4,
        help="partitions of those topics (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Start everything, wait until it answers, print how to submit."""
    state = read_state(args.state_dir)
    if state is not None and state.running:
        _say(f"already up ({len(state.running)} of {len(state.processes)} processes run)")
        if len(state.running) < len(state.processes):
            _say("some have ended; run `padit down`, then `padit up`")
            return 1
        print(_how_to(state))
        return 0
    begin = time.monotonic()
    broker, cluster = _prepare(args)
    state = _start(args.state_dir, broker, cluster)
    for topic in filter(None, args.topics.split(",")):
        _create(broker.bootstrap, topic, args.partitions)
    _say(f"up after {time.monotonic() - begin:.0f} s")
    print(_how_to(state))
    return 0


def _say(text: str) -> None:
    print(f"padit up: {text}", file=sys.stderr, flush=True)


def _prepare(args: argparse.Namespace) -> tuple[Broker, FlinkCluster]:
    wanted = Ports(rest=args.rest_port, job=args.job_port, workers=args.workers_port)
    ports = Ports() if args.free_ports else wanted
    kafka_port = 0 if args.free_ports else args.kafka_port
    directory = args.state_dir.resolve()
    broker = prepare_broker(directory / "kafka", port=kafka_port, say=_say)
    cluster = prepare_flink(
        directory / "flink",
        ports=ports,
        taskmanagers=args.taskmanagers,
        state_cache_mb=args.state_cache_mb,
        say=_say,
    )
    return broker, cluster


def _start(directory: Path, broker: Broker, cluster: FlinkCluster) -> State:
    """Start all parts side by side. If one fails, or on Ctrl-C, those already up are ended."""
    parts = [broker.part, *cluster.parts]
    state = State(
        broker.bootstrap,
        cluster.rest_url,
        cluster.job_endpoint,
        cluster.worker_endpoint,
        cluster.flavour,
    )
    try:
        for part in parts:
            part.launch()
            state.processes = [p.record for p in parts if p.record is not None]
            write_state(directory, state)
        for part in parts:
            _wait(part)
    except BaseException:
        _say("stopping the started parts")
        for part in reversed(parts):
            part.stop()
        raise
    return state


def _wait(part: Part) -> None:
    _say(f"{part.name} ...")
    part.wait()
    _say(f"{part.name} answers (process {part.pid}, log {part.log.name})")


def _create(bootstrap: str, topic: str, partitions: int) -> None:
    from confluent_kafka import KafkaError, KafkaException

    try:
        create_topic(bootstrap, topic, partitions)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            message = f"the topic {topic!r} cannot be created: {error.args[0].str()}"
            raise LocalError(message) from error


def _how_to(state: State) -> str:
    endpoints = (
        f" --job_endpoint={state.job_endpoint} --environment_config={state.worker_endpoint}"
        if (state.job_endpoint, state.worker_endpoint) != ("127.0.0.1:8099", "127.0.0.1:50000")
        else ""
    )
    return f"""\
broker      {state.bootstrap}
Flink       {state.rest_url}
job server  {state.job_endpoint} ({state.flavour})
workers     {state.worker_endpoint}

Submit the job:
  padit run --runner=FlinkRunner{endpoints} \\
    --input kafka://{state.bootstrap}/metrics --output kafka://{state.bootstrap}/alerts
With N task slots and N workers at work: add --parallelism=N --sdk_worker_parallelism=N
Any other Beam pipeline:
  --runner=PortableRunner --job_endpoint={state.job_endpoint} --environment_type=EXTERNAL \\
    --environment_config={state.worker_endpoint} --streaming
Check it: padit doctor     End it: padit down"""
