"""Every command of our images runs as a process: same arguments, environment, read-only files."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from padit.codecs import schemas  # noqa: F401  # the package that is tested is another one
from padit.devcluster.ports import LOOPBACK
from padit.devcluster.processes import Part
from tests.deploy.images import COMPOSE, Image, environment_of, stage
from tests.limits import allowed
from tests.namespaces import namespace, run_in
from tests.parts import missing, required_program

OURS = sorted(
    name for name, one in COMPOSE["services"].items() if str(one["image"]).startswith("padit/")
)


@pytest.fixture(scope="module")
def image(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    if os.geteuid() != 0 or not Path("/proc/self/ns/mnt").exists():
        missing("an image without an engine needs Linux and root")
    return Image.of(wheel, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name in COMPOSE["volumes"]:
        place = tmp_path_factory.mktemp(name)
        os.chown(place, 10001, 10001)
        found[name] = place
    return found


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    with namespace("images") as name:
        yield name


@contextmanager
def service(image: Image, space: str, name: str, volumes: dict[str, Path]) -> Iterator[Part]:
    """A service of compose, and what its health check says in the end."""
    command, environment = image.inside(space, name, image.command(name), volumes)
    log = image.place / f"{name}.log"
    part = Part(name, command, log=log, answers=lambda: True, env=environment)
    part.start()
    try:
        yield part
    finally:
        part.stop()


def well(image: Image, space: str, name: str, volumes: dict[str, Path], part: Part) -> bool:
    """Whether the health check of compose succeeds within its retries."""
    deadline = time.monotonic() + allowed(60)
    while time.monotonic() < deadline and part.running:
        if image.run(space, name, image.health(name), volumes).returncode == 0:
            return True
        time.sleep(0.5)
    return False


def listening(space: str) -> set[str]:
    """Addresses that are listened on in a network namespace; IPv4 in IPv6 as IPv4."""
    table = subprocess.run(
        run_in(space, ["cat", "/proc/net/tcp", "/proc/net/tcp6"]),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = set()
    for words in (line.split() for line in table.splitlines()):
        if words[3:4] == ["0A"]:
            host, _, port = words[1].partition(":")
            # Words of four bytes in the processor's order; the last is the IPv4 address.
            address = socket.inet_ntoa(bytes.fromhex(host[-8:])[::-1])
            found.add(f"{address}:{int(port, 16)}")
    return found


def test_all_our_services_are_tested_here() -> None:
    assert OURS == ["adapters", "alerting", "job", "portal", "workers"]


@pytest.mark.parametrize("name", OURS)
def test_nothing_can_be_written_but_what_is_mounted(
    image: Image, space: str, volumes: dict[str, Path], name: str
) -> None:
    code = (
        "import os, pathlib, json\n"
        "def can(place):\n"
        "    try:\n"
        "        (pathlib.Path(place) / 'probe').write_text('x')\n"
        "        return True\n"
        "    except OSError:\n"
        "        return False\n"
        "places = ['/', '/etc', '/usr', '/opt/padit', '/opt/padit/python/bin', '/tmp',"
        " '/var/lib/padit']\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(json.dumps({'uid': os.getuid(), 'can': [p for p in places if can(p)],"
        " 'status': status}))\n"
    )
    done = image.run(space, name, ["python", "-c", code], volumes)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    mounted = {target for _, target, mode in image.mounts(name, volumes) if mode == "rw"}
    assert set(found["can"]) == {"/tmp"} | (mounted & {"/var/lib/padit"})  # noqa: S108
    assert found["uid"] == 10001
    assert re.search(r"CapEff:\s0+\n", found["status"])
    assert re.search(r"CapBnd:\s0+\n", found["status"])
    assert "NoNewPrivs:\t1" in found["status"]


def test_the_worker_pool_is_ready_and_reached_on_loopback_only(
    image: Image, volumes: dict[str, Path]
) -> None:
    with namespace("images") as own, service(image, own, "workers", volumes) as part:
        assert well(image, own, "workers", volumes, part), Path(part.log).read_text()[-2000:]
        ports = listening(own)
        assert f"{LOOPBACK}:50000" in ports
        assert "0.0.0.0:9464" in ports
        assert not any(one.startswith("0.0.0.0:5") for one in ports)
        assert {int(one) for one in re.findall(r"^EXPOSE (.*)$", stage("worker"), re.M)[0].split()}
        log = Path(part.log).read_text()
        assert all(line.startswith("{") for line in log.strip().splitlines()), log[-1000:]


@pytest.fixture(scope="module")
def kafka(space: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A broker at kafka:29092, and the topics that compose makes."""
    from padit.devcluster.broker import prepare_broker

    broker = prepare_broker(tmp_path_factory.mktemp("kafka"), port=29092)
    command = run_in(space, broker.part.command)
    part = Part("broker", command, log=tmp_path_factory.mktemp("logs") / "kafka.log",
                answers=lambda: f"{LOOPBACK}:29092" in listening(space))  # fmt: skip
    with part:
        yield


