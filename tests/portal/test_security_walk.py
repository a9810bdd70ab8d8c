"""What somebody with some rights could do with more: streams, tokens, names, bodies, aliases."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from padit.domain.timestamps import MICROS
from tests.limits import allowed
from tests.portal.making import PASSWORD, Served, append, served, transition

_OURS = {"X-Padit": "1"}


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Served]:
    append(tmp_path / "alerts.jsonl", transition("opened", 0))
    with served(tmp_path) as one:
        yield one


def _user(one: Served, name: str, role: str) -> httpx.Client:
    """A client of a user who is logged in."""
    link = one.portal.accounts.link(role)  # type: ignore[arg-type]
    client = one.client()
    body = {"token": link, "name": name, "password": PASSWORD}
    client.post("/api/first", json=body).raise_for_status()
    return client


def _busy(one: Served, seconds: float) -> Iterator[None]:
    """Changes, several a second, so that no stream is ever without any."""
    folder, end, at = one.portal.places.alerts, time.monotonic() + seconds, 0
    assert folder is not None
    while time.monotonic() < end:
        at += 1
        append(folder, transition("opened", at, f"b{at}", base=int(time.time() * MICROS),
                                  source_id=f"m-{at}"))  # fmt: skip
        time.sleep(0.2)
        yield


@pytest.mark.parametrize("how", ["events", "socket"])
@pytest.mark.parametrize("end", ["revoked", "logged out", "removed"])
def test_a_busy_stream_ends_when_its_reader_may_no_longer_read(
    portal: Served, how: str, end: str
) -> None:
    admin = portal.client("admin")
    if end == "revoked":
        made = admin.post("/api/keys", json={"name": "x", "role": "viewer"}).json()
        head, client = {"Authorization": f"Bearer {made['key']}"}, None
    else:
        client = _user(portal, "eve", "viewer")
        head = {"Cookie": "; ".join(f"{k}={v}" for k, v in client.cookies.items())}
    with contextlib.ExitStack() as stack:
        if how == "events":
            answer = stack.enter_context(httpx.stream(
                "GET", f"{portal.address}/api/events", headers=head, timeout=allowed(20)
            ))  # fmt: skip
            lines = answer.iter_lines()
            next(line for line in lines if line.startswith("event: hello"))
        else:
            address = portal.address.replace("http", "ws") + "/api/ws"
            made_socket = stack.enter_context(connect(address, additional_headers=head))
            assert json.loads(made_socket.recv(allowed(5)))["event"] == "hello"
        if end == "revoked":
            admin.delete(f"/api/keys/{made['prefix']}").raise_for_status()
        elif end == "logged out":
            assert client is not None
            client.request("DELETE", "/api/session", headers=_OURS).raise_for_status()
        else:
            admin.delete("/api/users/eve").raise_for_status()
        began = time.monotonic()
        for _ in _busy(portal, allowed(15)):
            if _ended(lines if how == "events" else made_socket):
                break
        else:
            pytest.fail("the stream goes on")
        assert time.monotonic() - began < allowed(8)


def _ended(stream: object) -> bool:
    """Read what has come; whether that was the end."""
    try:
        if isinstance(stream, Iterator):
            return next(stream, None) is None
        stream.recv(allowed(2))  # type: ignore[attr-defined]
    except (ConnectionClosed, httpx.RemoteProtocolError):
        return True
    return False


def test_a_token_begets_no_token_and_ends_with_the_user_or_the_key_it_is_of(
    portal: Served,
) -> None:
    admin, eve = portal.client("admin"), _user(portal, "eve", "operator")
    made = admin.post("/api/keys", json={"name": "x", "role": "viewer"}).json()
    head = {"Authorization": f"Bearer {made['key']}"}
    tokens = [
        eve.post("/api/tokens", headers=_OURS).json()["token"],
        portal.client().post("/api/tokens", headers=head).json()["token"],
    ]
    for token in tokens:
        mine = {"Authorization": f"Bearer {token}"}
        assert portal.client().get("/api/alerts", headers=mine).status_code == 200
        assert portal.client().post("/api/tokens", headers=mine).status_code == 403
    admin.delete("/api/users/eve").raise_for_status()
    admin.delete(f"/api/keys/{made['prefix']}").raise_for_status()
    for token in tokens:
        mine = {"Authorization": f"Bearer {token}"}
        assert portal.client().get("/api/alerts", headers=mine).status_code == 401


@pytest.mark.parametrize("name", ["key:admin", "address 127.0.0.1", "configuration"])
def test_nobody_takes_a_name_that_means_a_program(portal: Served, name: str) -> None:
    body = {"token": portal.portal.accounts.link("viewer"), "name": name, "password": PASSWORD}
    assert portal.client().post("/api/first", json=body).status_code == 422


def test_who_may_send_no_log_records_is_limited_by_requests_where_they_are_sent(
    tmp_path: Path,
) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 0))
    with served(tmp_path, requests=20) as one:
        for client in (one.client(), one.client("viewer")):
            found = {client.post("/api/v1/logs", json={"message": "x"}).status_code
                     for _ in range(60)}  # fmt: skip
            assert 429 in found
            assert 201 not in found
        ingest = one.client("ingest")
        assert {ingest.post("/api/v1/logs", json={"message": "x"}).status_code
                for _ in range(60)} == {201}  # fmt: skip


def _chunked(one: Served, path: str, megabytes: int, key: str) -> bytes:
    """The first line of the answer to a body without a stated length."""
    port = int(one.address.rpartition(":")[2])
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{key}" \
           "Transfer-Encoding: chunked\r\n\r\n"  # fmt: skip
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=allowed(20)) as made:
        made.sendall(head.encode())
        with contextlib.suppress(OSError):  # it may hang up as soon as it has had enough
            for _ in range(megabytes):
                made.sendall(piece)
            made.sendall(b"0\r\n\r\n")
        with contextlib.suppress(OSError):
            return made.recv(4096).partition(b"\r\n")[0]
    return b""


@pytest.mark.parametrize("path", ["/api/session", "/api/first", "/api/whatif", "/api/v1/logs"])
def test_a_body_without_an_end_is_refused_also_where_nobody_has_logged_in(
    portal: Served, path: str
) -> None:
    key = "" if path in ("/api/session", "/api/first") else (
        f"Authorization: Bearer {portal.keys['admin']}\r\n"
    )  # fmt: skip
    assert b" 413 " in _chunked(portal, path, 20, key)
    assert portal.client("viewer").get("/api/alerts").status_code == 200


def test_a_configuration_that_grows_by_aliases_is_refused_at_once(portal: Served) -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]")
    for tail in ("receivers: *j", "routes: [{name: a, match: {source: *j}}]", "x: &x [*x]", ""):
        began = time.monotonic()
        answer = portal.client("viewer").post(
            "/api/whatif", json={"config": "\n".join([*lines, tail])}
        )
        assert answer.status_code == 422
        assert len(answer.content) < 10_000
        assert time.monotonic() - began < allowed(2)


def test_the_audit_log_holds_who_did_what_to_what(portal: Served) -> None:
    ann, admin = _user(portal, "ann", "operator"), portal.client("admin")
    wrong = {"name": "ann", "password": "guess number one"}
    assert portal.client().post("/api/session", json=wrong).status_code == 401
    right = {"name": "ann", "password": PASSWORD}
    assert portal.client().post("/api/session", json=right).status_code == 200
    body = {"source": "press-9", "until": "2h"}
    assert ann.post("/api/silences", json=body, headers=_OURS).status_code == 200
    incident = next(iter(portal.portal.overview.incidents))
    path = f"/api/incidents/{incident}/acknowledge"
    assert ann.post(path, json={"note": "mine"}, headers=_OURS).status_code == 200
    admin.post("/api/keys", json={"name": "probe", "role": "ingest"}).raise_for_status()
    admin.post("/api/users/links", json={"role": "viewer"}).raise_for_status()
    rows = admin.get("/api/audit").json()["items"]
    found = [(one["who"], one["what"], one["target"], one["result"]) for one in rows]
    assert found == [
        ("key:admin", "POST /api/users/links", "/api/users/links as viewer", 200),
        ("key:admin", "POST /api/keys", "/api/keys probe as ingest", 200),
        ("ann", "POST /api/incidents/{incident}/{what}", f"{path} acknowledge  mine", 200),
        ("ann", "POST /api/silences", "/api/silences source=press-9 until=2h", 200),
        ("ann", "POST /api/session", "/api/session ann", 200),
        ("", "POST /api/session", "/api/session ann", 401),
        ("", "POST /api/first", "/api/first ann", 200),
    ]
