"""CAN over python-can's virtual and UDP multicast buses, decoded with a DBC."""

import time
from pathlib import Path
from typing import Any

import can
import cantools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.can_messages import Frames
from padit.adapters.errors import AdapterError
from padit.adapters.registry import create_adapter
from tests.adapters.live import Live, until

DBC = """VERSION ""
NS_ :
BS_:
BU_: A
BO_ 256 Motor: 8 A
 SG_ Speed : 0|16@1+ (0.5,0) [0|8000] "rpm" A
 SG_ Torque : 16|16@1- (0.1,0) [-500|500] "Nm" A
BO_ 512 State: 1 A
 SG_ Mode : 0|8@1+ (1,0) [0|255] "" A
VAL_ 512 Mode 0 "off" 1 "on" ;
"""


@pytest.fixture
def dbc(tmp_path: Path) -> Path:
    path = tmp_path / "machine.dbc"
    path.write_text(DBC)
    return path


BUSES: list[dict[str, Any]] = [
    {"interface": "virtual", "channel": "line-1"},
    {"interface": "udp_multicast", "channel": "239.74.163.2", "bus": {"hop_limit": 0}},
]


def sender(bus: dict[str, Any]) -> can.BusABC:
    return can.Bus(interface=bus["interface"], channel=bus["channel"], **bus.get("bus", {}))


@pytest.fixture(params=BUSES, ids=lambda bus: str(bus["interface"]))
def bus(request: pytest.FixtureRequest) -> dict[str, Any]:
    try:
        sender(request.param).shutdown()
    except (OSError, can.CanError) as error:
        pytest.skip(f"this machine has no such bus: {error}")
    return dict(request.param)


def motor(dbc: Path, speed: float, torque: float) -> can.Message:
    database: Any = cantools.database.load_file(str(dbc))
    data = database.encode_message("Motor", {"Speed": speed, "Torque": torque})
    return can.Message(arbitration_id=256, data=data, is_extended_id=False)


def test_frames_are_decoded(dbc: Path, bus: dict[str, Any]) -> None:
    with Live({"type": "can", "dbc": str(dbc), "source_id": "m", **bus}) as live:
        other = sender(bus)
        try:
            other.send(motor(dbc, 1500.5, -41.5))
            other.send(can.Message(arbitration_id=512, data=[1], is_extended_id=False))
            time.sleep(0.1)
            live.poll()
            until(lambda: len(live.emitter.values("State_Mode")) == 1, "the frames", 5)
        finally:
            other.shutdown()
    found = {m.metric_name: m for m in live.emitter.metrics}
    assert found["Motor_Speed"].value == 1500.5
    assert found["Motor_Torque"].value == pytest.approx(-41.5)
    assert found["Motor_Torque"].unit == "Nm"
    assert found["State_Mode"].value == 1.0
    assert found["can_frames_per_s"].value > 0
    assert abs(float(found["Motor_Speed"].timestamp) - time.time()) < 60


def test_unknown_and_short_frames_are_counted(dbc: Path) -> None:
    bus = BUSES[0]
    with Live({"type": "can", "dbc": str(dbc), **bus}) as live:
        other = sender(bus)
        other.send(can.Message(arbitration_id=999, data=[1], is_extended_id=False))
        other.send(can.Message(arbitration_id=256, data=[1], is_extended_id=False))
        other.send(can.Message(is_error_frame=True))
        live.poll()
        other.shutdown()
    assert live.emitter.faults == {"malformed": 1}
    assert live.emitter.left == {"unknown_frame": 1, "error_frame": 1}
    assert live.emitter.values("can_error_frames_per_s")[0] > 0


def test_fast_signals_are_thinned(dbc: Path) -> None:
    bus = BUSES[0]
    with Live({"type": "can", "dbc": str(dbc), "min_interval_ms": 50_000, **bus}) as live:
        other = sender(bus)
        for _ in range(10):
            other.send(motor(dbc, 100, 1))
        live.poll()
        other.shutdown()
    assert len(live.emitter.values("Motor_Speed")) == 1


def test_dbc_and_bus_that_do_not_exist_are_errors(dbc: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(AdapterError, match="none"),
        Live({"type": "can", "dbc": str(tmp_path / "none.dbc"), **BUSES[0]}),
    ):
        pass
    with (
        pytest.raises(AdapterError, match="cannot be opened"),
        Live({"type": "can", "dbc": str(dbc), "interface": "socketcan", "channel": "can77"}),
    ):
        pass


@given(st.integers(0, 0x7FF), st.binary(max_size=8))
def test_no_frame_breaks_the_decoder(identity: int, data: bytes) -> None:
    adapter: Any = create_adapter({"type": "can", "dbc": "-", "channel": "-"})
    adapter._known = Frames(cantools.database.load_string(DBC), "auto")
    frame = can.Message(arbitration_id=identity | 256, data=data, is_extended_id=False)
    adapter._take(frame, [], ListEmitter())
