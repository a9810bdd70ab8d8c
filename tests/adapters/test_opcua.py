"""OPC UA against asyncua's own server on loopback."""

import datetime
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.errors import AdapterError
from padit.adapters.opcua import OpcUaNode, value_of
from padit.adapters.registry import create_adapter
from padit.domain.errors import ConfigurationError
from tests.adapters.live import Live, until
from tests.adapters.opcua_machine import WHEN, Machine, Users, torques
from tests.limits import allowed


def test_data_changes_come_with_the_time_of_their_source(machine: Machine) -> None:
    machine.start()
    with Live(machine.config()) as live:
        until(lambda: torques(live) == [2], "the first value")
        for value in (20.5, 21.5, 22.5):
            machine.write(value)
        until(lambda: len(torques(live)) == 4, "three changes")
        live.poll()
    assert torques(live) == [2, 41, 43, 45]
    sample = next(m for m in live.emitter.metrics if m.value == 41)
    assert sample.timestamp == WHEN.timestamp()
    assert (sample.source_id, sample.unit, sample.protocol) == ("press", "Nm", "opcua")
    assert live.emitter.values("opcua_up") == live.emitter.values("opcua_good_ratio") == [1]
    assert live.emitter.faults == {}


@pytest.mark.parametrize("accept", [False, True])
def test_bad_and_uncertain_values_are_counted_and_never_0(accept: bool, machine: Machine) -> None:
    machine.start()
    with Live(machine.config(accept_uncertain=accept)) as live:
        until(lambda: torques(live) == [2], "the first value")
        machine.write(5.0, ua.StatusCodes.BadSensorFailure)
        until(lambda: live.emitter.faults.get("bad_status"), "the bad value")
        live.poll()
        machine.write(6.0, ua.StatusCodes.UncertainLastUsableValue)
        machine.write(7.0)
        until(lambda: torques(live)[-1] == 14, "the good value")
        live.poll()
    assert torques(live) == ([2, 12, 14] if accept else [2, 14])
    assert live.emitter.faults == {"bad_status": 1}
    assert live.emitter.left == ({} if accept else {"uncertain_status": 1})
    assert "BadSensorFailure" in live.emitter.messages["bad_status"]
    assert live.emitter.values("opcua_good_ratio") == [0, 1]


def test_server_that_was_started_again_is_subscribed_to_again(machine: Machine) -> None:
    machine.start()
    with Live(machine.config(request_timeout_sec=1)) as live:
        until(lambda: torques(live) == [2], "the first value")
        machine.stop()
        with pytest.raises(AdapterError, match="connection is lost"):
            live.poll()
        live.call(live.adapter.close())
        with pytest.raises(AdapterError, match=r"opc\.tcp") as error:
            live.call(live.adapter.open(live.emitter))
        assert error.value.cause == "connect"
        live.call(live.adapter.close())
        machine.start()
        live.call(live.adapter.open(live.emitter))
        machine.write(4.0)
        until(lambda: torques(live)[-1] == 8, "a change after the restart")
        live.poll()
    assert live.emitter.values("opcua_up") == [0, 0, 1]


NEVER = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("year", [1650, 1999, 2200, 9999])
def test_value_of_an_impossible_time_is_a_fault_with_its_name(year: int, machine: Machine) -> None:
    machine.start()
    with Live(machine.config()) as live:
        until(lambda: torques(live) == [2], "the first value")
        machine.write(3.0, when=WHEN.replace(year=year))
        until(lambda: live.emitter.faults.get("time"), "the impossible time")
        live.poll()
    assert torques(live) == [2]
    assert live.emitter.values("opcua_good_ratio") == [0]
    assert f"torque_nm: the value 6 has the impossible time {year}" in live.emitter.messages["time"]


def test_time_that_a_source_does_not_know_is_the_servers_or_ours(machine: Machine) -> None:
    machine.start()
    with Live(machine.config()) as live:
        until(lambda: torques(live) == [2], "the first value")
        machine.write(3.0, when=NEVER)
        until(lambda: torques(live) == [2, 6], "the value without a time")
    assert live.emitter.faults == {}
    assert live.emitter.metrics[-1].timestamp == pytest.approx(time.time(), abs=allowed(30))
    node = OpcUaNode(node="i=1", name="x")
    data = ua.DataValue(ua.Variant(1.0), SourceTimestamp=NEVER, ServerTimestamp=WHEN)
    assert value_of(node, data, uncertain=False) == (1.0, WHEN.timestamp())
    data = ua.DataValue(ua.Variant(1.0), SourceTimestamp=NEVER, ServerTimestamp=NEVER)
    assert value_of(node, data, uncertain=False) == (1.0, None)


