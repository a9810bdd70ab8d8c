"""HTTP probes over redirects, with credentials, by status, charset and pattern; and the books."""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.errors import AdapterError
from padit.adapters.http_target import Target, shown_url, text_of
from padit.adapters.patterns import Searcher
from padit.adapters.registry import create_adapter
from padit.domain.errors import ConfigurationError
from tests.adapters.test_http_probe import Server, probe, values

GREETING = "Grüße aus Köln"


class Shop(Server):
    """Redirects, pages in other charsets, and /whoami, which shows the headers it got."""

    async def _answer(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        places = {"first": "/second", "second": "/ok", "around": "/back", "back": "/around",
                  "self": "/self", "broken": "/teapot", "file": "file:///etc/passwd",
                  "other": f"http://localhost:{self.port}/whoami"}  # fmt: skip
        if what in places:
            if what == "first":
                await asyncio.sleep(0.2)
            return web.Response(status=302, headers={"location": places[what]})
        if what.startswith("down"):
            number = int(what.removeprefix("down"))
            return web.Response(status=307, headers={"location": f"/down{number + 1}"})
        if what == "teapot":
            return web.Response(status=418)
        if what == "nowhere":
            return web.Response(status=301)
        if what == "whoami":
            return web.json_response({**request.headers, "method": request.method})
        if what == "latin":
            body = GREETING.encode("latin-1")
            return web.Response(body=body, headers={"content-type": "text/html; charset=latin1"})
        return web.Response(text="all is well")


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.close()


def ask(shop: Shop, what: str, **more: Any) -> Any:
    own = {"every": "headers", "max_redirects": "max_redirects"}
    options = {own[name]: more.pop(name) for name in own if name in more}
    return probe([{"url": f"http://127.0.0.1:{shop.port}/{what}", **more}], **options)


def test_redirects_are_followed_and_each_hop_is_timed(shop: Shop) -> None:
    emitter = ask(shop, "first?token=secret", contains="well", source_id="shop")
    found = values(emitter)
    assert (found["http_up"], found["http_status"], found["http_redirects"]) == (1, 200, 2)
    hops = [m for m in emitter.metrics if m.metric_name.startswith("http_hop_ms")]
    assert [m.metadata["status"] for m in hops] == [302, 302, 200]
    assert [m.metadata["url"].rpartition("/")[2] for m in hops] == ["first", "second", "ok"]
    assert hops[0].value >= 200
    assert sum(m.value for m in hops) <= found["http_response_ms"] + 1
    assert found["http_first_byte_ms"] >= 200
    assert "secret" not in str(emitter.metrics)


def test_redirects_are_not_followed_where_that_is_asked(shop: Shop) -> None:
    emitter = ask(shop, "first", follow_redirects=False, status=[302])
    found = values(emitter)
    assert (found["http_up"], found["http_status"]) == (1, 302)
    assert "http_redirects" not in found


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("around", "redirect_loop"),
        ("self", "redirect_loop"),
        ("down1", "too_many_redirects"),
        ("file", "redirect"),
        ("broken", "status"),
    ],
)
def test_redirects_that_lead_nowhere_are_a_fault(shop: Shop, what: str, cause: str) -> None:
    emitter = ask(shop, what, max_redirects=3)
    assert emitter.faults == {cause: 1}
    assert values(emitter)["http_up"] == 0
    assert values(emitter)["http_response_ms"] > 0


def test_redirect_without_a_place_is_the_answer(shop: Shop) -> None:
    assert values(ask(shop, "nowhere"))["http_status"] == 301


