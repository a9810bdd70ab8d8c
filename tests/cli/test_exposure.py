"""`padit doctor` finds what runs code for others and can be reached by them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from padit.cli.checks.exposure import check_exposure, outside_addresses
from padit.cli.checks.findings import Level

# The whole of 127.0.0.0/8 is here on Linux: one of its addresses stands for one that others use.
_OUTSIDE = "127.0.0.77"


@contextmanager
def listening(address: str) -> Iterator[int]:
    with closing(socket.create_server((address, 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "http://localhost:{}", "http://[::1]:{}"])
def test_what_listens_everywhere_is_broken(form: str) -> None:
    with listening("0.0.0.0") as port:  # noqa: S104 - that is what has to be found
        (found,) = check_exposure([("flink", form.format(port))], [_OUTSIDE])
    assert found.level is Level.BROKEN
    assert f"port {port} answers at {_OUTSIDE}" in found.detail
    assert "rest.bind-address" in str(found.fix)


def test_what_listens_on_loopback_is_fine() -> None:
    with listening("127.0.0.1") as port:
        (found,) = check_exposure([("workers", f"localhost:{port}")], [_OUTSIDE])
    assert found.level is Level.OK


def test_what_listens_at_an_address_of_others_is_broken_by_whatever_name() -> None:
    with listening(_OUTSIDE) as port:
        (found,) = check_exposure([("workers", f"{_OUTSIDE}:{port}")], [_OUTSIDE])
    assert found.level is Level.BROKEN


def test_another_machine_is_a_warning_and_a_wrong_address_is_none_of_this_check() -> None:
    (found,) = check_exposure([("flink", "http://192.0.2.7:8081")], [_OUTSIDE])
    assert found.level is Level.WARNING
    assert "docs/security.md" in str(found.fix)
    assert list(check_exposure([("flink", "nonsense"), ("workers", "")], [_OUTSIDE])) == []
    (found,) = check_exposure([("flink", f"{'x' * 300}.:81")], [_OUTSIDE])
    assert found.level is Level.WARNING


def test_addresses_of_this_machine_are_not_loopback() -> None:
    assert all(not one.startswith("127.") for one in outside_addresses())
