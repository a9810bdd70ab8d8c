"""SNMP against a real snmpd, whose extension serves values that the test writes."""

import asyncio
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysnmp.proto.rfc1902 import (
    Counter32,
    Counter64,
    Gauge32,
    Integer32,
    IpAddress,
    Null,
    OctetString,
    Opaque,
    TimeTicks,
)
from pysnmp.proto.rfc1905 import NoSuchInstance, NoSuchObject

from padit.adapters.base import ListEmitter
from padit.adapters.registry import create_adapter
from padit.adapters.snmp_values import Rates, Unwatched, Uptime, number_of
from padit.devcluster.ports import free_port
from padit.domain.errors import ConfigurationError
from tests.adapters.live import Live, poll_once, until
from tests.limits import allowed
from tests.parts import required_program

BASE = "1.3.6.1.4.1.8072.9999.9999"
# The `pass` protocol: -g or -n and an identifier; identifier, type and value, or nothing.
EXTENSION = """
import sys
lines = dict(line.split("=", 1) for line in open(sys.argv[1]).read().split("\\n") if line)
number = lambda oid: [int(part) for part in oid.strip(".").split(".")]
if sys.argv[2] == "-n":
    after = sorted((o for o in lines if number(o) > number(sys.argv[3])), key=number)
    oid = after[0] if after else ""
else:
    oid = sys.argv[3].strip(".")
if oid in lines:
    kind, _, text = lines[oid].partition(":")
    print("." + oid, kind, text, sep="\\n")
"""