@pytest.fixture(scope="module")
def topics(image: Image, space: str, volumes: dict[str, Path], kafka: None) -> None:
    del kafka
    script = str(COMPOSE["services"]["topics"]["command"][2])
    names = re.search(r"for topic in (.*); do", script)
    assert names is not None
    code = (
        "import sys\nfrom confluent_kafka.admin import AdminClient, NewTopic\n"
        "admin = AdminClient({'bootstrap.servers': 'kafka:29092'})\n"
        "for one in admin.create_topics([NewTopic(n, 4, 1) for n in sys.argv[1:]]).values():\n"
        "    one.result(60)\n"
    )
    done = image.run(space, "job", ["python", "-c", code, *names[1].split()], volumes)
    assert done.returncode == 0, done.stderr


def _count(image: Image, space: str, volumes: dict[str, Path], topic: str) -> int:
    code = (
        "from confluent_kafka import Consumer, TopicPartition as P\n"
        "c = Consumer({'bootstrap.servers': 'kafka:29092', 'group.id': 'count'})\n"
        f"print(sum(c.get_watermark_offsets(P('{topic}', n), 10)[1] for n in range(4)))\n"
    )
    done = image.run(space, "job", ["python", "-c", code], volumes)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.usefixtures("topics")
def test_adapters_are_healthy_and_their_samples_reach_the_broker(
    image: Image, space: str, volumes: dict[str, Path]
) -> None:
    with service(image, space, "adapters", volumes) as part:
        assert well(image, space, "adapters", volumes, part), Path(part.log).read_text()[-2000:]
        assert "0.0.0.0:9464" in listening(space)
        deadline = time.monotonic() + allowed(30)
        while not _count(image, space, volumes, "metrics"):
            assert time.monotonic() < deadline, Path(part.log).read_text()[-2000:]
            time.sleep(1)


def test_a_job_runs_and_the_portal_is_healthy_behind_the_ports_that_are_published(
    image: Image, space: str, volumes: dict[str, Path]
) -> None:
    # As docs say: the portal shows the files that a run of the job's image writes.
    place = volumes["results"]
    rows = [
        {"timestamp": 1767225600 + 10 * n, "source_id": "a", "metric_name": "x", "value": n % 7}
        for n in range(60)
    ]
    (place / "in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (place / "run").mkdir()
    os.chown(place / "run", 10001, 10001)
    words = ["run", "--input=/var/lib/padit/in.jsonl", "--output=/var/lib/padit/run/alerts.jsonl"]
    done = image.run(space, "job", image.command("job", words), volumes)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["scored"] == 60
    with service(image, space, "portal", volumes) as part:
        assert well(image, space, "portal", volumes, part), Path(part.log).read_text()[-2000:]
        published = [port.split(":")[2] for port in COMPOSE["services"]["portal"]["ports"]]
        assert {f"0.0.0.0:{port}" for port in published} <= listening(space)


@pytest.fixture(scope="module")
def postgres(space: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server at postgres:5432 that asks for the password of compose."""
    from tests.postgres import NOT_ROOT

    server, maker = required_program("postgres"), required_program("initdb")
    data = tmp_path_factory.mktemp("postgres") / "data"
    word = data.with_name("word")
    word.write_text("secret")
    made = subprocess.run(
        [*NOT_ROOT, maker.path, "--pgdata", str(data), "--username=padit", "--auth=scram-sha-256",
         "--pwfile", str(word), "--no-sync", "--locale=C.UTF-8"],
        env=dict(maker.environment), capture_output=True, text=True, check=False,
        timeout=allowed(60),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    command = run_in(space, [*NOT_ROOT, server.path, "-D", str(data), "-h", LOOPBACK,
                             "-c", "unix_socket_directories="])  # fmt: skip
    part = Part("postgres", command, log=data.with_name("log"), env=server.environment,
                answers=lambda: f"{LOOPBACK}:5432" in listening(space))  # fmt: skip
    with part:
        yield


@pytest.mark.usefixtures("topics", "postgres")
def test_alerting_works_with_the_store_that_compose_gives_it(
    image: Image, space: str, volumes: dict[str, Path]
) -> None:
    make = "import psycopg; c = psycopg.connect('postgresql://padit@postgres/postgres'," \
        " autocommit=True); c.execute('CREATE DATABASE padit')"  # fmt: skip
    assert environment_of("alerting")["PGPASSWORD"] == "secret"
    done = image.run(space, "alerting", ["python", "-c", make], volumes)
    assert done.returncode == 0, done.stderr
    tables = "import psycopg; c = psycopg.connect('postgresql://padit@postgres:5432/padit');" \
        " print(c.execute('SELECT count(*) FROM pg_stat_user_tables').fetchone()[0])"  # fmt: skip
    with service(image, space, "alerting", volumes) as part:
        deadline = time.monotonic() + allowed(40)
        while part.running and time.monotonic() < deadline:
            done = image.run(space, "alerting", ["python", "-c", tables], volumes)
            if done.stdout.strip() not in ("", "0"):
                break
            time.sleep(0.5)
        assert int(done.stdout) > 3, done.stderr + Path(part.log).read_text()[-2000:]
        assert part.running
        health = image.run(space, "alerting", image.health("alerting"), volumes)
        assert health.returncode == 0, health.stderr
