"""An OPC UA server that takes away its subscription, or whose state is not Running."""

import time

import pytest
from asyncua import ua

from padit.adapters import opcua_subscription
from padit.adapters.errors import AdapterError
from tests.adapters.live import Live, until
from tests.adapters.opcua_machine import Machine, torques


@pytest.mark.parametrize("kind", ["dropped", "silent"])
def test_subscription_that_the_server_lost_is_made_again(
    kind: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opcua_subscription, "KEEP_ALIVE_SEC", 0.2)
    machine.start()
    with Live(machine.config(request_timeout_sec=1)) as live:
        until(lambda: torques(live) == [2], "the first value")
        live.poll()
        machine.lose_subscription(kind)

        def gone() -> str:
            try:
                live.poll()
            except AdapterError as error:
                return f"{error.cause}: {error}"
            return ""

        assert "disconnected" in until(gone, "the loss")
        assert live.emitter.values("opcua_up")[-1] == 0
        assert live.emitter.values("opcua_good_ratio")[-1] == 0
        live.call(live.adapter.close())
        live.call(live.adapter.open(live.emitter))
        machine.write(4.0)
        until(lambda: torques(live)[-1] == 8, "a change after the loss")
        live.poll()
    assert live.emitter.values("opcua_up")[-1] == 1


def test_subscription_without_changes_lives(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opcua_subscription, "KEEP_ALIVE_SEC", 0.2)
    machine.start()
    with Live(machine.config(request_timeout_sec=0.5)) as live:
        until(lambda: torques(live) == [2], "the first value")
        begin = time.monotonic()
        while time.monotonic() < begin + 2:
            live.poll()
            time.sleep(0.1)
    assert set(live.emitter.values("opcua_up")) == {1}


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (ua.Variant(99, ua.VariantType.Int32), "99"),
        (ua.Variant(None, ua.VariantType.Null), "None"),
        (ua.Variant("up", ua.VariantType.String), "'up'"),
        (ua.Variant(4, ua.VariantType.Int32), "Shutdown"),
    ],
)
def test_server_that_is_not_running_is_down_whatever_it_says(
    state: ua.Variant, name: str, machine: Machine
) -> None:
    machine.start()
    with Live(machine.config()) as live:
        machine.claim(state)
        with pytest.raises(AdapterError, match=rf"opc\.tcp.*the server's state is {name}"):
            live.poll()
    assert live.emitter.values("opcua_up") == [0]
