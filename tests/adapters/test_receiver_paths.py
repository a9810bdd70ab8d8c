"""What is sent where nothing is received is named, counted, and never answered as taken."""

from __future__ import annotations

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.adapters.live import Live
from tests.adapters.test_receivers import EACH, Kind, live, taken


@EACH
@pytest.mark.parametrize("path", ["/", "/v1/traces", "/api/v1/receive", "{path}/", "/x" * 500])
def test_a_write_to_another_path_is_answered_with_the_right_one(kind: Kind, path: str) -> None:
    """Senders drop for good what is answered with 404, so it shows on both sides."""
    with live(kind) as made:
        place = f"http://127.0.0.1:{made.adapter.port}{path.format(path=kind.path)}"
        answer = httpx.post(place, content=kind.pack(kind.make(1)))
    assert answer.status_code == 404
    assert f"POST {kind.path}" in answer.text
    assert len(answer.text) < 500
    assert made.emitter.faults == {"wrong_path": 1}
    assert not taken(made)


@EACH
def test_another_method_is_answered_with_those_there_are(kind: Kind) -> None:
    with live(kind) as made:
        answer = httpx.put(f"http://127.0.0.1:{made.adapter.port}{kind.path}", content=b"x")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert made.emitter.faults == {"wrong_path": 1}


@EACH
def test_without_a_token_nothing_is_told_about_paths(kind: Kind) -> None:
    with live(kind, tokens=["secret"]) as made:
        answer = httpx.post(f"http://127.0.0.1:{made.adapter.port}/anything", content=b"x")
    assert (answer.status_code, answer.text) == (401, "")
    assert made.emitter.faults == {"unauthorized": 1}


def test_traces_over_grpc_are_refused_and_counted() -> None:
    with (
        Live({"type": "otlp", "port": 0, "grpc_port": 0}) as made,
        grpc.insecure_channel(f"127.0.0.1:{made.adapter.grpc_port}") as channel,
    ):
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Export(trace_service_pb2.ExportTraceServiceRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert made.emitter.faults == {"wrong_path": 1}


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"a"', b"", b"\xef\xbb\xbf[{}]"])
def test_json_that_is_no_request_is_refused(body: bytes) -> None:
    with Live({"type": "otlp", "port": 0, "grpc_port": 0}) as made:
        answer = httpx.post(
            f"http://127.0.0.1:{made.adapter.port}/v1/metrics", content=body,
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
    assert answer.status_code == 400
    assert made.emitter.faults == {"malformed": 1}