class Snmpd:
    """A real agent on loopback, without root."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._values = directory / "values"
        script, self._config = directory / "extension.py", directory / "snmpd.conf"
        script.write_text(EXTENSION)
        self.serve()
        self._config.write_text(
            f"agentAddress udp:127.0.0.1:{self.port}\n"
            "rocommunity public 127.0.0.1\n"
            'createUser reader SHA-256 "authentic-1" AES "private-1"\n'
            "rouser reader priv\n"
            f"pass .{BASE} {sys.executable} -S -E {script} {self._values}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def serve(self, **values: str) -> None:
        """Values by the end of their identifier, `_` for a dot, as `kind:text`."""
        lines = (f"{BASE}.{end.strip('_').replace('_', '.')}={v}\n" for end, v in values.items())
        self._values.write_text("".join(lines))

    def start(self) -> None:
        program = required_program("snmpd")
        state = self.directory / "state"
        environment = {**program.environment, "SNMP_PERSISTENT_DIR": str(state), "MIBS": "",
                       "SNMPCONFPATH": str(self.directory)}  # fmt: skip
        command = [program.path, "-f", "-Lf", str(self.directory / "log"), "-C", "-c",
                   str(self._config), "-I", "-smux"]  # fmt: skip
        self._process = subprocess.Popen(command, env=environment)
        probe = self.config(request_timeout_sec=1)
        until(lambda: poll_once(probe).values("snmp_up") == [1], "snmpd")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(allowed(20))
            self._process = None

    def config(self, **options: Any) -> dict[str, Any]:
        # snmpd starts the extension for every value: few rows a request, and time for them.
        uptime = {"name": "uptime_s", "oid": "1.3.6.1.2.1.1.3.0", "unit": "s"}
        return {"type": "snmp", "host": "127.0.0.1", "port": self.port, "source_id": "switch",
                "request_timeout_sec": allowed(5), "rows_per_request": 4, "values": [uptime],
                **options}  # fmt: skip

    def value(self, name: str, end: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "oid": f"{BASE}.{end}", **more}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Snmpd]:
    made = Snmpd(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def named(emitter: ListEmitter) -> dict[str, float]:
    return {metric.metric_name: metric.value for metric in emitter.metrics}


def test_scalars_of_every_type_with_scale_and_unit(agent: Snmpd) -> None:
    agent.serve(_1_0="gauge:215", _2_0="integer:-5", _3_0="string: 3.25", _4_0="string:off",
                _5_0="timeticks:12345")  # fmt: skip
    values = [
        agent.value("temperature_c", "1.0", scale=0.1, offset=-1, unit="C"),
        agent.value("level", "2.0"),
        agent.value("load", "3.0"),
        agent.value("state", "4.0"),
        agent.value("ticks_s", "5.0"),
        agent.value("missing", "6.0"),
    ]
    emitter = poll_once(agent.config(values=values))
    found = named(emitter)
    assert found["temperature_c"] == pytest.approx(20.5)
    assert (found["level"], found["load"], found["ticks_s"]) == (-5, 3.25, 123.45)
    assert found["snmp_up"] == 1
    assert found["snmp_response_ms"] > 0
    assert emitter.left == {"no_number": 1, "no_such_instance": 1}
    assert emitter.faults == {}
    assert f"missing ({BASE}.6.0)" in emitter.messages["no_such_instance"]
    assert "state" not in found
    assert "missing" not in found
    (temperature,) = (m for m in emitter.metrics if m.metric_name == "temperature_c")
    assert (temperature.source_id, temperature.unit) == ("switch", "C")


def test_counter_that_wraps_keeps_its_rate(agent: Snmpd) -> None:
    values = [agent.value("drops", "1.0", unit="packets"), agent.value("octets", "2.0")]
    agent.serve(_1_0=f"counter:{2**32 - 10}", _2_0=f"counter64:{2**63}")
    with Live(agent.config(values=values)) as live:
        begin = time.monotonic()
        live.poll()
        agent.serve(_1_0="counter:90", _2_0=f"counter64:{2**63 + 500}")
        time.sleep(0.3)
        live.poll()
        longest = time.monotonic() - begin
    found = named(live.emitter)
    assert 100 / longest <= found["drops_per_s"] <= 100 / 0.3
    assert found["octets_per_s"] == pytest.approx(5 * found["drops_per_s"], rel=0.2)
    assert live.emitter.faults == {}
    (drops,) = (m for m in live.emitter.metrics if m.metric_name == "drops_per_s")
    assert (drops.unit, drops.metric_type) == ("packets/s", "throughput")


def test_row_whose_counters_began_again_has_no_rate_for_one_poll(agent: Snmpd) -> None:
    table = {
        "label": "port",
        "label_oid": f"{BASE}.1",
        "discontinuity_oid": f"{BASE}.3",
        "columns": [agent.value("in", "2")],
        "drop": ["lo*"],
    }
    rows = {"_1_1": "string:eth0", "_1_2": "string:eth1", "_1_10": "string:lo",
            "_2_1": "counter:1000", "_2_2": "counter:1000", "_2_10": "counter:1",
            "_3_1": "timeticks:1", "_3_2": "timeticks:1", "_3_10": "timeticks:1"}  # fmt: skip
    agent.serve(**rows)
    with Live(agent.config(tables=[table])) as live:
        live.poll()
        agent.serve(**{**rows, "_2_1": "counter:1100", "_2_2": "counter:5", "_3_2": "timeticks:9"})
        live.poll()
        found = named(live.emitter)
        assert found['in_per_s{port="eth0"}'] > 0
        assert 'in_per_s{port="eth1"}' not in found
        assert live.emitter.left == {"first_reading": 2, "left_out": 2, "discontinuity": 1}
        agent.serve(**{**rows, "_2_1": "counter:1200", "_2_2": "counter:6", "_3_2": "timeticks:9"})
        live.poll()
    assert named(live.emitter)['in_per_s{port="eth1"}'] > 0
    assert 'in_per_s{port="lo"}' not in named(live.emitter)


def test_rows_with_the_same_label_stay_apart(agent: Snmpd) -> None:
    agent.serve(_1_1="string:a", _1_2="string:a", _2_1="gauge:1", _2_2="gauge:2", _2_3="gauge:3")
    table = {"label_oid": f"{BASE}.1", "columns": [agent.value("x", "2")]}
    found = named(poll_once(agent.config(tables=[table], rows_per_request=1)))
    rows = {name: value for name, value in found.items() if name.startswith("x")}
    assert rows == {'x{index="a#1"}': 1, 'x{index="a#2"}': 2, 'x{index="3"}': 3}


def test_interfaces_of_the_machine_are_walked(agent: Snmpd) -> None:
    high = "1.3.6.1.2.1.31.1.1.1"
    table = {
        "label": "if",
        "label_oid": f"{high}.1",
        "discontinuity_oid": f"{high}.19",
        "columns": [{"name": "if_in_octets", "oid": f"{high}.6", "unit": "B"},
                    {"name": "if_mtu", "oid": "1.3.6.1.2.1.2.2.1.4"}],
    }  # fmt: skip
    emitter = poll_once(agent.config(tables=[table]), polls=2)
    found = named(emitter)
    assert found['if_mtu{if="lo"}'] > 1000
    assert found['if_in_octets_per_s{if="lo"}'] >= 0
    assert emitter.faults == {}


def test_version_3_is_authenticated_and_encrypted(agent: Snmpd, tmp_path: Path) -> None:
    auth, priv = tmp_path / "auth", tmp_path / "priv"
    auth.write_text("authentic-1\n")
    priv.write_text("private-1\n")
    config = agent.config(version="3", user="reader", auth="sha256", priv="aes",
                          auth_password_file=str(auth), priv_password_file=str(priv))  # fmt: skip
    emitter = poll_once(config)
    assert emitter.values("snmp_up") == [1]
    assert emitter.values("uptime_s")[0] >= 0
    auth.write_text("another-one")
    refused = poll_once(config)
    assert refused.values("snmp_up") == [0]
    assert refused.faults == {"refused": 1}
    auth.write_text("short")
    short = poll_once(agent.config(version="3", user="nobody", auth="sha256",
                                   auth_password_file=str(priv)))  # fmt: skip
    assert short.values("snmp_up") == [0]


@pytest.mark.parametrize("version", ["2c", "3"])
def test_agent_that_was_started_again_gives_no_false_rate(
    version: str, agent: Snmpd, tmp_path: Path
) -> None:
    auth, priv = tmp_path / "auth", tmp_path / "priv"
    auth.write_text("authentic-1\n")
    priv.write_text("private-1\n")
    user = {"version": "3", "user": "reader", "auth": "sha256", "priv": "aes",
            "auth_password_file": str(auth), "priv_password_file": str(priv)}  # fmt: skip
    # snmpd answers a `pass` command that is the same as its last from a cache, so there are two.
    values = [agent.value("c", "1.0"), agent.value("other", "2.0")]
    agent.serve(_1_0="counter:4000000", _2_0="gauge:1")
    more = user if version == "3" else {}
    config = agent.config(values=values, request_timeout_sec=1, **more)
    with Live(config) as live:
        time.sleep(5)  # its uptime is longer than that of its successor
        live.poll()
        agent.stop()
        live.poll()  # waits for its two time-outs
        agent.serve(_1_0="counter:50", _2_0="gauge:1")
        agent.start()
        live.poll()
        assert live.emitter.values("c_per_s") == []
        assert live.emitter.left.get("discontinuity") == 1, live.emitter.messages
        agent.serve(_1_0="counter:60", _2_0="gauge:1")
        live.poll()
    assert live.emitter.values("snmp_up") == [1, 0, 1, 1]
    assert 0 < live.emitter.values("c_per_s")[0] < 1000
    up = [m for m in live.emitter.metrics if m.metric_name == "snmp_up"]
    assert up[1].metadata["error"] == "timeout"


def test_wrong_community_is_a_timeout_that_names_it(agent: Snmpd) -> None:
    emitter = poll_once(agent.config(community="wrong", retries=0, request_timeout_sec=0.3))
    assert emitter.values("snmp_up") == [0]
    assert "is the community right?" in emitter.messages["timeout"]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (Integer32(-7), (-7, 0)),
        (Gauge32(7), (7, 0)),
        (Counter32(2**32 - 1), (2**32 - 1, 32)),
        (Counter64(2**64 - 1), (2**64 - 1, 64)),
        (TimeTicks(250), (2.5, 0)),
        (OctetString("-1.5e3"), (-1500.0, 0)),
        (Opaque(b"\x9f\x78\x04\x3f\x80\x00\x00"), (1.0, 0)),
    ],
)
def test_types_to_numbers(value: Any, number: tuple[float, int]) -> None:
    assert number_of(value) == number


@given(st.binary(max_size=120))
def test_no_text_of_a_device_raises_anything_but_unwatched(data: bytes) -> None:
    for value in (OctetString(data), Opaque(data)):
        try:
            assert isinstance(number_of(value)[0], float)
        except Unwatched as error:
            assert error.cause == "no_number"  # noqa: PT017


def test_address_is_no_number() -> None:
    with pytest.raises(Unwatched, match=r"IpAddress '10\.0\.0\.1' is no number"):
        number_of(IpAddress("10.0.0.1"))


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(1, 2**31), st.integers(1, 1000)), max_size=10),
)
def test_rates_add_up_over_any_wraps(first: int, steps: list[tuple[int, int]]) -> None:
    rates, time_, value = Rates(), 0.0, first
    assert rates.rate("k", time_, value, 32, epoch=0) is None
    for increase, seconds in steps:
        time_, value = time_ + seconds, (value + increase) % 2**32
        assert rates.rate("k", time_, value, 32, epoch=0) == pytest.approx(increase / seconds)


@pytest.mark.parametrize(
    ("ticks", "starts"), [(2000, 0), (100, 1), (1900, 0), (1200, 1), (90_000, 1)]
)
def test_uptime_that_does_not_advance_with_the_clock_is_a_start(ticks: int, starts: int) -> None:
    uptime = Uptime()
    uptime.note(50.0, 1000)
    uptime.note(60.0, ticks)
    assert uptime.starts == starts


def test_uptime_that_wraps_after_497_days_is_no_start() -> None:
    uptime = Uptime()
    uptime.note(0.0, 2**32 - 500)
    uptime.note(10.0, 500)
    assert uptime.starts == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "at least one instance"),
        ({"values": [{"name": "a", "oid": "1.3"}] * 2}, "a stands there twice"),
        ({"values": [{"name": "a", "oid": "sysUpTime"}]}, "oid"),
        ({"values": [{"name": "a", "oid": "1.3"}], "version": "3"}, "needs `user`"),
        ({"values": [{"name": "a", "oid": "1.3"}], "auth": "sha"}, "auth_password_file"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({"type": "snmp", "host": "h", **options})


ANSWERED = [
    Integer32(-7), Gauge32(7), Counter32(5), Counter64(2**64 - 1), TimeTicks(250),
    OctetString("21.5"), OctetString("off"), OctetString(b"\xff"), IpAddress("10.0.0.1"),
    Opaque(b"\x9f\x78\x04\x7f\xc0\x00\x00"), NoSuchObject(""), NoSuchInstance(""), Null(""),
]  # fmt: skip
CELLS = st.integers(0, len(ANSWERED) - 1).map(ANSWERED.__getitem__)
ROWS = st.dictionaries(st.sampled_from(["1", "2", "3"]), CELLS, max_size=3)


class Answers:
    """A session whose device answers with what a test has drawn."""

    def __init__(self, scalars: dict[str, Any], columns: dict[str, dict[str, Any]]) -> None:
        self.times: list[float] = []
        self._scalars, self._columns = scalars, columns

    async def get(self, oids: list[str]) -> dict[str, Any]:
        return {oid: self._scalars[oid] for oid in oids if oid in self._scalars}

    async def walk(self, oids: list[str], fault: Any) -> dict[str, dict[str, Any]]:
        return {oid: self._columns.get(oid, {}) for oid in oids}


@given(st.lists(st.none() | CELLS, max_size=4), ROWS, ROWS, ROWS, st.integers(1, 2))
def test_books_of_values_balance(
    scalars: list[Any], names: dict[str, Any], one: dict[str, Any], two: dict[str, Any], polls: int
) -> None:
    """A value that the device refuses is one, and so is a column without a row."""
    values = [{"name": f"v{i}", "oid": f"1.3.{i}"} for i in range(len(scalars))]
    table = {"label_oid": "1.2.1", "drop": ["off"], "columns": [
        {"name": "one", "oid": "1.2.2", "rate": False}, {"name": "two", "oid": "1.2.3"},
    ]}  # fmt: skip
    adapter: Any = create_adapter(
        {"type": "snmp", "host": "h", "values": values, "tables": [table]}
    )
    known = {f"1.3.{i}": cell for i, cell in enumerate(scalars) if cell is not None}
    adapter._session = Answers(known, {"1.2.1": names, "1.2.2": one, "1.2.3": two})
    emitter = ListEmitter()
    for _ in range(polls):
        asyncio.run(adapter.poll(emitter))
    samples = [m for m in emitter.metrics if not m.metric_name.startswith("snmp_")]
    counted = sum(emitter.faults.values()) + sum(emitter.left.values())
    present = len(scalars) + max(1, len(one)) + max(1, len(two))
    assert len(samples) + counted == polls * present
    assert all(math.isfinite(m.value) for m in samples)
