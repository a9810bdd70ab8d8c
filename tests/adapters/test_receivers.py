"""What every receiver promises: access, limits, the time of a retry, and TLS."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cramjam
import grpc
import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from padit.adapters.errors import AdapterError
from padit.codecs.prometheus_proto import Label, WriteRequest
from tests.adapters.live import Live, until
from tests.adapters.test_http_probe import certificate
from tests.limits import allowed

T = 1_767_323_045
LARGEST = 10_000_000


def otlp(count: int) -> Any:
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    metric: Any = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    for i in range(count):
        metric.gauge.data_points.add(time_unix_nano=(T + i) * 10**9, as_double=1.0)
    return request


def prometheus(count: int) -> bytes:
    message = WriteRequest()
    series = message.timeseries.add()
    series.labels.append(Label(name="__name__", value="m").SerializeToString())
    for i in range(count):
        series.samples.add(value=1.0, timestamp=(T + i) * 1000)
    return bytes(message.SerializeToString())


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def plain(data: bytes) -> bytes:
    return data


class Kind(NamedTuple):
    """A receiver and how to write to it.

    Attributes:
        make: a body with a number of samples.
        pack: how the body goes over the wire.
        one: bytes of a sample in the body, at least.
    """

    name: str
    path: str
    make: Callable[[int], bytes]
    one: int
    pack: Callable[[bytes], bytes] = plain


KINDS = [
    Kind("influx", "/api/v2/write", lambda n: b"m,host=a v=1.5 1767323045000000000\n" * n, 36),
    Kind("logs", "/api/v1/logs", lambda n: b'{"service":"shop","message":"hello"}\n' * n, 37),
    Kind("otlp", "/v1/metrics", lambda n: otlp(n).SerializeToString(), 20),
    Kind("prometheus", "/api/v1/write", prometheus, 18, snappy),
]
EACH = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])


def live(kind: Kind, **more: Any) -> Live:
    extra: dict[str, dict[str, Any]] = {"otlp": {"grpc_port": 0}, "logs": {"store_dir": ""}}
    return Live({"type": kind.name, "port": 0, **extra.get(kind.name, {}), **more})


def taken(made: Live) -> int:
    return len(made.emitter.metrics) + len(made.emitter.records)


def url(made: Live, kind: Kind, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{made.adapter.port}{kind.path}"


@EACH
@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic c2VjcmV0Ondyb25n", "Bearer"])
def test_write_without_a_valid_token_is_refused(kind: Kind, header: str) -> None:
    with live(kind, tokens=["secret"]) as made:
        headers = {"Authorization": header} if header else {}
        answer = httpx.post(url(made, kind), content=kind.pack(kind.make(1)), headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert not taken(made)
    assert made.emitter.faults == {"unauthorized": 1}


@EACH
def test_writer_comes_back_when_the_way_out_is_free_again(kind: Kind) -> None:
    with live(kind, retry_after_sec=7) as made:
        made.emitter.open = False
        body = kind.pack(kind.make(2))
        refused = httpx.post(url(made, kind), content=body)
        assert not taken(made)
        made.emitter.open = True
        answer = httpx.post(url(made, kind), content=body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "7")
    assert answer.is_success
    assert taken(made) == 2


def half_a_request(port: int, path: str, method: str = "POST") -> socket.socket:
    """A writer that has begun and does not go on."""
    made = socket.create_connection(("127.0.0.1", port))
    made.sendall(f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx".encode())
    return made


@contextmanager
def blocked(made: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing that is emitted goes on until the end; the event says that something waits."""
    entered, go_on = threading.Event(), threading.Event()

    def slow(emit: Callable[..., None]) -> Callable[..., None]:
        def waiting(*arguments: Any) -> None:
            entered.set()
            go_on.wait(20)
            emit(*arguments)

        return waiting

    with monkeypatch.context() as patched:
        for name in ("emit", "emit_record"):
            patched.setattr(made.emitter, name, slow(getattr(made.emitter, name)))
        try:
            yield entered
        finally:
            go_on.set()


