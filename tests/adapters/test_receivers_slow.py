"""Slow, idle and unauthorized clients: they block no writer, and cost little."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cramjam
import grpc
import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc

from tests.adapters.live import until
from tests.adapters.test_receivers import EACH, KINDS, Kind, half_a_request, live, otlp, taken, url


@EACH
def test_idle_sockets_shut_no_writer_out(kind: Kind) -> None:
    """Sockets that ping with a body that never comes, write half a body, or send half a head."""
    with live(kind, tokens=["secret"], max_waiting=2) as made:
        port = made.adapter.port
        idle = [half_a_request(port, "/ping", "GET") for _ in range(12)]
        idle += [half_a_request(port, kind.path) for _ in range(12)]
        for _ in range(12):
            idle.append(socket.create_connection(("127.0.0.1", port)))
            idle[-1].sendall(b"POST /api")
        headers = {"Authorization": "Bearer secret"}
        answer = httpx.post(
            url(made, kind), content=kind.pack(kind.make(1)), headers=headers, timeout=30
        )
        for one in idle:
            one.close()
    assert answer.is_success
    assert taken(made) == 1


def test_slow_writers_shut_no_other_writer_out() -> None:
    """Beyond the bound on bodies that are read, the oldest of them is given up for a new one."""
    kind = KINDS[0]
    with live(kind, max_waiting=2, body_timeout_sec=60) as made:
        slow = [half_a_request(made.adapter.port, kind.path) for _ in range(40)]
        until(lambda: made.emitter.faults.get("slow", 0) >= 32, "the oldest are given up")
        answer = httpx.post(url(made, kind), content=kind.make(1), timeout=30)
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 408")
        for one in slow:
            one.close()
    assert answer.is_success
    assert len(made.adapter._server._reading) == 0


def test_body_that_does_not_come_in_time_is_answered_with_408() -> None:
    kind = KINDS[0]
    with (
        live(kind, body_timeout_sec=0.3) as made,
        half_a_request(made.adapter.port, kind.path) as slow,
    ):
        slow.settimeout(20)
        answer = slow.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408")
    assert made.emitter.faults == {"slow": 1}


def test_connections_are_bounded_and_the_oldest_idle_one_goes() -> None:
    kind = KINDS[0]
    with live(kind, max_connections=5) as made:
        idle = [socket.create_connection(("127.0.0.1", made.adapter.port)) for _ in range(5)]
        until(lambda: len(made.adapter._server._runner.server.connections) == 5, "they are in")
        answer = httpx.post(url(made, kind), content=kind.make(1), timeout=30)
        idle[0].settimeout(20)
        assert idle[0].recv(10) == b""
        for one in idle:
            one.close()
    assert answer.is_success
    assert made.emitter.faults["connections"] >= 1


class Counting:
    """A relay that counts the bytes from clients to a port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.count = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.count += len(data) if counted else 0
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


def test_grpc_call_without_a_token_is_refused_before_its_message_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = otlp(450_000)
    assert request.ByteSize() > 9_000_000
    with live(KINDS[2], protocols=["grpc"], tokens=["secret"]) as made:
        monkeypatch.setattr(
            "padit.adapters.otlp.read_request", lambda *_: pytest.fail("it was read")
        )
        relay = Counting(made.adapter.grpc_port)
        with grpc.insecure_channel(f"127.0.0.1:{relay.port}") as channel:
            stub: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.Export(request, timeout=30)
        relay.close()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert made.emitter.faults == {"unauthorized": 1}
    assert relay.count < request.ByteSize() / 2  # what the transport had let in by then


def test_grpc_message_that_does_not_come_in_time_or_is_too_large_is_refused() -> None:
    with (
        live(KINDS[2], protocols=["grpc"], body_timeout_sec=0.3, max_body_bytes=100_000) as made,
        grpc.insecure_channel(f"127.0.0.1:{made.adapter.grpc_port}") as channel,
    ):
        path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
        go_on = threading.Event()

        def never() -> Iterator[bytes]:
            go_on.wait(20)
            yield b""

        with pytest.raises(grpc.RpcError) as slow:
            channel.stream_unary(path)(never(), timeout=30)
        go_on.set()
        stub: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
        with pytest.raises(grpc.RpcError) as large:
            stub.Export(otlp(20_000), timeout=30)
        with pytest.raises(grpc.RpcError) as broken:
            channel.unary_unary(path)(b"\xff\xff\xff", timeout=30)
        stub.Export(otlp(1), timeout=30)
    assert slow.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert large.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert broken.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert taken(made) == 1


def test_compressed_bodies_are_taken_and_bombs_are_not() -> None:
    kind = KINDS[0]
    packs: dict[str, Any] = {
        "gzip": cramjam.gzip.compress,
        "deflate": cramjam.zlib.compress,
        "zstd": cramjam.zstd.compress,
    }
    with live(kind, max_body_bytes=100_000) as made:
        for encoding, pack in packs.items():
            headers = {"Content-Encoding": encoding}
            good = httpx.post(url(made, kind), content=bytes(pack(kind.make(2))), headers=headers)
            assert good.is_success, encoding
            bomb = bytes(pack(kind.make(200_000)))
            answer = httpx.post(url(made, kind), content=bomb, headers=headers)
            assert answer.status_code == 413, encoding
    assert taken(made) == 6
