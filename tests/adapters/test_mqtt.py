"""MQTT against a real mosquitto: plain, with password, after a restart, and with bad payloads."""

import gc
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.publish as publish
import pytest

from padit.adapters.base import ListEmitter
from padit.adapters.errors import AdapterError
from padit.devcluster.ports import free_port
from tests.adapters.live import Live, until
from tests.adapters.test_http_probe import certificate
from tests.limits import allowed
from tests.parts import required_program


class Mosquitto:
    """A broker; knows user `u` with password `p`, and refuses other clients if `guarded`.

    With `tls`, a certificate and its key, it speaks TLS only.
    """

    def __init__(
        self, directory: Path, *, guarded: bool = False, tls: tuple[Path, Path] | None = None
    ) -> None:
        self.port = free_port()
        self._config = directory / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(not guarded).lower()}"]
        lines.append("user root")
        if guarded:
            passwords = directory / "passwords"
            passwords.touch()
            maker = required_program("mosquitto_passwd")
            command = [maker.path, "-b", str(passwords), "u", "p"]
            subprocess.run(command, check=True, capture_output=True, env=maker.environment)
            lines.append(f"password_file {passwords}")
        if tls:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        self._config.write_text("\n".join(lines) + "\n")
        self._log = directory / "log"

    def start(self) -> None:
        program = required_program("mosquitto")
        command = [program.path, "-c", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=program.environment
            )
        until(self._answers, "mosquitto")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(allowed(10))


@pytest.fixture
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path, guarded=getattr(request, "param", False))
    made.start()
    yield made
    made.stop()


def send(broker: Mosquitto, topic: str, payload: str | bytes, **more: object) -> None:
    publish.single(topic, payload, qos=1, hostname="127.0.0.1", port=broker.port, **more)


def config(broker: Mosquitto, **more: object) -> dict[str, object]:
    return {
        "type": "mqtt",
        "host": "127.0.0.1",
        "port": broker.port,
        "subscriptions": [{"topic": "plant/+/#", "unit": "Nm"}],
        **more,
    }


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_numbers_and_json_become_samples(broker: Mosquitto, version: str) -> None:
    with Live(config(broker, version=version)) as live:
        send(broker, "plant/press-1/torque", "41.5")
        send(broker, "plant/press-1/state", '{"motor": {"rpm": 1500, "on": true}, "note": "x"}')
        until(lambda: len(live.emitter.metrics) == 3, "three samples")
    found = {(m.source_id, m.metric_name): m.value for m in live.emitter.metrics}
    assert found == {
        ("plant/press-1", "torque"): 41.5,
        ("plant/press-1", "state_motor.rpm"): 1500.0,
        ("plant/press-1", "state_motor.on"): 1.0,
    }
    assert live.emitter.metrics[0].unit == "Nm"


def test_templates_and_time_field(broker: Mosquitto) -> None:
    subscription = {
        "topic": "s/#",
        "source_id": "{1}",
        "metric_name": "m_{field}",
        "timestamp_field": "t",
    }
    with Live(config(broker, subscriptions=[subscription])) as live:
        send(broker, "s/a/x", '{"v": 1, "t": 1767323045.5}')
        until(lambda: live.emitter.metrics, "a sample")
    metric = live.emitter.metrics[0]
    assert (metric.source_id, metric.metric_name, metric.timestamp) == ("a", "m_v", 1767323045.5)


def test_bad_payloads_are_counted_and_the_next_is_read(broker: Mosquitto) -> None:
    with Live(config(broker)) as live:
        for payload in (b"\xff\xfe", "nan", "{broken", "[" * 5000, ""):
            send(broker, "plant/a/b", payload)
        send(broker, "plant/a/b", b"x" * 10_000_000)
        send(broker, "plant/a/b", "1")
        until(lambda: live.emitter.metrics, "a sample")
    assert live.emitter.values("b") == [1.0]
    assert live.emitter.faults == {"malformed": 4, "too_large": 1}
    assert live.emitter.left == {"empty": 1}