@pytest.mark.parametrize("way", ["file", "environment"])
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_credentials_come_from_a_file_or_the_environment(
    shop: Shop, way: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("pässword\n" if scheme == "Basic" else "t0ken\n")
    monkeypatch.setenv("SHOP_SECRET", "pässword" if scheme == "Basic" else "t0ken")
    kind = "password" if scheme == "Basic" else "bearer_token"
    place = {"file": str(tmp_path / "secret"), "environment": "SHOP_SECRET"}[way]
    auth = {f"{kind}_{'file' if way == 'file' else 'env'}": place}
    if scheme == "Basic":
        auth["username"] = "ann"
        expected = "Basic " + base64.b64encode("ann:pässword".encode()).decode()
    else:
        expected = "Bearer t0ken"
    emitter = ask(shop, "whoami", auth=auth, contains=json.dumps(expected))
    assert emitter.faults == {}
    assert values(emitter)["http_up"] == 1


def test_another_host_gets_no_credentials_and_none_of_the_targets_headers(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "t0ken")
    more = {"auth": {"bearer_token_env": "SHOP_SECRET"}, "headers": {"X-Key": "k3y"}}
    here = ask(shop, "whoami", matches="(?s)t0ken.*k3y|k3y.*t0ken", **more)
    assert here.faults == {}
    there = ask(shop, "other", matches="(?i)^(?!.*(t0ken|k3y)).*localhost", **more)
    assert there.faults == {}


def test_another_host_gets_none_of_the_adapters_headers(shop: Shop) -> None:
    every = {"X-Key": "k3y", "Authorization": "Bearer t0ken", "User-Agent": "padit-9"}
    here = ask(shop, "whoami", every=every, matches="(?s)t0ken.*k3y|k3y.*t0ken")
    assert here.faults == {}
    there = ask(shop, "other", every=every, matches="(?is)^(?!.*(t0ken|k3y)).*padit-9")
    assert there.faults == {}


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe", "schlüssel".encode()])
def test_secret_that_cannot_be_used_is_named_by_its_place_and_never_shown(
    shop: Shop, content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "token").write_bytes(content)
    emitter = ask(shop, "ok", auth={"bearer_token_file": str(tmp_path / "token")})
    assert emitter.faults == {"secret": 1}
    assert str(tmp_path / "token") in emitter.messages["secret"]
    shown = emitter.messages["secret"] + str(emitter.metrics) + caplog.text
    assert "lines" not in shown.replace("one line", "")
    assert "schl" not in shown


def test_missing_file_and_variable_are_faults(shop: Shop, tmp_path: Path) -> None:
    for auth in ({"bearer_token_env": "NO_SUCH_VARIABLE"},
                 {"username": "u", "password_file": str(tmp_path / "none")}):  # fmt: skip
        emitter = ask(shop, "ok", auth=auth)
        assert emitter.faults == {"secret": 1}
        assert next(iter(auth.values())) in emitter.messages["secret"] or "none" in str(auth)


@pytest.mark.parametrize(
    ("status", "up"),
    [(["2xx"], 1), (["200-204"], 1), ([200], 1), (["4xx", "5XX"], 0), (["201-299"], 0), ([], 1)],
)
def test_status_is_expected_by_code_class_or_range(
    shop: Shop, status: list[Any], up: float
) -> None:
    assert values(ask(shop, "ok", status=status))["http_up"] == up


def test_body_is_read_in_its_own_charset(shop: Shop) -> None:
    assert ask(shop, "latin", contains=GREETING).faults == {}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (GREETING.encode("cp1252"), "text/plain; charset=windows-1252"),
        (GREETING.encode("utf-16"), "text/plain"),
        (GREETING.encode("utf-8-sig"), "text/plain; charset=ascii"),
        (GREETING.encode(), ""),
        (f'<meta charset="iso-8859-15">{GREETING}'.encode("iso-8859-15"), "text/html"),
        (f"<?xml version='1.0' encoding='latin1'?>{GREETING}".encode("latin-1"), "text/xml"),
        (GREETING.encode(), "text/html; charset=no-such-charset"),
        (GREETING.encode(), "text/html; charset=base64"),
    ],
)
def test_charsets(body: bytes, content_type: str) -> None:
    assert GREETING in text_of(body, content_type)


