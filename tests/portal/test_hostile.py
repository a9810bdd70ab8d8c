"""Hostile requests: no request gets a 500, and nothing that is written becomes code."""

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.internal import charmap

from tests.portal.making import Served, append, features, readings, served, transition, wait_for

NASTY = (
    "<script>alert(1)</script>", "'; DROP TABLE log; --", "\" OR \"\"=\"", "{{7*7}}${7*7}#{7*7}",
    "a\r\nSet-Cookie: x=1", "../../etc/passwd", "%00", "\u202e\u0000\ud7ff", "*" * 300, "a" * 5000,
    "$(reboot)`reboot`", "\\x00\\u0000", "=cmd|' /C calc'!A0", "[" * 200, "-1", "1e999", "NaN",
)  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("run")
    append(folder / "alerts.jsonl", transition("opened", 60))
    append(folder / "metrics.jsonl", *readings(300))
    append(folder / "features.jsonl", *features(10))
    with served(folder) as one:
        wait_for(lambda: one.portal.overview.version)
        yield one


def _make_small(description: dict[str, Any]) -> None:
    """Leave out what takes minutes to think up: headers, and long names of many labels."""
    for path in description["paths"].values():
        for one in path.values():
            one["parameters"] = [
                each for each in one.get("parameters", []) if each["in"] != "header"
            ]
    for name in ("Silence", "Which"):
        found = description["components"]["schemas"].get(name)
        if found:
            found["properties"]["labels"] = {"type": "object", "maxProperties": 2}


def test_no_request_that_fits_the_description_or_not_gets_a_500(
    portal: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Hypothesis reads this table of a million characters anew for each strategy.
    once = cache(charmap.intervals_from_codec)
    monkeypatch.setattr(charmap, "intervals_from_codec", once)
    client = portal.client("admin")
    description = client.get("/api/openapi.json").json()
    description["paths"].pop("/api/events")  # a stream has no end
    _make_small(description)
    schema = schemathesis.openapi.from_dict(description)
    failed: list[str] = []
    for result in schema.get_all_operations():
        _ask_all(result.ok(), client, portal.address, failed)  # type: ignore[union-attr]
    assert failed == []
    assert client.get("/api/health/ready").status_code == 200


def _ask_all(operation: Any, client: httpx.Client, address: str, failed: list[str]) -> None:
    @settings(max_examples=4, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        kwargs = case.as_transport_kwargs(base_url=address)
        kwargs["headers"] = {**kwargs.get("headers", {}), **dict(client.headers)}
        if isinstance(kwargs.get("data"), str | bytes):
            kwargs["content"] = kwargs.pop("data")
        cookies = kwargs.pop("cookies", None) or {}
        kwargs["headers"] |= {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
        try:
            answer = client.request(**{k: v for k, v in kwargs.items() if k in _TAKES})
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError, TypeError, ValueError):
            return  # no client can send it
        if answer.status_code >= 500:
            failed.append(f"{case.method} {case.path}: {answer.text[:300]}")
        elif str(answer.status_code) not in operation.definition.raw["responses"]:
            failed.append(f"{case.method} {case.path}: {answer.status_code} is not described")

    ask()


_TAKES = ("method", "url", "headers", "params", "json", "content", "data")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=400), path=st.sampled_from(
    ["/api/v1/logs", "/api/whatif", "/api/silences", "/api/silences/preview", "/api/session",
     "/api/first", "/api/keys", "/api/feedback/x"]))  # fmt: skip
def test_no_bytes_get_a_500(portal: Served, body: bytes, path: str) -> None:
    head = {"Content-Type": "application/json"}
    answer = portal.client("admin").post(path, content=body, headers=head)
    assert answer.status_code < 500


def _short(text: str) -> str:
    return text if len(text) <= 4096 else text[:4095] + "…"


def test_what_is_injected_comes_back_as_the_text_it_was(portal: Served, tmp_path: Path) -> None:
    admin = portal.client("admin")
    for at, text in enumerate(NASTY):
        answer = admin.post("/api/v1/logs", json={"message": text, "source": text, "level": text})
        assert answer.status_code == 201, text
        found = admin.get("/api/v1/logs", params={"limit": 1}).json()["items"][0]
        assert (found["message"], found["source"]) == (text, _short(text))
        for path in ("/api/v1/logs", "/api/series", "/api/machines/x/logs", "/api/alerts"):
            for name in ("q", "source", "metric", "cursor", "from", "level"):
                answer = admin.get(path, params={name: text})
                assert answer.status_code < 500, (path, name, text)
                assert "x" not in answer.cookies
        body = {"source": text[:4000], "metric": text[:4000], "labels": {"a": text[:4000]},
                "note": text[:2000], "until": "1h"}  # fmt: skip
        assert admin.post("/api/silences/preview", json=body).status_code == 200
        name = admin.post("/api/silences", json=body).json()["commands"][0]
        row = next(one for one in admin.get("/api/silences").json()["items"] if one["id"] == name)
        assert row["source"] == text[:4000]
        made = admin.post("/api/keys", json={"name": text[:80], "role": "viewer"})
        assert made.status_code == 200, at
        head = {"Idempotency-Key": "a b", "X-Padit": "1"}
        assert admin.post("/api/alerts/none/silence", json={}, headers=head).status_code == 404
    assert portal.portal.overview.alerts
    assert admin.get("/api/health/ready").status_code == 200


@pytest.mark.parametrize("seed", range(3))
def test_lines_that_are_no_alerts_stop_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    good = transition("opened", 60)
    lines = [bytes(chance.randbytes(chance.randint(0, 200))).replace(b"\n", b"") for _ in range(50)]
    lines += [good[: chance.randint(1, len(good) - 1)] for _ in range(20)]
    chance.shuffle(lines)
    append(tmp_path / "alerts.jsonl", *lines, good)
    append(tmp_path / "metrics.jsonl", *lines, *readings(10))
    append(tmp_path / "features.jsonl", *lines, *features(3))
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.alerts)
        health = one.client("viewer").get("/api/health").json()
        assert (health["readings"], health["windows"]) == (10, 3)
        assert health["refused"] >= 60
        assert health["readings_rejected"] >= 60
        assert health["windows_rejected"] >= 60
