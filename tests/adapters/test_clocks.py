"""Clocks that jump: measurements follow the monotonic clock; where they cannot, it is a fault."""

import itertools
import time
from typing import Any

import pytest

from padit.adapters.fronthaul.respond import EchoResponder, EcpriResponder
from padit.devcluster.ports import free_port
from tests.adapters.live import Live
from tests.adapters.test_http_probe import Server

HOUR = 3600.0


class Jumping:
    """The module `time`, with a wall clock that jumps at every look, back and forth."""

    def __init__(self) -> None:
        self.looks = 0

    def time(self) -> float:
        self.looks += 1
        return time.time() + (HOUR if self.looks % 2 else -HOUR)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def test_round_trip_is_right_while_the_wall_clock_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("padit.adapters.fronthaul.probes.time", Jumping())
    port = free_port()
    responder = EchoResponder("127.0.0.1", port)
    echo = [{"host": "127.0.0.1", "port": port}]
    with Live({"type": "oran-cfm", "udp_echo": echo}) as live:
        live.call(responder.open())
        live.poll()
        live.poll()
        live.call(responder.close())
    trips = live.emitter.values("udp_echo_rtt_ms")
    assert len(trips) >= 2
    assert all(0 <= trip < 1000 for trip in trips)
    assert set(live.emitter.values("udp_echo_loss_ratio")) == {0.0}
    assert not live.emitter.faults


def test_one_way_delay_by_a_clock_that_is_wrong_is_a_fault_and_the_round_trip_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = time.time_ns
    monkeypatch.setattr("padit.adapters.fronthaul.probes.time.time_ns", lambda: real() + 10**9)
    port = free_port()
    responder = EcpriResponder(("127.0.0.1", port))
    with Live({"type": "oran-cfm", "ecpri": [{"host": "127.0.0.1", "port": port}]}) as live:
        # The responder goes by the kernel's stamps, so only this end is a second ahead.
        live.call(responder.open())
        live.poll()
        live.call(responder.close())
    assert all(-1_000_001 < delay < -500_000 for delay in live.emitter.values("ecpri_delay_us"))
    assert all(0 <= trip < 1_000_000 for trip in live.emitter.values("ecpri_rtt_us"))
    assert live.emitter.faults["clocks"] == len(live.emitter.values("ecpri_delay_us")) > 0


def test_response_time_and_rates_are_right_while_the_wall_clock_jumps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, real, looks = Server(), time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() + (HOUR if next(looks) % 2 else -HOUR))
    try:
        url = f"http://127.0.0.1:{server.port}/slow"
        with Live({"type": "http", "urls": [url], "interval_sec": 0.1}) as live:
            live.poll()
        with Live({"type": "host", "source_id": "h"}) as host:
            host.poll()
            time.sleep(0.1)
            host.poll()
    finally:
        server.close()
    assert 300 <= live.emitter.values("http_response_ms")[0] < 5000
    rates = [m.value for m in host.emitter.metrics if "_per_s" in m.metric_name]
    assert rates
    assert all(0 <= rate < 1e12 for rate in rates)
