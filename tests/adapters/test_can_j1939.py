"""Which message a CAN frame is, and which signals hold a number: J1939 and identity."""

import struct
from pathlib import Path
from typing import Any

import can
import cantools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.can_messages import Frames, address_of, lack_of
from padit.adapters.registry import create_adapter
from tests.adapters.live import Live

CASE = Path(__file__).parents[1] / "cases" / "14-can" / "m.dbc"
TRUCK = """VERSION ""
NS_ :
BS_:
BU_: A
BO_ 2566844926 CCVS: 8 A
 SG_ WheelSpeed : 8|16@1+ (0.00390625,0) [0|250.996] "km/h" A
 SG_ BrakeSwitch : 28|2@1+ (1,0) [0|3] "" A
 SG_ Wide : 32|32@1+ (1,0) [0|4211081215] "" A
BO_ 2566847744 Vendor: 8 A
 SG_ Level : 0|8@1+ (1,0) [0|100] "%" A
BO_ 2147484882 Long: 1 A
 SG_ Count : 0|8@1+ (1,0) [0|0] "" A
BO_ 1234 Plain: 2 A
 SG_ Level : 0|8@1+ (1,0) [0|100] "%" A
 SG_ Gear : 8|8@1+ (1,0) [0|255] "" A
VAL_ 1234 Gear 0 "P" 255 "SNA" ;
"""


def frame(identity: int, data: bytes, extended: bool = False) -> can.Message:
    return can.Message(arbitration_id=identity, data=data, is_extended_id=extended)


def read(dbc: Path, frames: list[can.Message], **options: Any) -> ListEmitter:
    """What comes out of frames that were sent over a virtual bus."""
    bus = {"interface": "virtual", "channel": "j1939"}
    with Live({"type": "can", "dbc": str(dbc), "source_id": "can0", **bus, **options}) as live:
        other = can.Bus(**bus)
        try:
            for one in frames:
                other.send(one)
            live.poll()
        finally:
            other.shutdown()
    return live.emitter


def found(emitter: ListEmitter) -> dict[tuple[str, str], float]:
    return {
        (m.source_id, m.metric_name): m.value
        for m in emitter.metrics
        if not m.metric_name.startswith("can_")
    }


@pytest.fixture
def truck(tmp_path: Path) -> Path:
    path = tmp_path / "truck.dbc"
    path.write_text(TRUCK)
    return path


def test_case_14_every_frame_is_what_it_is_and_absent_is_no_number() -> None:
    frames = [
        frame(0xCF004FE, bytes([0x0F, 0, 0, 0x00, 0x20, 0, 0, 0]), True),
        frame(0xCF00400, bytes([0x00, 0, 0, 0x00, 0x20, 0, 0, 0]), True),
        frame(0xCF004FE, b"\xff" * 8, True),
        frame(256, bytes([0]) + struct.pack("<h", -155) + bytes(5)),
        frame(256, bytes([1]) + struct.pack("<H", 2401) + bytes(5)),
        frame(256, bytes([7]) + bytes(7)),
        frame(257, struct.pack("<f", 1.5) + struct.pack(">h", -2) + bytes(2)),
        frame(257, struct.pack("<f", float("nan")) + struct.pack(">h", -2) + bytes(2)),
        frame(258, bytes([5])),
        frame(999, b""),
        frame(258, bytes(8)),
    ]
    emitter = read(CASE, frames)
    assert found(emitter) == {
        ("can0/0xfe", "EEC1_EngSpeed"): 1024.0,
        ("can0/0x00", "EEC1_EngSpeed"): 1024.0,
        ("can0/0x00", "EEC1_EngMode"): 0.0,
        ("can0", "Mux_Page"): 1.0,
        ("can0", "Mux_Temp"): -15.5,
        ("can0", "Mux_Volt"): pytest.approx(24.01),
        ("can0", "Fl_F32"): 1.5,
        ("can0", "Fl_Big"): -2.0,
        ("can0", "Short_First"): 0.0,
        ("can0", "Short_Last"): 0.0,
    }
    assert emitter.faults == {"malformed": 2, "not_finite": 1}
    assert emitter.left == {"not_available": 3, "unknown_frame": 1}
    engine = next(m for m in emitter.metrics if m.source_id == "can0/0x00")
    assert engine.metadata == {"pgn": 61444, "source_address": 0, "depends_on": "can0"}


