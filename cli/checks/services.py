"""Checks of running services: the broker and its topic, the Flink cluster, its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from padit.cli.checks.findings import Finding, broken, fine, warning
from padit.devcluster.flink import rest_json
from padit.devcluster.ports import port_answers

__all__ = ["check_broker", "check_flink", "check_job_options", "check_port"]

# Flink reports "no checkpoints" as the largest long.
_NEVER_MS = 2**62


def check_broker(bootstrap: str, topic: str) -> Iterator[Finding]:
    """Reach the broker and look for the topic."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    settings = {"bootstrap.servers": bootstrap, "log_level": 2, "socket.timeout.ms": 4000}
    try:
        known = AdminClient(settings).list_topics(timeout=5.0)
    except KafkaException as error:
        yield broken(
            "broker",
            f"{bootstrap} does not answer: {error.args[0].str()}",
            "`padit up` starts a local one; --bootstrap HOST:PORT names another",
        )
        return
    yield fine("broker", f"{bootstrap}, {len(known.brokers)} broker(s)")
    found = known.topics.get(topic)
    if found is None or found.error is not None:
        names = ", ".join(sorted(name for name in known.topics if not name.startswith("__")))
        yield broken(
            "topic",
            f"{topic!r} does not exist; there are: {names or 'none'}",
            f"kafka-topics.sh --bootstrap-server {bootstrap} --create --topic {topic}, "
            "or --topic NAME for another one",
        )
    else:
        yield fine("topic", f"{topic}, {len(found.partitions)} partition(s)")
        yield _check_timestamps(AdminClient(settings), bootstrap, topic)


def _check_timestamps(admin: Any, bootstrap: str, topic: str) -> Finding:
    """See whose clock the records of a topic carry."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import ConfigResource, ResourceType

    check = "record time"
    wanted = ConfigResource(ResourceType.TOPIC, topic)
    try:
        found = admin.describe_configs([wanted])[wanted].result(10)["message.timestamp.type"].value
    except (KafkaException, KeyError, TimeoutError) as error:
        fix = "allow DescribeConfigs for this user, or look at message.timestamp.type by hand"
        return warning(check, f"the settings of {topic} cannot be read: {error}", fix)
    if found == "LogAppendTime":
        return fine(check, f"{topic} has the broker's clock ({found})")
    return warning(
        check,
        f"{topic} has the producers' clocks ({found}): --max_ahead_sec cannot detect a wild one",
        f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics "
        f"--entity-name {topic} --add-config message.timestamp.type=LogAppendTime",
    )


def check_port(check: str, endpoint: str, fix: str) -> Finding:
    """See whether something accepts connections at `host:port`."""
    host, _, port = endpoint.rpartition(":")
    if port.isdecimal() and port_answers(int(port), host):
        return fine(check, f"{endpoint} answers")
    return broken(check, f"{endpoint} does not answer", fix)


def check_flink(rest_url: str) -> Iterator[Finding]:
    """Reach the cluster; look at its slots and at the checkpoints of the jobs that run."""
    try:
        overview = rest_json(f"{rest_url}/overview")
        jobs = rest_json(f"{rest_url}/jobs/overview")["jobs"]
    except (OSError, ValueError, KeyError) as error:
        fix = "`padit up` starts a local cluster; --flink http://HOST:8081 names another"
        yield broken("flink", f"{rest_url} does not answer: {error}", fix)
        return
    slots, free = overview["slots-total"], overview["slots-available"]
    detail = f"{rest_url}, Flink {overview['flink-version']}, {free} of {slots} slots free"
    if slots == 0:
        fix = "start a TaskManager, or read the end of its log: it may have failed"
        yield broken("flink", f"{detail}: no TaskManager has registered", fix)
    elif free == 0:
        yield warning(
            "flink", detail, "a new job waits: `padit up --taskmanagers 2`, or cancel one"
        )
    else:
        yield fine("flink", detail)
    for job in jobs:
        if job["state"] in {"RUNNING", "RESTARTING", "FAILING"}:
            yield _check_job(rest_url, job)


def _check_job(rest_url: str, job: dict[str, Any]) -> Finding:
    check = f"job {job['name']}"
    try:
        settings = rest_json(f"{rest_url}/jobs/{job['jid']}/checkpoints/config")
        counts = rest_json(f"{rest_url}/jobs/{job['jid']}/checkpoints").get("counts", {})
    except (OSError, ValueError):
        settings, counts = {"interval": _NEVER_MS}, {}
    if job["state"] != "RUNNING":
        fix = f"read its exceptions: {rest_url}/#/job/running/{job['jid']}/exceptions"
        return broken(check, f"it is {job['state']}", fix)
    interval_ms = settings.get("interval", _NEVER_MS)
    if not 0 < interval_ms < _NEVER_MS:
        fix = "submit it with --checkpointing_interval=10000"
        return warning(check, "no checkpoints: one lost TaskManager fails it", fix)
    failed, done = counts.get("failed", 0), counts.get("completed", 0)
    detail = f"a checkpoint every {interval_ms / 1000:g} s, {done} done, {failed} failed"
    if failed > done:
        return warning(check, detail, f"see {rest_url}/#/job/running/{job['jid']}/checkpoints")
    return fine(check, detail)


def check_job_options(options: list[str]) -> Iterator[Finding]:
    """Look for unsafe settings among the options that `padit run` would be given."""
    values = dict(_pairs(options))
    options = [f"--{name}={value}" for name, value in values.items()]
    interval = values.get("checkpointing_interval")
    if interval is not None and (not interval.removeprefix("-").isdecimal() or int(interval) <= 0):
        detail = f"--checkpointing_interval={interval}: no checkpoints and no restarts"
        yield warning("options", detail, "leave the option out (10 s), or give milliseconds")
    if values.get("start_offset") == "latest" or "auto.offset.reset=latest" in " ".join(options):
        detail = "starting at the latest offset: records that arrive while the job is down are lost"
        yield warning("options", detail, "use --start_offset=earliest, or restore a savepoint")
    if "enable.auto.commit=true" in " ".join(options):
        detail = "automatic commits and a job that has no checkpoint yet lose records"
        yield warning("options", detail, "leave enable.auto.commit out (apache/beam issue 21742)")
    if _number(values.get("parallelism")) > _number(values.get("sdk_worker_parallelism")):
        detail = "more parallel instances than Python workers: they share one core"
        yield warning("options", detail, "give --sdk_worker_parallelism the same value")


def _pairs(options: list[str]) -> Iterator[tuple[str, str]]:
    """Names and values of `--name=value` and of `--name value`."""
    for at, option in enumerate(options):
        name, equals, value = option.partition("=")
        following = options[at + 1 : at + 2]
        if option.startswith("--"):
            apart = not equals and following and not following[0].startswith("--")
            yield name.lstrip("-"), following[0] if apart else value


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 1