def test_node_that_is_missing_or_no_number_costs_only_itself(machine: Machine) -> None:
    machine.start()
    nodes = [{"node": "ns=2;s=missing", "name": "missing"},
             {"node": "ns=2;s=state", "name": "state"},
             {"node": "ns=2;s=torque", "name": "torque_nm"}]  # fmt: skip
    with Live(machine.config(nodes=nodes)) as live:
        until(lambda: torques(live) == [1], "the first value")
        until(lambda: "no_number" in live.emitter.left, "the text")
    assert live.emitter.faults == {"refused": 1}
    assert live.emitter.left == {"no_number": 1}
    assert "missing (ns=2;s=missing): BadNodeIdUnknown" in live.emitter.messages["refused"]


def test_secure_channel_with_certificates(machine: Machine, tmp_path: Path) -> None:
    ours = certificate(tmp_path, "client", "urn:padit:adapters")
    machine.secure = certificate(tmp_path, "server", "urn:freeopcua:python:server")
    machine.start()
    with pytest.raises(AdapterError) as error, Live(machine.config()):
        pass
    assert error.value.cause == "connect"
    secure = {"security": "Basic256Sha256", "cert_file": str(ours[0]), "key_file": str(ours[1]),
              "server_cert_file": str(machine.secure[0])}  # fmt: skip
    with Live(machine.config(**secure)) as live:
        until(lambda: torques(live) == [2], "a value over the secure channel")


def test_user_with_a_password_from_a_file(machine: Machine, tmp_path: Path) -> None:
    machine.users = Users()
    machine.start()
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    config = machine.config(username="reader", password_file=str(secret))
    with Live(config) as live:
        until(lambda: torques(live) == [2], "a value for the user")
    secret.write_text("wrong")
    with pytest.raises(AdapterError) as error, Live(config):
        pass
    assert error.value.cause == "connect"


def certificate(directory: Path, name: str, uri: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as OPC UA wants them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
    usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - datetime.timedelta(days=1))
        .not_valid_after(begin + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / f"{name}.der", directory / f"{name}.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.DER))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.mark.parametrize("value", [None, "7", [1.0, 2.0], float("nan"), b"1"])
def test_value_that_is_no_finite_number_is_refused(value: Any) -> None:
    data = ua.DataValue(Value=ua.Variant(value, ua.VariantType.Null))
    with pytest.raises(ValueError, match="x"):
        value_of(OpcUaNode(node="i=1", name="x"), data, uncertain=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": [{"node": "ns=2;s=a", "name": "a"}] * 2}, "a stands there twice"),
        ({"nodes": [{"node": "torque", "name": "a"}]}, "is no node"),
        ({"security": "Basic256Sha256"}, "cert_file"),
        ({"url": "http://x"}, "url"),
        ({"password_file": "f"}, "needs `username`"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    good = {"url": "opc.tcp://h:4840", "nodes": [{"node": "i=85", "name": "a"}]}
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({"type": "opcua", **good, **options})


VALUES = st.sampled_from([1.5, -7, True, None, "7", float("nan"), float("inf"), [1.0, 2.0], b"1"])
STATUS = st.sampled_from(
    [0, ua.StatusCodes.BadSensorFailure, ua.StatusCodes.UncertainLastUsableValue, 0x480]
)


@given(st.lists(st.tuples(VALUES, STATUS, st.booleans()), max_size=12), st.booleans())
def test_books_of_data_changes_balance(
    changes: list[tuple[Any, int, bool]], uncertain: bool
) -> None:
    """Each full queue stands for a change that was lost at least, and is one more."""
    nodes = [{"node": "ns=2;s=torque", "name": "torque"}]
    config = {"url": "opc.tcp://h", "nodes": nodes, "accept_uncertain": uncertain}
    adapter: Any = create_adapter({"type": "opcua", **config})
    adapter._emitter = emitter = ListEmitter()
    lost = 0
    for value, status, known in changes:
        item = ua.DataValue(
            Value=None if value is None else ua.Variant(value, ua.VariantType.Null),
            StatusCode=ua.StatusCode(ua.UInt32(status)),
        )
        node = SimpleNamespace(nodeid=ua.NodeId("torque" if known else "other", 2))
        data = SimpleNamespace(monitored_item=SimpleNamespace(Value=item))
        adapter.datachange_notification(node, None, data)
        lost += known and status == 0x480
    counted = sum(emitter.faults.values()) + sum(emitter.left.values())
    assert len(emitter.metrics) + counted == len(changes) + lost
    assert all(math.isfinite(m.value) for m in emitter.metrics)
    assert emitter.faults.get("overflow", 0) == lost
