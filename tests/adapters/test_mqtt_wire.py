"""What a broker may do with its connection: short answers."""

import pytest

from padit.adapters.errors import AdapterError
from tests.adapters.live import Live
from tests.adapters.mqtt_broker import scripted


def config(port: int, *topics: str, **more: object) -> dict[str, object]:
    subscriptions = [{"topic": topic} for topic in topics or ("#",)]
    return {"type": "mqtt", "port": port, "subscriptions": subscriptions, **more}


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