@pytest.mark.parametrize("broker", [True], indirect=True)
def test_wrong_password_is_an_error_and_the_right_one_works(broker: Mosquitto) -> None:
    with (
        pytest.raises(AdapterError, match="refuses"),
        Live(config(broker, username="u", password="wrong")),  # noqa: S106
    ):
        pass
    with Live(config(broker, username="u", password="p")) as live:  # noqa: S106
        send(broker, "plant/a/b", "1", auth={"username": "u", "password": "p"})
        until(lambda: live.emitter.metrics, "a sample")


@contextmanager
def speaking_tls(directory: Path, days: float) -> Iterator[tuple[Mosquitto, Path]]:
    """A broker whose certificate ends in `days`, and that certificate."""
    cert, key = certificate(directory, days)
    made = Mosquitto(directory, tls=(cert, key))
    made.start()
    try:
        yield made, cert
    finally:
        made.stop()


def test_tls_carries_messages_from_a_broker_that_is_trusted(tmp_path: Path) -> None:
    with speaking_tls(tmp_path, 30) as (broker, cert):
        secure = {"host": "localhost", "tls": True, "ca_file": str(cert)}
        with Live(config(broker, **secure)) as live:
            trusting = {"ca_certs": str(cert)}
            topic = "plant/a/b"
            publish.single(topic, "3", hostname="localhost", port=broker.port, tls=trusting)
            until(lambda: live.emitter.metrics, "a sample")
    assert live.emitter.values("b") == [3.0]


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("days", "host", "trusted", "reason"),
    [
        (30, "localhost", False, "self-signed"),
        (30, "127.0.0.1", True, "IP address mismatch"),
        (-2, "localhost", True, "expired"),
    ],
)
def test_broker_with_an_invalid_certificate_gets_nothing(
    tmp_path: Path, days: float, host: str, trusted: bool, reason: str
) -> None:
    with speaking_tls(tmp_path, days) as (broker, cert):
        secure = {"host": host, "tls": True, "ca_file": str(cert) if trusted else ""}
        with pytest.raises(AdapterError, match=reason) as caught, Live(config(broker, **secure)):
            pass
    assert caught.value.cause == "certificate"
    del caught
    gc.collect()


