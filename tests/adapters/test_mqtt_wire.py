"""What a broker may do with its connection: many packets in one TLS record, short answers."""

import ssl
from pathlib import Path

import pytest

from padit.adapters.errors import AdapterError
from tests.adapters.live import Live, until
from tests.adapters.mqtt_broker import published, scripted
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
