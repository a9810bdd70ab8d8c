"""HTTP probes against real servers: phases, assertions, stalls, certificates, names."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from padit.adapters.base import ListEmitter
from padit.devcluster.ports import free_port
from tests.adapters.live import poll_once


def certificate(directory: Path, days: float) -> tuple[Path, Path]:
    """A self-signed certificate for localhost that ends in `days`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=90))
        .not_valid_after(today + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "cert.pem", directory / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


class Server:
    """/ok, /slow (answers after 0.3 s), /stall (never), /big (10 MB), /broken (500), /cut."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self._run(self._open(tls))

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self, tls: ssl.SSLContext | None) -> int:
        app = web.Application()
        app.router.add_get("/{what}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls).start()
        return port

    async def _answer(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        if what in ("slow", "stall"):
            await asyncio.sleep(0.3 if what == "slow" else 30)
        if what == "cut" and request.transport is not None:
            request.transport.abort()
        if what == "big":
            return web.Response(body=b"x" * 10_000_000)
        return web.Response(text="all is well", status=500 if what == "broken" else 200)

    def close(self) -> None:
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def probe(targets: list[dict[str, Any]], **more: Any) -> ListEmitter:
    config = {"type": "http", "targets": targets, "interval_sec": 0.1, **more}
    return poll_once({"request_timeout_sec": 1, **config})


def values(emitter: ListEmitter) -> dict[str, float]:
    return {m.metric_name: m.value for m in emitter.metrics}


def test_phases_are_timed(server: Server) -> None:
    emitter = probe([{"url": f"http://localhost:{server.port}/slow"}])
    found = values(emitter)
    assert found["http_up"] == 1
    assert found["http_status"] == 200
    assert 300 <= found["http_first_byte_ms"] < 900
    parts = found["http_dns_ms"] + found["http_connect_ms"] + found["http_first_byte_ms"]
    assert parts <= found["http_response_ms"]
    assert emitter.metrics[0].source_id == f"localhost:{server.port}/slow"


@pytest.mark.parametrize(
    ("what", "expectation", "cause"),
    [
        ("ok", {"contains": "well"}, None),
        ("ok", {"contains": "ill"}, "body"),
        ("ok", {"matches": "^all .* well$"}, None),
        ("ok", {"matches": "^well"}, "body"),
        ("broken", {}, "status"),
        ("broken", {"status": [500]}, None),
        ("stall", {}, "timeout"),
        ("cut", {}, "first_byte"),
        ("big", {"contains": "x" * 100}, None),
    ],
)
def test_answers_are_judged(
    server: Server, what: str, expectation: dict[str, Any], cause: str | None
) -> None:
    emitter = probe([{"url": f"http://127.0.0.1:{server.port}/{what}", **expectation}])
    assert values(emitter)["http_up"] == (0 if cause else 1)
    assert emitter.faults == ({cause: 1} if cause else {})


def test_stall_shows_as_a_slow_response(server: Server) -> None:
    emitter = probe([{"url": f"http://127.0.0.1:{server.port}/stall"}])
    assert values(emitter)["http_response_ms"] >= 1000
    assert emitter.metrics[0].metadata["error"] == "timeout"


@pytest.mark.parametrize(
    ("url", "cause"), [("http://nowhere.invalid/", "dns"), ("http://127.0.0.1:9/", "connect")]
)
def test_targets_that_cannot_be_reached_are_down_and_spoil_no_other(
    server: Server, url: str, cause: str
) -> None:
    good = f"http://127.0.0.1:{server.port}/ok"
    emitter = probe([{"url": url}, {"url": good}])
    assert sorted(emitter.values("http_up")) == [0.0, 1.0]
    assert emitter.faults == {cause: 1}


@pytest.mark.parametrize(("days", "up"), [(30.0, 1.0), (-2.0, 0.0)])
def test_days_of_an_expired_certificate_are_reported(
    tmp_path: Path, days: float, up: float
) -> None:
    cert, key = certificate(tmp_path, days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    made = Server(context)
    try:
        emitter = probe([{"url": f"https://localhost:{made.port}/ok"}], ca_file=str(cert))
    finally:
        made.close()
    found = values(emitter)
    assert found["http_up"] == up
    assert found["http_certificate_days"] == pytest.approx(days, abs=0.1)
    assert ("http_tls_ms" in found) == bool(up)
    assert emitter.faults == ({} if up else {"certificate": 1})