def test_authorities_that_cannot_be_read_are_an_error_that_names_them(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.pem")
    settings = {"port": 1, "tls": True, "ca_file": missing, "subscriptions": [{"topic": "#"}]}
    with (
        pytest.raises(AdapterError, match=r"no\.pem") as caught,
        Live({"type": "mqtt", **settings}),
    ):
        pass
    assert caught.value.cause == "certificate"


def test_lost_broker_is_noticed_and_taken_up_again(broker: Mosquitto) -> None:
    with Live(config(broker)) as live:
        live.poll()
        broker.stop()
        until(lambda: not live.adapter._client.is_connected(), "the loss")
        with pytest.raises(AdapterError, match="lost"):
            live.poll()
        live.call(live.adapter.close())
        with pytest.raises(AdapterError, match="cannot be reached"):
            live.call(live.adapter.open(live.emitter))
        live.call(live.adapter.close())
        broker.start()
        live.call(live.adapter.open(live.emitter))
        send(broker, "plant/a/b", "2")
        until(lambda: live.emitter.metrics, "a sample")


def test_persistent_session_brings_what_came_while_away(broker: Mosquitto) -> None:
    kept = config(broker, client_id="padit-test", clean_session=False)
    with Live(kept):
        pass
    send(broker, "plant/a/b", "7")
    with Live(kept) as live:
        until(lambda: live.emitter.metrics, "the message that waited")
    assert live.emitter.values("b") == [7.0]


@pytest.mark.parametrize("topic", ["$share/padit/plant/#", "plant/#"])
def test_shared_subscription_brings_what_the_plain_one_does(broker: Mosquitto, topic: str) -> None:
    with Live(config(broker, subscriptions=[{"topic": topic}])) as live:
        send(broker, "plant/press-1/torque", "41.5")
        send(broker, "plant/press-1/torque", "bad")
        until(lambda: live.emitter.faults, "the bad message")
    assert [(m.source_id, m.value) for m in live.emitter.metrics] == [("plant/press-1", 41.5)]
    assert live.emitter.faults == {"malformed": 1}


@pytest.mark.parametrize(
    ("retained", "values", "left"),
    [("skip", [2.0], {"retained": 1}), ("mark", [1.0, 2.0], {}), ("read", [1.0, 2.0], {})],
)
def test_retained_message_is_left_out_marked_or_read(
    broker: Mosquitto, retained: str, values: list[float], left: dict[str, int]
) -> None:
    send(broker, "plant/a/b", "1", retain=True)
    subscription = {"topic": "plant/#", "retained": retained}
    with Live(config(broker, subscriptions=[subscription])) as live:
        send(broker, "plant/a/b", "2")
        until(lambda: live.emitter.values("b")[-1:] == [2.0], "the new message")
    assert live.emitter.values("b") == values
    assert live.emitter.left == left
    marks = [m.metadata for m in live.emitter.metrics]
    assert (marks[0] == {"retained": True}) == (retained == "mark")


@pytest.mark.parametrize("payload", ["{broken", b"x" * 2_000_000])
def test_retained_message_that_is_left_out_is_not_read(
    broker: Mosquitto, payload: str | bytes
) -> None:
    send(broker, "plant/a/b", payload, retain=True)
    with Live(config(broker)) as live:
        send(broker, "plant/a/b", "2")
        until(lambda: live.emitter.metrics, "the new message")
    assert live.emitter.faults == {}
    assert live.emitter.left == {"retained": 1}


CASE = Path(__file__).parents[1] / "cases" / "17-mqtt" / "broker.py"


def case_17(topics: list[str], **more: object) -> ListEmitter:
    """What comes out of the messages of the case's own broker, which sends `plant/#` always."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(CASE), str(port)], stdout=subprocess.DEVNULL)
    try:
        subscriptions = [{"topic": topic, **more} for topic in topics]
        settings = {"type": "mqtt", "host": "127.0.0.1", "port": port}
        until(lambda: _listens(port), "the case's broker")
        with Live({**settings, "subscriptions": subscriptions}) as live:
            until(lambda: live.emitter.values("tsms_value"), "its last message")
        return live.emitter
    finally:
        process.terminate()
        process.wait(allowed(10))


def _listens(port: int) -> bool:
    """Whether the port is taken; connecting would use up the only connection it accepts."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_case_17_numbers_as_text_and_arrays_are_read_and_a_retained_message_is_not() -> None:
    emitter = case_17(["plant/#", "spBv1.0/#"])
    found = {m.metric_name: m.value for m in emitter.metrics}
    assert found == {
        "state": 1.0, "tele_ENERGY.Power": 10.0, "tele_ENERGY.Total": 123.4,
        "tele_Wifi.RSSI": -60.0, "tele_arr.0": 1.0, "tele_arr.1": 2.0, "z2m_temperature": 21.5,
        "z2m_battery": 100.0, "z2m_state": 1.0, "z2m_last_seen": 1767571200000.0,
        "ts_ts": 1767571200.0, "ts_value": 5.0, "tsms_ts": 1767571200000.0, "tsms_value": 5.0,
    }  # fmt: skip
    # "22,5", "22.5 °C", "running", "1_000", "NaN" and the Sparkplug message.
    assert emitter.faults == {"malformed": 6}
    assert {reason: count for reason, count in emitter.left.items() if count} == {
        "retained": 1, "time": 1, "null": 1, "objects": 8, "empty": 1,
    }  # fmt: skip
    assert "`items: $`" in emitter.messages["objects"]
    assert "`timestamp_field: Time`" in emitter.messages["time"]


def test_case_17_shared_subscription_gives_the_same_samples() -> None:
    shared = case_17(["$share/padit/plant/#"])
    plain = case_17(["plant/#"])
    named = [(m.source_id, m.metric_name, m.value) for m in plain.metrics]
    assert named
    assert [(m.source_id, m.metric_name, m.value) for m in shared.metrics] == named
    # The case's broker sends its Sparkplug message to anybody; no subscription asked for it.
    assert shared.faults == plain.faults == {"malformed": 5, "unmatched": 1}


def test_case_17_options_read_what_is_refused_by_default() -> None:
    words = {"states": {"running": 2}, "decimal_comma": False, "strip_units": True}
    emitter = case_17(["plant/#"], retained="mark", **words)
    assert emitter.values("temp") == [21.5, 22.5]
    assert emitter.values("state") == [1.0, 2.0]
    by_comma = case_17(["plant/#"], decimal_comma=True)
    assert by_comma.values("temp") == [22.5]
