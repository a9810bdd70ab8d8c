"""Messages of J1939 in several frames: whole, or counted with their parameter group."""

import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.can_messages import Address, address_of
from padit.adapters.can_transport import MOST_OPEN, TIMEOUT, Note, Transport, Whole
from tests.adapters.test_can_j1939 import found, frame, read

GROUP = 0xFEE3
DBC = """VERSION ""
NS_ :
BS_:
BU_: A
BO_ 2566841342 Engine: 20 A
 SG_ Idle : 0|16@1+ (0.125,0) [0|8031] "1/min" A
 SG_ Torque : 144|16@1+ (1,0) [0|64255] "Nm" A
 SG_ Spare : 64|16@1+ (1,0) [0|64255] "" A
"""
DATA = struct.pack("<H", 6400) + b"\xff" * 16 + struct.pack("<H", 900)


def parts(
    data: bytes, group: int = GROUP, source: int = 5, to: int = 0xFF, kind: int = 32
) -> list[tuple[int, bytes]]:
    """(identifier, data) of an announced message and its packets."""
    count = -(-len(data) // 7)
    head = struct.pack("<BHBB", kind, len(data), count, 0xFF) + group.to_bytes(3, "little")
    packets = [bytes([i + 1]) + data[7 * i : 7 * i + 7].ljust(7, b"\xff") for i in range(count)]
    low = to << 8 | source
    return [(0x1CEC0000 | low, head), *((0x1CEB0000 | low, one) for one in packets)]


def take(
    transport: Transport, frames: list[tuple[int, bytes]], start: float = 0.0, step: float = 0.05
) -> tuple[list[Whole], list[Note]]:
    wholes, notes = [], []
    for number, (identity, data) in enumerate(frames):
        whole, more = transport.take(address_of(identity), data, start + step * number)
        wholes += [whole] if whole else []
        notes += more
    return wholes, notes


def kinds(notes: list[Note]) -> list[str]:
    return [one.kind for one in notes]


def test_a_message_of_several_frames_is_read_as_the_dbc_says(tmp_path: Path) -> None:
    path = tmp_path / "engine.dbc"
    path.write_text(DBC)
    frames = [frame(*one, True) for one in parts(DATA)]
    frames += [frame(*one, True) for one in parts(DATA, source=6, to=0x21, kind=16)]
    emitter = read(path, frames)
    assert found(emitter) == {
        (f"can0/0x0{source}", f"Engine_{name}"): value
        for source in (5, 6)
        for name, value in (("Idle", 800.0), ("Torque", 900.0))
    }
    assert emitter.left == {"transport_control": 2, "not_available": 2}
    assert emitter.faults == {}


def test_a_message_that_the_dbc_does_not_know_is_named_by_its_parameter_group(
    tmp_path: Path,
) -> None:
    path = tmp_path / "engine.dbc"
    path.write_text(DBC)
    emitter = read(path, [frame(*one, True) for one in parts(bytes(30), 0xFECA)])
    assert emitter.left == {"transport_control": 1, "unknown_message": 1}
    assert "PGN 65226 (0xfeca) of 30 bytes" in emitter.messages["unknown_message"]


@given(
    data=st.binary(min_size=9, max_size=1785),
    group=st.integers(0, 0x3FFFF),
    to=st.integers(0, 255),
    order=st.randoms(use_true_random=False),
)
def test_every_message_is_put_together_whatever_the_order_of_its_packets(
    data: bytes, group: int, to: int, order: object
) -> None:
    head, *packets = parts(data, group, to=to, kind=16)
    order.shuffle(packets)  # type: ignore[attr-defined]
    wholes, notes = take(Transport(), [head, *packets], step=0.001)
    assert [(one.address.pgn, one.data) for one in wholes] == [(group, data)]
    assert kinds(notes) == ["transport_control"]


def test_a_message_whose_packets_are_late_is_given_up_by_the_time_of_the_frames() -> None:
    frames = parts(DATA)
    wholes, notes = take(Transport(), frames, step=TIMEOUT + 0.01)
    assert wholes == []
    assert kinds(notes) == ["transport_control", "incomplete", *["multi_packet"] * 3]
    assert "PGN 65251 (0xfee3) of 0x05: no packet for 1.25 s; 0 of 3" in notes[1].text
    assert take(Transport(), frames, step=TIMEOUT - 0.01)[0]


def test_a_second_announcement_an_abort_and_a_wrong_packet_give_a_message_up() -> None:
    head, first, *rest = parts(DATA)
    assert kinds(take(Transport(), [head, first, head, first, *rest])[1]).count("incomplete") == 1
    abort = (head[0], b"\xff" + bytes(7))
    assert "aborted" in take(Transport(), [head, first, abort])[1][-1].text
    wrong = (first[0], b"\x09" + bytes(7))
    assert "packet 9 does not fit" in take(Transport(), [head, wrong])[1][-1].text


def test_longer_messages_are_named_by_their_parameter_group() -> None:
    head = b"\x14" + struct.pack("<I", 5000) + (0xFECA).to_bytes(3, "little")
    _, notes = take(Transport(), [(0x1CC82105, head), (0x1CC72105, bytes(8))])
    assert kinds(notes) == ["multi_packet", "multi_packet"]
    assert "PGN 65226" in notes[0].text


def test_open_messages_are_bounded() -> None:
    transport = Transport()
    notes: list[Note] = []
    for number in range(MOST_OPEN + 10):
        head, *_ = parts(DATA, source=number % 256, to=number // 256)
        notes += transport.take(address_of(head[0]), head[1], 0.0)[1]
    assert kinds(notes).count("incomplete") == 10
    assert len(transport._open) == MOST_OPEN


@given(
    frames=st.lists(
        st.tuples(st.sampled_from([0xEC00, 0xEB00, 0xC800, 0xC700]), st.binary(max_size=8))
    )
)
def test_no_frames_can_raise(frames: list[tuple[int, bytes]]) -> None:
    transport = Transport()
    for group, data in frames:
        transport.take(Address(group, 1, 7, 255), data, 0.0)
