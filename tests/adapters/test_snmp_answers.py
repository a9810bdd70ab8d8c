"""SNMP agents that answer wrong, in circles, without an end or slowly."""

import asyncio
import time
from typing import Any

import pytest

from padit.adapters import snmp_session
from tests.adapters.live import Live, poll_once
from tests.adapters.snmp_agent import Agent, field, integer, text
from tests.limits import allowed

BASE = "1.3.6.1.4.1.5"
DAMAGED = field(0x46, (1 << 70).to_bytes(9, "big"))  # a Counter64 of 70 bits


def values(count: int) -> list[dict[str, Any]]:
    return [{"name": f"v{i}", "oid": f"{BASE}.{i}.0"} for i in range(count)]


def test_value_that_cannot_be_read_costs_only_itself() -> None:
    def answer(_: bool, names: list[str]) -> list[tuple[str, bytes]]:
        return [(name, DAMAGED if name == f"{BASE}.1.0" else integer(7)) for name in names]

    with Agent(answer) as agent:
        options = agent.config(values=values(4), request_timeout_sec=allowed(0.5))
        emitter = poll_once(options)
    assert [emitter.values(f"v{i}") for i in range(4)] == [[7], [], [7], [7]]
    assert emitter.faults == {"malformed": 1}
    assert f"v1: 127.0.0.1: the answer to {BASE}.1.0 cannot" in emitter.messages["malformed"]
    assert emitter.values("snmp_up") == [1]


def test_table_that_cannot_be_read_is_no_timeout() -> None:
    def answer(bulk: bool, names: list[str]) -> list[tuple[str, bytes]]:
        return [(f"{name}.1", DAMAGED) if bulk else (name, integer(1)) for name in names]

    table = {"columns": [{"name": "x", "oid": BASE}]}
    with Agent(answer) as agent:
        emitter = poll_once(agent.config(tables=[table], request_timeout_sec=allowed(0.5)))
    assert emitter.faults == {"malformed": 1}
    assert "community" not in emitter.messages["malformed"]
    assert emitter.values("snmp_up") == [0]


@pytest.mark.parametrize(
    ("rows", "read"),
    [
        ([1, 2, 2, 3], 2),
        ([5, 4, 3], 1),
        ([1, 2, 3, 1], 3),
        ([1, 2, 0], 2),
    ],
)
def test_walk_that_turns_back_is_a_fault_with_its_place(rows: list[int], read: int) -> None:
    def answer(bulk: bool, names: list[str]) -> list[tuple[str, bytes]]:
        if not bulk:
            return [(name, integer(1)) for name in names]
        return [(f"{BASE}.{row}" if row else "1.3.6.1.4.1.4.9", integer(row)) for row in rows]

    table = {"columns": [{"name": "x", "oid": BASE}]}
    with Agent(answer) as agent:
        emitter = poll_once(agent.config(tables=[table]))
    assert sum(m.metric_name.startswith("x{") for m in emitter.metrics) == read
    assert emitter.faults == {"turned_back": 1}
    place = f"the walk of {BASE} turned back at {BASE}.{rows[read - 1]} to "
    assert place in emitter.messages["turned_back"]


def test_walk_that_ends_in_the_next_column_is_none_that_turned_back() -> None:
    def answer(bulk: bool, names: list[str]) -> list[tuple[str, bytes]]:
        if not bulk:
            return [(name, integer(1)) for name in names]
        first = [(f"{BASE}.1.{row}", integer(row)) for row in (1, 2)]
        return [*first, (f"{BASE}.2.1", integer(1)), (f"{BASE}.2.1", field(0x82, b""))]

    table = {"columns": [{"name": "x", "oid": f"{BASE}.1"}]}
    with Agent(answer) as agent:
        emitter = poll_once(agent.config(tables=[table]))
    assert sum(m.metric_name.startswith("x{") for m in emitter.metrics) == 2
    assert emitter.faults == {}


def test_walk_of_long_texts_ends_at_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snmp_session, "MOST_BYTES", 1 << 20)
    rows = iter(range(1, 10_000))

    def answer(bulk: bool, names: list[str]) -> list[tuple[str, bytes]]:
        if not bulk:
            return [(name, integer(1)) for name in names]
        return [(f"{BASE}.{next(rows)}", text(b"x" * 50_000))]

    table = {"columns": [{"name": "x", "oid": BASE}]}
    with Agent(answer) as agent:
        emitter = poll_once(agent.config(tables=[table]))
    assert emitter.faults == {"endless": 1}
    assert "within 1 MiB" in emitter.messages["endless"]
    assert next(rows) < 30


def slow(delay: float) -> Agent:
    def answer(_: bool, names: list[str]) -> list[tuple[str, bytes]]:
        time.sleep(delay)
        return [(name, integer(5)) for name in names]

    return Agent(answer)


def test_poll_that_takes_too_long_keeps_what_it_has_read() -> None:
    table = {"columns": [{"name": "x", "oid": f"{BASE}.9"}]}
    with slow(0.7) as agent:
        options = agent.config(values=values(6), tables=[table], timeout_sec=3,
                               values_per_request=1, request_timeout_sec=5)  # fmt: skip
        emitter = poll_once(options)
    assert emitter.values("v0") == [5]
    read = sum(m.metric_name[0] == "v" for m in emitter.metrics)
    assert emitter.faults == {"not_read": 7 - read}
    assert "v4" in emitter.messages["not_read"]
    assert emitter.values("snmp_up") == [0]
    (up,) = (m for m in emitter.metrics if m.metric_name == "snmp_up")
    assert up.metadata["error"] == "timeout"


def test_stop_in_a_poll_keeps_what_was_read_and_calls_nothing_down() -> None:
    with slow(0.2) as agent:
        options = agent.config(values=values(6), values_per_request=1, request_timeout_sec=5)
        with Live(options) as live:

            async def stopped() -> None:
                task = asyncio.create_task(live.adapter.poll(live.emitter))
                while len(agent.requests) < 4:
                    await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.wait([task])

            live.call(stopped())
    assert live.emitter.values("v0") == [5]
    assert live.emitter.values("snmp_up") == []
    assert live.emitter.faults == {}
