"""Who may do what: every route, without, with the wrong and with the right role."""

import base64
import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from padit.portal.accounts import ROLES, Accounts, Principal
from padit.portal.routing import RouteRow, all_routes
from tests.limits import allowed
from tests.portal.making import PASSWORD, Served, append, features, readings, served, transition

PUBLIC = {
    ("GET", "/"), ("GET", "/static/{path:path}"), ("GET", "/favicon.ico"),
    ("GET", "/api/health/live"), ("GET", "/api/health/ready"), ("POST", "/api/session"),
    ("POST", "/api/first"),
}  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("run")
    append(folder / "alerts.jsonl", transition("opened", 60))
    append(folder / "metrics.jsonl", *readings(200))
    append(folder / "features.jsonl", *features(10))
    with served(folder) as one:
        yield one


def _routes(portal: Served) -> list[RouteRow]:
    return list(all_routes(portal.app.routes))


def test_every_route_states_a_role_and_the_public_ones_are_these(portal: Served) -> None:
    routes = _routes(portal)
    assert len(routes) > 35
    assert {(one.method, one.path) for one in routes if one.role == "public"} == PUBLIC
    assert {one.path for one in routes if one.method == "WS"} == {"/api/ws"}
    assert {one.role for one in routes} - {"public"} <= set(ROLES)
    assert [one for one in routes if not one.what] == []


def test_a_route_without_a_guard_keeps_the_application_from_starting(portal: Served) -> None:
    def open_to_all() -> None:
        """Nothing."""

    loose = APIRoute("/loose", open_to_all)
    with pytest.raises(TypeError, match="loose"):
        list(all_routes([*portal.app.routes, loose]))


def test_a_route_that_states_no_role_is_refused_to_an_admin(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 0))
    with served(tmp_path) as one:

        def forgotten() -> None:
            """Nothing."""

        one.app.add_api_route("/forgotten", forgotten, methods=["GET"])
        assert one.client("admin").get("/forgotten").status_code == 403


def _ask(client: httpx.Client, method: str, path: str) -> int:
    path = re.sub(r"\{[^}]*\}", "nothing", path)
    if path.endswith("/api/events"):
        with client.stream(method, path) as answer:
            return answer.status_code
    return client.request(method, path, json={} if method in ("POST", "PUT") else None).status_code


def test_every_route_refuses_who_may_not_and_lets_in_who_may(portal: Served) -> None:
    clients = {role: portal.client(role) for role in ("", *ROLES)}
    wrong = []
    for method, path, role, _ in _routes(portal):
        if role == "public" or method == "WS":
            continue
        if _ask(clients[""], method, path) != 401:
            wrong.append(("nobody", method, path, 0))
        for who in ROLES:
            may = (
                who == role
                if who == "ingest"
                else ROLES[who] >= ROLES["operator" if role == "ingest" else role]
            )
            status = _ask(clients[who], method, path)
            if (status == 403) == may or status in (401, 500):
                wrong.append((who, method, path, status))
    assert wrong == []


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer  x y", "Bearer x", "Bearer padit_x", "Basic YTpi", "Bearer " + "é",
     "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwicm9sZSI6ImFkbWluIn0.",
     "Bearer " + "A" * 5000, "Bearer " + "." * 100],
)  # fmt: skip
def test_what_is_no_key_and_no_token_is_refused(portal: Served, header: str) -> None:
    client = portal.client()
    answer = client.get("/api/alerts", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_works_until_it_ends_and_never_with_another_signature(
    portal: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = portal.client("operator").post("/api/tokens").json()["token"]
    client = portal.client()
    head = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/session", headers=head).json() == {
        "name": "key:operator", "role": "operator",
    }  # fmt: skip
    body, _, _ = token.rpartition(".")
    forged = {"Authorization": f"Bearer {body}.{'A' * 43}"}
    assert client.get("/api/session", headers=forged).status_code == 401
    monkeypatch.setattr("padit.portal.accounts.TOKEN_SECONDS", -120)
    late = portal.client("operator").post("/api/tokens").json()["token"]
    assert (
        client.get("/api/session", headers={"Authorization": f"Bearer {late}"}).status_code == 401
    )


def test_a_revoked_key_is_refused_at_once(portal: Served) -> None:
    admin = portal.client("admin")
    made = admin.post("/api/keys", json={"name": "x", "role": "viewer"}).json()
    head = {"Authorization": f"Bearer {made['key']}"}
    assert portal.client().get("/api/alerts", headers=head).status_code == 200
    assert made["key"] not in admin.get("/api/keys").text
    assert admin.delete(f"/api/keys/{made['prefix']}").status_code == 200
    assert portal.client().get("/api/alerts", headers=head).status_code == 401


def test_a_link_makes_one_user_and_a_session_needs_the_header_and_our_own_page(
    portal: Served,
) -> None:
    link = portal.client("admin").post("/api/users/links", json={"role": "operator"}).json()
    token = link["link"].rpartition("/")[2]
    client = portal.client()
    body = {"token": token, "name": "ann", "password": PASSWORD}
    assert client.post("/api/first", json=body | {"password": "short"}).status_code == 422
    answer = client.post("/api/first", json=body)
    assert answer.json() == {"name": "ann", "role": "operator"}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert portal.client().post("/api/first", json=body | {"name": "eve"}).status_code == 401
    silence = {"source": "press-9", "until": "1h"}
    assert client.post("/api/silences", json=silence).status_code == 403
    ours = {"X-Padit": "1"}
    assert client.post("/api/silences", json=silence, headers=ours).status_code == 200
    for foreign in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post("/api/silences", json=silence, headers=ours | foreign)
        assert answer.status_code == 403
    assert client.request("DELETE", "/api/session", headers=ours).status_code == 200
    assert client.get("/api/session").status_code == 401


def test_what_people_do_is_noted_also_when_it_is_refused(portal: Served) -> None:
    portal.client("viewer").post("/api/silences", json={"source": "x"})
    operator = portal.client("operator")
    operator.post("/api/silences", json={"source": "press-7"})
    items = portal.client("admin").get("/api/audit").json()["items"]
    found = [(one["who"], one["what"], one["result"]) for one in items]
    assert ("key:operator", "POST /api/silences", 200) in found
    assert ("key:viewer", "POST /api/silences", 403) in found


def test_the_last_admin_stays(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 0))
    with served(tmp_path) as one:
        token = one.portal.accounts.link("admin")
        one.client().post("/api/first", json={"token": token, "name": "a", "password": PASSWORD})
        assert one.client("admin").delete("/api/users/a").status_code == 409


