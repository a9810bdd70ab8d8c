"""What a broker may do with its connection: many packets in one TLS record, large ones, QoS 2."""

import ssl
import threading
from pathlib import Path

import pytest

from padit.adapters.base import Batch, ListEmitter
from padit.adapters.errors import AdapterError
from tests.adapters.live import Live, until
from tests.adapters.mqtt_broker import Peer, packet, published, scripted
from tests.adapters.test_http_probe import certificate


def config(port: int, *topics: str, **more: object) -> dict[str, object]:
    subscriptions = [{"topic": topic} for topic in topics or ("#",)]
    return {"type": "mqtt", "port": port, "subscriptions": subscriptions, **more}


def test_every_packet_of_one_tls_record_is_read(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, 30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    numbers = [float(number) for number in range(100)]
    record = b"".join(published("a/x", b"%d" % number) for number in numbers)
    with (
        scripted(lambda peer: peer.send(record), tls=context) as port,
        Live(config(port, tls=True, ca_file=str(cert))) as live,
    ):
        until(lambda: len(live.emitter.metrics) >= len(numbers), "all samples")
    assert live.emitter.values("x") == numbers


def test_every_packet_of_a_tls_record_is_read_behind_one_that_makes_reading_pause(
    tmp_path: Path,
) -> None:
    cert, key = certificate(tmp_path, 30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    large = published("a/large", b'{"v": 1}' + b" " * 19_000)

    def script(peer: Peer) -> None:
        peer.send(large * 4 + b"".join(published("a/x", b"%d" % number) for number in range(50)))

    with (
        scripted(script, tls=context) as port,
        Live(config(port, tls=True, ca_file=str(cert), max_message_bytes=20_000)) as live,
    ):
        until(lambda: len(live.emitter.metrics) >= 54, "all samples")
    names = [metric.metric_name for metric in live.emitter.metrics]
    assert names == 4 * ["large_v"] + 50 * ["x"]
    assert live.emitter.values("x") == list(map(float, range(50)))


def test_message_above_the_limit_is_a_fault_that_names_topic_size_and_option() -> None:
    def script(peer: Peer) -> None:
        peer.send(published("a/x", b"1" + 1_000 * b" ") + published("a/x", b"2" + 999 * b" "))

    with scripted(script) as port, Live(config(port, max_message_bytes=1_000)) as live:
        until(lambda: live.emitter.metrics, "the message that is allowed")
    assert live.emitter.values("x") == [2.0]
    assert live.emitter.faults == {"too_large": 1}
    assert live.emitter.messages["too_large"] == (
        "a/x: a message of 1001 bytes, more than 1000 (max_message_bytes)"
    )


class Threads(ListEmitter):
    """Notes which thread emits."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def emit(self, batch: Batch) -> None:
        self.names.append(threading.current_thread().name)
        super().emit(batch)


def test_large_message_is_read_in_the_thread_of_the_adapter() -> None:
    def script(peer: Peer) -> None:
        peer.send(published("a/x", b"1" + 20_000 * b" ") + published("a/x", b"2"))

    with scripted(script) as port:
        live = Live(config(port, name="broker-1"))
        live.emitter = emitter = Threads()
        with live:
            until(lambda: len(emitter.metrics) == 2, "both messages")
    assert emitter.values("x") == [1.0, 2.0]
    assert emitter.names[0] == "broker-1"


@pytest.mark.parametrize(
    ("codes", "refused"), [(b"", "a/1"), (b"\1", "a/2"), (b"\1\x80", "a/2"), (b"\x80", "a/1")]
)
def test_subscription_is_refused_if_the_answer_leaves_it_out(codes: bytes, refused: str) -> None:
    with (
        scripted(lambda _peer: None, codes) as port,
        pytest.raises(AdapterError, match=f"{refused} cannot be subscribed") as caught,
        Live(config(port, "a/1", "a/2", timeout_sec=5)),
    ):
        pass
    assert caught.value.cause == "refused"


def test_qos_2_messages_that_are_never_released_are_bounded_and_counted() -> None:
    def script(peer: Peer) -> None:
        for number in range(1, 251):
            peer.send(published("a/x", b"%d" % number, qos=2, number=number))
        peer.send(packet(0x62, (250).to_bytes(2, "big")))  # PUBREL

    with scripted(script) as port, Live(config(port)) as live:
        until(lambda: live.emitter.faults.get("unreleased", 0) >= 149, "those above the bound")
        assert len(live.adapter._client._in_messages) <= 100
    assert live.emitter.values("x") == [250.0]
    assert live.emitter.faults == {"unreleased": 249}, "what waited at the end is lost, too"


def test_qos_2_messages_that_are_never_released_are_bounded_in_bytes() -> None:
    def script(peer: Peer) -> None:
        for number in range(1, 16):
            peer.send(published("a/x", b"1" + 999 * b" ", qos=2, number=number))

    with scripted(script) as port, Live(config(port, max_message_bytes=1_000)) as live:
        until(lambda: live.emitter.faults.get("unreleased", 0) == 5, "those above the bound")


def test_qos_2_message_above_the_limit_is_given_up_and_those_that_wait_are_kept() -> None:
    def script(peer: Peer) -> None:
        peer.send(published("a/x", b"1", qos=2, number=1))
        peer.send(published("a/large", 20_000 * b" ", qos=2, number=2))
        peer.send(packet(0x62, b"\0\2") + packet(0x62, b"\0\1"))

    with scripted(script) as port, Live(config(port, max_message_bytes=1_000)) as live:
        until(lambda: live.emitter.metrics, "the message that waited")
    assert live.emitter.values("x") == [1.0]
    assert live.emitter.faults == {"too_large": 1}
    assert "a/large: a message of 20000 bytes" in live.emitter.messages["too_large"]