def test_case_14_extended_frame_with_the_id_of_a_standard_message_is_another() -> None:
    frames = [
        frame(258, bytes([1, 0, 0, 0, 0, 0, 0, 2])),
        frame(258, bytes([99, 0, 0, 0, 0, 0, 0, 98]), True),
    ]
    emitter = read(CASE, frames)
    assert found(emitter) == {("can0", "Short_First"): 1.0, ("can0", "Short_Last"): 2.0}
    assert emitter.left == {"unknown_frame": 1}
    assert "in the DBC 0x102 is Short of 11 bits" in emitter.messages["unknown_frame"]


def test_group_is_known_from_any_address_and_with_any_priority(truck: Path) -> None:
    wheel = bytes([0xFF, 0x00, 0x40, 0xC1, 0xFF, 0xFF, 0xFF, 0xFE])
    frames = [frame(0x18FEF121, wheel, True), frame(0x0CFEF10B, wheel, True)]
    emitter = read(truck, frames)
    assert found(emitter) == {
        ("can0/0x21", "CCVS_WheelSpeed"): 64.0,
        ("can0/0x0b", "CCVS_WheelSpeed"): 64.0,
        ("can0/0x21", "CCVS_BrakeSwitch"): 0.0,
        ("can0/0x0b", "CCVS_BrakeSwitch"): 0.0,
    }
    assert emitter.faults == {"error_indicator": 2}
    assert emitter.left == {}


def test_label_that_stands_for_no_number_counts_outside_of_j1939_too(truck: Path) -> None:
    emitter = read(truck, [frame(1234, bytes([255, 255])), frame(1234, bytes([7, 0]))])
    levels = [m for m in emitter.metrics if m.metric_name == "Plain_Level"]
    assert [(m.value, m.metadata) for m in levels] == [(255.0, {"out_of_range": True}), (7.0, {})]
    assert emitter.values("Plain_Gear") == [0.0]
    assert emitter.left == {"not_available": 1}
    assert emitter.values("can_out_of_range_per_s")[0] > 0
    refused = read(truck, [frame(1234, bytes([255, 0]))], out_of_range="refuse")
    assert refused.faults == {"out_of_range": 1}
    assert refused.values("Plain_Level") == []


def test_one_identifier_of_both_kinds_is_two_messages(truck: Path) -> None:
    emitter = read(truck, [frame(1234, bytes([5, 0])), frame(1234, bytes([9, 9]), True)])
    assert found(emitter) == {
        ("can0", "Plain_Level"): 5.0, ("can0", "Plain_Gear"): 0.0, ("can0", "Long_Count"): 9.0
    }  # fmt: skip


def test_unknown_frames_are_named_with_what_would_read_them(truck: Path) -> None:
    other = frame(0x18FEFD05, bytes([50]) + b"\xff" * 7, True)
    emitter = read(truck, [other])
    assert emitter.left == {"unknown_frame": 1}
    assert "PGN of Vendor: `j1939: yes` reads it" in emitter.messages["unknown_frame"]
    assert found(read(truck, [other], j1939="yes")) == {("can0/0x05", "Vendor_Level"): 50.0}
    exact = frame(0x18FEFD00, bytes([50]) + b"\xff" * 7, True)
    assert found(read(truck, [exact])) == {("can0", "Vendor_Level"): 50.0}
    none = read(truck, [frame(0x18FEF121, bytes(8), True)], j1939="no")
    assert none.left == {"unknown_frame": 1}


SAID = {
    "the frame format": """BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved",\
"J1939PG";
BA_DEF_DEF_ "VFrameFormat" "ExtendedCAN";
BA_ "VFrameFormat" BO_ 2566847744 3;
""".replace("\\\n", ""),
    "the protocol": """BA_DEF_ "ProtocolType" STRING ;
BA_DEF_DEF_ "ProtocolType" "";
BA_ "ProtocolType" "J1939";
""",
    "the number of a signal": """BA_DEF_ SG_ "SPN" INT 0 524287;
BA_DEF_DEF_ "SPN" 0;
BA_ "SPN" SG_ 2566847744 Level 190;
""",
}


