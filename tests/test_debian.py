"""Programs from Debian packages run from the cache, without root and without an installation."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from padit.devcluster import jars
from padit.devcluster.errors import MissingToolError
from padit.devcluster.ports import free_port, port_answers
from padit.devcluster.processes import Part
from tests import debian
from tests.debian import Program, unpacked
from tests.limits import allowed
from tests.parts import required

# PostgreSQL refuses root; in a namespace of its own it is another user with the same files.
_NOT_ROOT = ["unshare", "--user", "--map-user=65534"] if os.geteuid() == 0 else []


@contextmanager
def running(
    name: str, program: Program, command: list[str], port: int, log: Path, ready: str = ""
) -> Iterator[Part]:
    part = Part(
        name,
        [*command],
        log=log,
        answers=lambda: port_answers(port) and ready in log.read_text(errors="replace"),
        env=program.environment,
    )
    part.start()
    try:
        yield part
    finally:
        part.stop()


def run(program: Program, *arguments: str, before: list[str] | None = None) -> str:
    command = [*(before or []), program.path, *arguments]
    done = subprocess.run(
        command,
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(60),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("package", debian.PACKAGES)
def test_all_libraries_of_a_package_come_with_it(package: str) -> None:
    for name in debian.PACKAGES[package]:
        program = required(lambda name=name: unpacked(package, name))  # type: ignore[misc]
        found = subprocess.run(
            ["ldd", program.path],
            env=program.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "not found" not in found.stdout


def test_redis_from_the_cache_keeps_a_value(tmp_path: Path) -> None:
    server = required(lambda: unpacked("redis-server", "redis-server"))
    client = required(lambda: unpacked("redis-server", "redis-cli"))
    port = free_port()
    command = [server.path, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    with running("Redis", server, command, port, tmp_path / "log") as part:
        assert run(client, "-p", str(port), "set", "a", "1").strip() == "OK"
        assert run(client, "-p", str(port), "get", "a").strip() == "1"
    assert not port_answers(port)
    assert not part.running


def test_postgresql_from_the_cache_answers_a_query(tmp_path: Path) -> None:
    server = required(lambda: unpacked("postgresql-15", "postgres"))
    client = required(lambda: unpacked("postgresql-15", "psql"))
    maker = required(lambda: unpacked("postgresql-15", "initdb"))
    data, port = tmp_path / "data", free_port()
    options = ["--pgdata", str(data), "--username=padit", "--auth=trust", "--no-sync"]
    run(maker, *options, "--locale=C.UTF-8", before=_NOT_ROOT)
    command = [*_NOT_ROOT, server.path, "-D", str(data), "-p", str(port)]
    command += ["-h", "127.0.0.1", "-c", f"unix_socket_directories={tmp_path}"]
    ready = "ready to accept connections"  # its port answers before
    with running("PostgreSQL", server, command, port, tmp_path / "log", ready):
        place = ["-h", "127.0.0.1", "-p", str(port), "-U", "padit", "-d", "postgres"]
        assert run(client, *place, "-At", "-c", "select 6 * 7").strip() == "42"
    assert not port_answers(port)


def test_a_package_that_apt_does_not_know_is_named_with_apts_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADIT_HOME", str(tmp_path))
    monkeypatch.setitem(debian.PACKAGES, "no-such-thing", ("no-such-thing",))
    with pytest.raises(MissingToolError, match="no-such-thing"):
        debian.program("no-such-thing")
    assert [path for path in jars.home().rglob("*") if path.is_file()] == []


def test_without_apt_what_is_not_installed_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADIT_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(debian.PACKAGES, "no-such-thing", ("no-such-thing",))
    assert "no apt-get" in str(debian.lacks("no-such-thing"))
