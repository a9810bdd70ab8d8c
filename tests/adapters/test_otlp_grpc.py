"""OTLP/gRPC calls with no message, several, or one that is too large: refused and counted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.adapters.live import Live, until
from tests.adapters.test_receivers import KINDS, live, otlp, taken
from tests.limits import allowed

PATH = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


@contextmanager
def served(**options: Any) -> Iterator[tuple[Live, grpc.Channel]]:
    unbounded = [("grpc.max_send_message_length", -1)]
    with live(KINDS[2], protocols=["grpc"], **options) as made:
        place = f"127.0.0.1:{made.adapter.grpc_port}"
        with grpc.insecure_channel(place, options=unbounded) as channel:
            yield made, channel


def refused(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def retry_sec(error: Any) -> int | None:
    """Seconds of the RetryInfo; None without one: exporters drop the data then."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return None
    info = error_details_pb2.RetryInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return int(info.retry_delay.seconds)


@pytest.mark.parametrize("count", [0, 2, 5])
def test_call_of_no_or_several_messages_is_refused_and_nothing_of_it_is_taken(count: int) -> None:
    message = otlp(1).SerializeToString()
    with served() as (made, channel):
        send = channel.stream_unary(PATH)
        error = refused(lambda: send(iter([message] * count), timeout=allowed(10)))
        send(iter([message]), timeout=allowed(10))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert retry_sec(error) is None
    assert made.emitter.faults == {"malformed" if count else "no_message": 1}
    assert taken(made) == 1


def test_empty_message_is_a_write_of_nothing() -> None:
    with served() as (made, channel):
        channel.unary_unary(PATH)(b"", timeout=allowed(10))
    assert made.emitter.faults == {}


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
@pytest.mark.parametrize(("size", "cause"), [(150_000, "too_large"), (9_000_000, "no_message")])
def test_message_that_is_too_large_is_counted_also_where_grpc_refuses_it(
    size: int, cause: str, compression: grpc.Compression
) -> None:
    with served(max_body_bytes=100_000) as (made, channel):
        send = channel.unary_unary(PATH)
        error = refused(lambda: send(bytes(size), timeout=allowed(10), compression=compression))
        until(lambda: made.emitter.faults, "it is counted")
        send(otlp(1).SerializeToString(), timeout=allowed(10))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_sec(error) is None  # it would be too large again
    assert made.emitter.faults == {cause: 1}
    assert "100000 bytes" in made.emitter.messages[cause].replace("200000", "100000")
    assert taken(made) == 1


def test_message_of_the_greatest_size_is_read() -> None:
    with served(max_body_bytes=100_000) as (made, channel):
        error = refused(lambda: channel.unary_unary(PATH)(bytes(100_000), timeout=allowed(10)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT  # zeros are no request
    assert made.emitter.faults == {"malformed": 1}


def test_call_that_is_cancelled_before_its_message_is_counted() -> None:
    go_on = threading.Event()
    with served() as (made, channel):
        call = channel.stream_unary(PATH).future(_nothing(go_on), timeout=allowed(30))
        reading = made.adapter._grpc._calls._reading
        until(lambda: reading, "it is open")
        call.cancel()
        until(lambda: made.emitter.faults, "it is counted")
        go_on.set()
        assert not reading
    assert made.emitter.faults == {"no_message": 1}
    assert "a call of ipv4:127.0.0.1:" in made.emitter.messages["no_message"]


def _nothing(go_on: threading.Event) -> Iterator[bytes]:
    go_on.wait(allowed(30))
    yield from ()


def test_calls_that_send_nothing_shut_no_writer_out() -> None:
    """Beyond the bound on messages that are awaited, the oldest call is given up for a new one."""
    go_on = threading.Event()
    with served(max_waiting=2, retry_after_sec=7) as (made, channel):
        send = channel.stream_unary(PATH)
        silent = [send.future(_nothing(go_on), timeout=allowed(60)) for _ in range(8)]
        reading = made.adapter._grpc._calls._reading
        until(lambda: len(reading) == 8, "all are open")
        channel.unary_unary(PATH)(otlp(1).SerializeToString(), timeout=allowed(20))
        until(lambda: any(one.done() for one in silent), "the oldest is given up")
        (given_up,) = [one for one in silent if one.done()]
        go_on.set()
        errors = [refused(one.result).code() for one in silent if one is not given_up]
    assert given_up.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_sec(given_up) == 7
    assert errors == [grpc.StatusCode.INVALID_ARGUMENT] * 7
    assert made.emitter.faults == {"busy": 1, "no_message": 7}
    assert "given up" in made.emitter.messages["busy"]
    assert taken(made) == 1


def test_more_calls_at_once_than_may_wait_are_all_taken_or_asked_to_retry() -> None:
    message = otlp(1).SerializeToString()
    with served(max_waiting=1) as (made, channel):
        send = channel.unary_unary(PATH)
        calls = [send.future(message, timeout=allowed(60)) for _ in range(200)]
        good = [one for one in calls if one.exception() is None]
        errors = [one for one in calls if one.exception() is not None]
    assert len(good) == taken(made) > 0
    assert {one.code() for one in errors} <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all(retry_sec(one) for one in errors)
    assert made.emitter.faults.get("busy", 0) == len(errors)


def test_error_of_ours_is_counted_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    message = otlp(1).SerializeToString()
    with served() as (made, channel):
        send = channel.unary_unary(PATH)
        with monkeypatch.context() as patched:
            patched.setattr("padit.adapters.otlp.read_request", lambda *_: 1 / 0)
            error = refused(lambda: send(message, timeout=allowed(10)))
        send(message, timeout=allowed(10))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert made.emitter.faults == {"internal": 1}
    assert taken(made) == 1