@pytest.mark.parametrize("where", SAID)
def test_dbc_that_calls_a_message_j1939_is_believed(where: str, tmp_path: Path) -> None:
    head, values = TRUCK.split("VAL_ ")
    path = tmp_path / "said.dbc"
    path.write_text(f"{head}{SAID[where]}VAL_ {values}")
    other = frame(0x0CFEFD05, bytes([50]) + b"\xff" * 7, True)
    assert found(read(path, [other])) == {("can0/0x05", "Vendor_Level"): 50.0}


def test_parts_whose_beginning_was_not_seen_are_counted(truck: Path) -> None:
    emitter = read(truck, [frame(0x1CECFF00, bytes(8), True), frame(0x1CEBFF00, bytes(8), True)])
    assert emitter.left == {"transport_control": 1, "multi_packet": 1}


def test_filter_can_ask_for_one_kind_of_identifier(truck: Path) -> None:
    only = [{"can_id": 1234, "can_mask": 0x7FF, "extended": False}]
    emitter = read(truck, [frame(1234, bytes(2)), frame(1234, bytes(2), True)], filters=only)
    assert emitter.values("Long_Count") == []
    assert len(emitter.values("Plain_Level")) == 1
    assert emitter.left == {}


@pytest.mark.parametrize(
    ("raw", "width", "lack"),
    [
        (0xFA, 8, ""),
        (0xFB, 8, "reserved"),
        (0xFE, 8, "error_indicator"),
        (0xFF, 8, "not_available"),
        (0xFAFF, 16, ""),
        (0xFDFF, 16, "reserved"),
        (0xFE01, 16, "error_indicator"),
        (0xFFFF, 16, "not_available"),
        (0xFAFFFF, 24, ""),
        (0xFE000000, 32, "error_indicator"),
        (3, 2, "not_available"),
        (2, 2, "error_indicator"),
        (1, 1, ""),
        (14, 4, ""),
        (0x3FF, 10, "not_available"),
    ],
)
def test_ranges_of_j1939(raw: int, width: int, lack: str) -> None:
    assert lack_of(raw, width) == lack


def test_identifier_has_a_destination_below_240_and_a_group_above() -> None:
    assert address_of(0x18EF2103) == (0xEF00, 3, 6, 0x21)
    assert address_of(0x18FEEE00) == (0xFEEE, 0, 6, None)


frames_of = st.lists(
    st.builds(
        can.Message,
        arbitration_id=st.sampled_from(
            [1234, 0x18FEF121, 0x18FEF1FE, 0x18FEFD00, 0x1CECFF00, 0x123]
        ),
        data=st.binary(max_size=8),
        is_extended_id=st.just(True),
        is_remote_frame=st.sampled_from([False, False, False, True]),
        is_error_frame=st.sampled_from([False, False, False, True]),
    )
    | st.builds(
        can.Message,
        arbitration_id=st.sampled_from([1234, 0x123]),
        data=st.binary(min_size=1, max_size=3),
        is_extended_id=st.just(False),
    ),
    max_size=20,
)


@given(frames_of, st.sampled_from(["auto", "yes", "no"]), st.sampled_from(["mark", "refuse"]))
def test_books_of_signals_balance(frames: list[can.Message], mode: str, outside: str) -> None:
    adapter: Any = create_adapter(
        {"type": "can", "dbc": "-", "channel": "c", "j1939": mode, "out_of_range": outside,
         "signals": ["Plain_Level", "CCVS_WheelSpeed", "CCVS_BrakeSwitch"], "min_interval_ms": 1e9}
    )  # fmt: skip
    database: Any = cantools.database.load_string(TRUCK)
    adapter._known = known = Frames(database, mode)
    emitter = ListEmitter()
    present = 0
    for one in frames:
        samples: list[Any] = []
        adapter._take(one, samples, emitter)
        emitter.emit(samples)
        message, _ = known.find(one.arbitration_id, one.is_extended_id)
        plain = not (one.is_error_frame or one.is_remote_frame) and message is not None
        present += len(message.signals) if plain and len(one.data) >= message.length else 1
    counted = sum(emitter.faults.values()) + sum(emitter.left.values())
    assert len(emitter.metrics) + counted == present
