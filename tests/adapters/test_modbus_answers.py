"""Modbus answers that are wrong, late or too slow for the poll."""

import asyncio
import time
from typing import Any

import pytest

from padit.adapters.errors import AdapterError
from tests.adapters.live import Live
from tests.adapters.modbus_server import Plain, packed

VALUES = {address: 1000 + address for address in (0, 1, 2, 100, 200)}


class Odd(Plain):
    """Answers with `body` to a request that has address 1 among its own; the others are right."""

    def __init__(self, wrong: bytes) -> None:
        super().__init__(VALUES, {})
        self.wrong = wrong

    def body(self, function: int, first: int, count: int) -> bytes:
        right = super().body(function, first, count)
        return self.wrong if first <= 1 < first + count else right


class Late(Plain):
    """Counts no transactions; the first answer comes after `delay`."""

    def __init__(self, delay: float) -> None:
        super().__init__(VALUES, {})
        self.delay = delay

    def _answer(self, head: bytes) -> bytes:
        answer = super()._answer(head)
        if len(self.requests) == 1:
            time.sleep(self.delay)
        return packed(0, answer[6], answer[7:])


class Slow(Plain):
    """Takes its time for every answer."""

    def __init__(self, delay: float) -> None:
        super().__init__(VALUES, {})
        self.delay = delay

    def body(self, function: int, first: int, count: int) -> bytes:
        time.sleep(self.delay)
        return super().body(function, first, count)


def config(server: Plain, addresses: tuple[int, ...], **options: Any) -> dict[str, Any]:
    registers = [{"name": f"r{address}", "address": address} for address in addresses]
    return {"type": "modbus", "host": "127.0.0.1", "port": server.port, "registers": registers,
            **options}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (b"\x04\x02\x00\x07", "one to function 4"),
        (b"\x84\x02", "one to function 4"),
        (b"\x06\x00\x01\x00\x07", "one to function 6"),
        (b"\x03\x0a" + bytes(10), "5 of 1 values came"),
        (b"\x03\x00", "0 of 1 values came"),
        (b"\x03\xfa\x00\x01", "cannot be read: 03 fa 00 01"),
        (b"\x63\x01\x01", "cannot be read: 63 01 01"),
        (b"\x83", "cannot be read: 83"),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else "",
)
def test_answer_that_is_wrong_costs_only_its_own_register(wrong: bytes, text: str) -> None:
    server = Odd(wrong)
    try:
        with Live(config(server, (0, 1, 2, 100), request_timeout_sec=3)) as live:
            live.poll()
            live.poll()
    finally:
        server.stop()
    emitter = live.emitter
    assert emitter.faults == {"malformed": 2}
    assert text in emitter.messages["malformed"]
    named = [emitter.values(f"r{address}") for address in (0, 1, 2, 100)]
    assert named == [[1000.0] * 2, [], [1002.0] * 2, [1100.0] * 2]
    assert emitter.values("modbus_up") == [0.75, 0.75]


def test_late_answer_gives_its_value_to_no_other_register() -> None:
    server = Late(0.6)
    try:
        with Live(config(server, (0, 100, 200), request_timeout_sec=0.4)) as live:
            with pytest.raises(AdapterError, match="belong to other requests") as error:
                live.poll()
            assert error.value.cause == "malformed"
    finally:
        server.stop()
    assert [m.value for m in live.emitter.metrics if m.metric_name.startswith("r")] == []
    assert live.emitter.faults == {"timeout": 1, "malformed": 2}
    assert "r100" in live.emitter.messages["malformed"]


def test_device_that_counts_no_transactions_is_read() -> None:
    server = Late(0.0)
    try:
        with Live(config(server, (0, 100, 200))) as live:
            live.poll()
    finally:
        server.stop()
    assert live.emitter.faults == {}
    named = [live.emitter.values(f"r{address}") for address in (0, 100, 200)]
    assert named == [[1000.0], [1100.0], [1200.0]]


def test_poll_that_takes_too_long_keeps_what_it_has_read() -> None:
    server = Slow(0.3)
    try:
        with (
            Live(config(server, (0, 100, 200, 300, 400, 500), timeout_sec=1)) as live,
            pytest.raises(AdapterError, match=r"values were not read: .*r500") as error,
        ):
            live.poll()
    finally:
        server.stop()
    assert error.value.cause == "timeout"
    emitter = live.emitter
    assert emitter.values("r0") == [1000.0]
    read = sum(m.metric_name in ("r0", "r100", "r200", "r300") for m in emitter.metrics)
    assert emitter.faults == {"not_read": 6 - read}
    assert emitter.values("modbus_up") == [read / 6]
    assert 250 < emitter.values("modbus_response_ms")[0] < 1000


def test_stop_in_a_poll_keeps_what_was_read_and_calls_nothing_down() -> None:
    server = Slow(0.2)
    with_server = config(server, (0, 100, 200, 300, 400, 500))
    try:
        with Live(with_server) as live:

            async def stopped() -> None:
                task = asyncio.create_task(live.adapter.poll(live.emitter))
                await asyncio.sleep(0.5)
                task.cancel()
                await asyncio.wait([task])

            live.call(stopped())
    finally:
        server.stop()
    assert live.emitter.values("r0") == [1000.0]
    assert live.emitter.values("modbus_up") == []
    assert live.emitter.faults == {}