@EACH
def test_writers_beyond_max_waiting_are_asked_to_retry(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = kind.pack(kind.make(1))
    with live(kind, max_waiting=2, retry_after_sec=3) as made, ThreadPoolExecutor(2) as pool:
        with blocked(made, monkeypatch):
            first = [pool.submit(httpx.post, url(made, kind), content=body) for _ in range(2)]
            until(lambda: made.adapter._server._waiting == 2, "both wait")
            refused = httpx.post(url(made, kind), content=body)
        assert all(one.result().is_success for one in first)
        answer = httpx.post(url(made, kind), content=body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    assert answer.is_success
    assert made.emitter.faults["busy"] == 1


@EACH
def test_body_of_ten_megabytes_is_taken_and_a_larger_one_refused(kind: Kind) -> None:
    count = LARGEST // len(kind.make(1)) if kind.name in ("influx", "logs") else 450_000
    body = kind.make(count)
    assert 0.7 * LARGEST < len(body) <= LARGEST
    with live(kind) as made:
        good = httpx.post(url(made, kind), content=kind.pack(body), timeout=allowed(60))
        assert taken(made) == count
        more = kind.pack(body + kind.make(LARGEST // len(kind.make(1))))
        large = httpx.post(url(made, kind), content=more, timeout=allowed(60))
    assert good.is_success
    assert large.status_code == 413
    assert taken(made) == count
    assert made.emitter.faults["too_large"] == 1


@EACH
def test_tls_accepts_a_client_that_trusts_the_certificate(kind: Kind, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, 30)
    body = kind.pack(kind.make(1))
    with live(kind, host="localhost", certificate=str(cert), private_key=str(key)) as made:
        trusting = ssl.create_default_context(cafile=str(cert))
        place = url(made, kind, "https", "localhost")
        assert httpx.post(place, content=body, verify=trusting).is_success
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.post(place, content=body)
        with pytest.raises(httpx.HTTPError):
            httpx.post(url(made, kind, "http", "localhost"), content=body)
    assert taken(made) == 1


@EACH
def test_certificate_that_cannot_be_used_is_an_error(kind: Kind, tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path, 30)
    (tmp_path / "other").mkdir()
    _, key = certificate(tmp_path / "other", 30)
    with (
        pytest.raises(AdapterError, match="certificate") as caught,
        live(kind, certificate=str(cert), private_key=str(key)),
    ):
        pass
    assert caught.value.cause == "certificate"


def test_grpc_speaks_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, 30)
    options = {"host": "localhost", "certificate": str(cert), "private_key": str(key)}
    with live(KINDS[2], **options, protocols=["grpc"]) as made:
        place = f"localhost:{made.adapter.grpc_port}"
        trusting = grpc.ssl_channel_credentials(cert.read_bytes())
        for credentials, ok in ((trusting, True), (grpc.ssl_channel_credentials(), False)):
            with grpc.secure_channel(place, credentials) as channel:
                stub: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
                if ok:
                    stub.Export(otlp(1), timeout=allowed(10))
                    continue
                with pytest.raises(grpc.RpcError) as caught:
                    stub.Export(otlp(1), timeout=allowed(10))
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert taken(made) == 1


def test_grpc_writers_beyond_max_waiting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        live(KINDS[2], max_waiting=1, protocols=["grpc"]) as made,
        grpc.insecure_channel(f"127.0.0.1:{made.adapter.grpc_port}") as channel,
    ):
        stub: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
        with blocked(made, monkeypatch) as entered:
            first = stub.Export.future(otlp(1), timeout=allowed(30))
            until(entered.is_set, "the first is taken in")
            with pytest.raises(grpc.RpcError) as caught:
                stub.Export(otlp(1), timeout=allowed(10))
        first.result()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing: Any = caught.value.trailing_metadata()
    assert "grpc-status-details-bin" in dict(trailing)  # RetryInfo: else exporters drop the data
    assert taken(made) == 1
    assert made.emitter.faults == {"busy": 1}


@EACH
def test_json_of_another_kind_and_broken_bytes_are_refused_not_taken(kind: Kind) -> None:
    with live(kind) as made:
        for body in (b"\x00\xff\xfe" * 100, json.dumps([[1, [2]]]).encode(), b"\x28\xb5\x2f\xfd"):
            answer = httpx.post(url(made, kind), content=body)
            assert 400 <= answer.status_code < 500, answer.text
        assert httpx.post(url(made, kind), content=kind.pack(kind.make(1))).is_success
    assert taken(made) == 1