def test_requests_are_limited_by_principal_and_logins_by_address(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 0))
    with served(tmp_path, requests=20) as one:
        viewer, operator = one.client("viewer"), one.client("operator")
        found = [viewer.get("/api/silences").status_code for _ in range(60)]
        assert found.count(200) >= 20
        assert 429 in found
        assert operator.get("/api/silences").status_code == 200
        body = {"name": "a", "password": "b"}
        tries = [one.client().post("/api/session", json=body).status_code for _ in range(12)]
        assert set(tries) == {401, 429}


def test_every_answer_has_the_headers_of_a_page_that_runs_no_foreign_code(portal: Served) -> None:
    for path in ("/", "/static/js/app.js", "/api/alerts", "/nothing", "/static/../accounts.py"):
        headers = portal.client().get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_tokens_are_signed_by_the_key_of_the_day_and_checked_by_the_one_before_it(
    tmp_path: Path,
) -> None:
    now = [time.time()]
    accounts = Accounts(tmp_path / "accounts.sqlite", lambda: now[0])
    accounts.redeem(accounts.link("operator"), "ann", PASSWORD)
    who = Principal("ann", "operator", "session")

    def kid(token: str) -> str:
        head = token.partition(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])

    first = accounts.token(who)
    now[0] += 24 * 3600 - 60  # a minute before the key changes
    last = accounts.token(who)
    assert kid(last) == kid(first)
    now[0] += 120
    fresh = accounts.token(who)
    assert kid(fresh) != kid(last)
    assert accounts.by_bearer(last) == Principal("ann", "operator", "token")
    assert accounts.by_bearer(fresh) == Principal("ann", "operator", "token")
    assert accounts.by_bearer(first) is None  # it has ended
    head, body, _ = fresh.split(".")
    assert accounts.by_bearer(f"{head}.{body}.{last.rpartition('.')[2]}") is None
    unknown = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"none"}').decode().rstrip("=")
    assert accounts.by_bearer(f"{unknown}.{body}.{fresh.rpartition('.')[2]}") is None
    for _ in range(3):
        now[0] += 24 * 3600 + 60
        accounts.token(who)
    assert accounts.by_bearer(last) is None
    with contextlib.closing(sqlite3.connect(tmp_path / "accounts.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM signing").fetchone()[0] <= 3
    accounts.close()


def test_the_socket_refuses_who_may_not_and_lets_in_who_may(portal: Served) -> None:
    address = portal.address.replace("http", "ws") + "/api/ws"
    token = portal.client("viewer").post("/api/tokens").json()["token"]
    wrong = [{}, {"Authorization": "Bearer padit_x"}, {"Cookie": "padit_session=x"},
             {"Authorization": f"Bearer {token[:-2]}AA"},
             {"Authorization": f"Bearer {portal.keys['ingest']}"},
             {"Authorization": f"Bearer {token}", "Origin": "https://evil.example"}]  # fmt: skip
    for head in wrong:
        with pytest.raises(InvalidStatus), connect(address, additional_headers=head):
            pass
    for right in (token, *(portal.keys[role] for role in ("viewer", "operator", "admin"))):
        head = {"Authorization": f"Bearer {right}"}
        with connect(address, additional_headers=head) as socket:
            assert json.loads(socket.recv(allowed(5)))["event"] == "hello"


def test_a_key_works_until_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("padit.portal.accounts._SEEN_SECONDS", 0.0)  # else two seconds longer
    now = [time.time()]
    accounts = Accounts(tmp_path / "accounts.sqlite", lambda: now[0])
    key, prefix = accounts.new_key("x", "viewer", 2, "test")
    assert len(base64.urlsafe_b64decode(key.removeprefix("padit_") + "=")) == 32
    now[0] += 2 * 86_400 - 60
    assert accounts.by_bearer(key) == Principal("key:x", "viewer", "key")
    now[0] += 120
    assert accounts.by_bearer(key) is None
    accounts.close()
    data = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert key.encode() not in data
    assert prefix.encode() in data