CHARSETS = ["utf-16", "punycode", "hex", "undefined", "x", "utf-32", "gb18030", "utf-7", ""]


@given(st.binary(max_size=200), st.sampled_from(CHARSETS))
def test_no_body_raises(body: bytes, charset: str) -> None:
    assert isinstance(text_of(body, f"text/plain; charset={charset}"), str)


def test_pattern_that_would_take_years_is_given_up_and_spoils_no_other(shop: Shop) -> None:
    searcher = Searcher(0.3)

    async def search() -> list[bool]:
        found = [await searcher.found("well$", "all is well")]
        with pytest.raises(AdapterError, match="takes longer than") as caught:
            await searcher.found("(a+)+$", "a" * 60 + "b")
        assert caught.value.cause == "pattern_timeout"
        found.append(await searcher.found("^well", "all is well \udcff"))
        found.append(await searcher.found("(?i)WELL", "x" * 1_000_000 + "well"))
        await searcher.close()
        return found

    assert asyncio.run(search()) == [True, False, True]
    url = f"http://127.0.0.1:{shop.port}/"
    slow = {"url": url + "whoami", "matches": "(.*)*(.*)*(.*)*(.*)*(.*)*(.*)*(.*)*\\d{99}Z"}
    emitter = probe([slow, {"url": url + "ok", "matches": "well"}], pattern_timeout_sec=0.5)
    assert emitter.faults == {"pattern_timeout": 1}
    assert sorted(emitter.values("http_up")) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"url": "http://ann:pw@example.org/"}, "end up in logs"),
        ({"url": "ftp://example.org/"}, "no http:// or https:// URL"),
        ({"status": ["2x"]}, "is no status"),
        ({"status": [99]}, "is no status"),
        ({"status": ["300-200"]}, "is no status"),
        ({"auth": {"username": "u"}}, "password_file"),
        ({"auth": {}}, "bearer_token_file"),
        ({"auth": {"bearer_token_file": "a", "bearer_token_env": "b"}}, "bearer_token_file"),
        ({"matches": "("}, "no regular expression"),
    ],
)
def test_targets_that_make_no_sense_are_refused(target: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        create_adapter({"type": "http", "targets": [{"url": "http://h/", **target}]})
    assert "pw" not in str(caught.value)


def test_shown_url_has_no_secret() -> None:
    assert shown_url(httpx.URL("https://u:p@h:81/a?key=x#y")) == "https://h:81/a"
    assert Target(url="http://h/").expects(204)


ANSWERS = st.one_of(
    st.tuples(st.integers(100, 599), st.just("")),
    st.tuples(st.sampled_from([301, 302, 307]), st.sampled_from(
        ["/", "/a", "//other/", "https://h/", "file:///x", "http://[", "%", "http://h:99999/"]
    )),
)  # fmt: skip


@given(st.lists(ANSWERS | st.sampled_from([OSError(), ValueError(), TimeoutError()]), min_size=1))
def test_books_of_requests_balance(answers: list[Any]) -> None:
    """Whatever a server answers, a target has one `http_up` a poll, and a fault where it is 0."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        one = left.pop(0) if left else (200, "")
        if isinstance(one, Exception):
            raise one
        status, place = one
        return httpx.Response(status, headers={"location": place} if place else {}, text="x")

    targets = [{"url": f"http://h/{i}", "status": ["2xx"]} for i in range(3)]
    options = {"type": "http", "interval_sec": 0.01, "max_redirects": 2, "targets": targets}
    adapter: Any = create_adapter(options)
    adapter._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    emitter = ListEmitter()

    async def once() -> None:
        await adapter.poll(emitter)
        await adapter.close()

    asyncio.run(once())
    ups = emitter.values("http_up")
    assert len(ups) == 3
    assert sum(emitter.faults.values()) == 3 - sum(ups)
