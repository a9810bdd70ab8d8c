"""Frames, byte by byte as the standards lay them out; and whatever else may come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.fronthaul import cfm, echo, ecpri
from padit.adapters.fronthaul.ecpri import Action, DelayMessage
from padit.adapters.fronthaul.links import Arrival
from padit.adapters.fronthaul.probes import CfmProbe, EchoProbe, EcpriProbe
from padit.adapters.fronthaul.respond import (
    CfmResponder,
    EchoResponder,
    EcpriResponder,
    make_responder,
)
from padit.adapters.fronthaul.targets import CfmTarget, EchoTarget, EcpriTarget
from padit.domain.errors import ConfigurationError

messages = st.builds(
    DelayMessage,
    measurement_id=st.integers(0, 255),
    action=st.sampled_from(Action),
    time_ns=st.integers(0, (2**48 - 1) * 10**9),
    compensation_ns=st.integers(-(2**40), 2**40).map(float),
    dummy=st.integers(0, 100),
)


def test_delay_request_is_laid_out_as_in_ecpri_v2() -> None:
    message = DelayMessage(0x2A, Action.REQUEST, 1_000_000_002_000_000_003, 183.5, dummy=2)
    assert ecpri.encode(message).hex(" ") == (
        "10 05 00 16"  # revision 1, no concatenation; type 5; 22 bytes follow
        " 2a 00"  # measurement id, action
        " 00 00 3b 9a ca 02 00 00 00 03"  # 48 bits of seconds, 32 of nanoseconds
        " 00 00 00 00 00 b7 80 00"  # 183.5 ns times 2^16, the specification's own example
        " 00 00"
    )


def test_loopback_message_is_laid_out_as_in_8021ag() -> None:
    assert cfm.encode(5, cfm.LBM, 0x01020304, b"ab").hex(" ") == (
        "a0 03 00 04"  # level 5, version 0; opcode 3; flags; first TLV offset 4
        " 01 02 03 04"  # transaction identifier
        " 03 00 02 61 62"  # Data TLV
        " 00"  # End TLV
    )
    assert cfm.group_address(5).hex(":") == "01:80:c2:00:00:35"


@given(messages)
def test_delay_message_survives_the_wire(message: DelayMessage) -> None:
    assert ecpri.decode(ecpri.encode(message) + bytes(40)) == [message]


@given(st.lists(messages, min_size=1, max_size=4))
def test_concatenated_messages_are_all_read(wanted: list[DelayMessage]) -> None:
    packet = b""
    for position, message in enumerate(wanted):
        data = bytearray(ecpri.encode(message))
        if position < len(wanted) - 1:
            data[0] |= 1
        packet += bytes(data)
        packet += bytes(-len(packet) % 4)
    assert ecpri.decode(packet) == wanted


@given(st.integers(0, 7), st.integers(0, 2**32 - 1), st.binary(max_size=1480))
def test_reply_differs_from_its_message_in_the_opcode_only(
    level: int, transaction: int, data: bytes
) -> None:
    pdu = cfm.encode(level, cfm.LBM, transaction, data)
    reply = cfm.reply_to(pdu)
    assert reply[2:] == pdu[2:]
    read = cfm.decode(reply + bytes(20))
    assert (read.level, read.opcode, read.transaction) == (level, cfm.LBR, transaction)
    assert read.data == data


def mutated(valid: bytes) -> st.SearchStrategy[bytes]:
    """Random bytes, and valid frames with some bytes changed or cut off."""

    def change(edits: list[tuple[int, int]], cut: int) -> bytes:
        data = bytearray(valid)
        for position, value in edits:
            data[position % len(data)] = value
        return bytes(data[: len(data) - cut % len(data)])

    pairs = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=5)
    return st.binary(max_size=200) | st.builds(change, pairs, st.integers(0, 30))


ECPRI_FRAME = ecpri.encode(DelayMessage(1, Action.RESPONSE, 10**18, dummy=8))
CFM_FRAME = cfm.encode(4, cfm.LBM, 7, b"some data")
ECHO_FRAME = echo.encode(echo.Echo(1, 2, 3), 64)


@given(mutated(ECPRI_FRAME), mutated(CFM_FRAME), mutated(ECHO_FRAME))
def test_no_bytes_break_a_decoder(one: bytes, two: bytes, three: bytes) -> None:
    for decode, data, error in (
        (ecpri.decode, one, ecpri.EcpriError),
        (cfm.decode, two, cfm.CfmError),
        (echo.decode, three, echo.EchoError),
    ):
        try:
            decode(data)
        except error:
            continue


MAC, PEER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


class Wire:
    """A link that keeps what is sent."""

    mac = MAC

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes, *_to: Any) -> int:
        self.sent.append(data)
        return 0


def arrival(data: bytes, source: Any = PEER, target: Any = MAC) -> Arrival:
    return Arrival(data, source, target, 0, 10**18)


@given(mutated(ECPRI_FRAME) | mutated(CFM_FRAME) | mutated(ECHO_FRAME))
def test_no_frame_breaks_probes_or_responders(data: bytes) -> None:
    emitter = ListEmitter()
    parts: list[Any] = [
        EchoResponder("127.0.0.1", 7007),
        EcpriResponder(("127.0.0.1", 1)),
        CfmResponder("x", 4),
        EchoProbe(EchoTarget(host="x"), "s", emitter),
        EcpriProbe(EcpriTarget(host="x", both_ways=True), "s", emitter),
        CfmProbe(CfmTarget(interface="x"), "s", emitter),
    ]
    for part in parts:
        part._link = Wire()
        source = ("10.0.0.1", 40_000) if "Echo" in type(part).__name__ else PEER
        part._receive(arrival(data, source))
        assert len(part._link.sent) <= 60
    assert not emitter.metrics


def test_responder_answers_only_what_is_addressed_to_it() -> None:
    responder: Any = CfmResponder("x", 4)
    responder._link = Wire()
    stranger = bytes.fromhex("020000000009")
    responder._receive(arrival(CFM_FRAME, target=stranger))
    responder._receive(arrival(CFM_FRAME, source=cfm.group_address(4)))
    responder._receive(arrival(cfm.encode(5, cfm.LBM, 1), target=MAC))
    assert responder._link.sent == []
    responder._receive(arrival(CFM_FRAME, target=cfm.group_address(4)))
    responder._receive(arrival(CFM_FRAME))
    assert len(responder._link.sent) == 2
    assert responder.counts == {"refused": 3, "answered": 2}


def test_echo_responder_does_not_answer_ports_that_would_answer_back() -> None:
    responder: Any = EchoResponder("127.0.0.1", 7007)
    responder._link = Wire()
    for port in (7, 19, 7007):
        responder._receive(arrival(b"x", source=("10.0.0.1", port)))
    assert responder._link.sent == []


@pytest.mark.parametrize(
    ("protocol", "options", "reason"),
    [("cfm", {}, "--interface"), ("cfm", {"interface": "x", "level": 8}, "0 to 7")],
)
def test_responder_that_cannot_be_made_says_why(
    protocol: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        make_responder(protocol, **options)
