"""Probes: trains of requests to one target, matched with their answers.

In: a target. Out, per poll: one sample per answer, one of jitter and one of loss. What is
malformed, changed on its way, late or unasked for is counted as a fault and never a sample.
"""

import asyncio
import secrets
import time
from itertools import pairwise
from typing import Any

from padit.adapters.base import Emitter
from padit.adapters.errors import AdapterError
from padit.adapters.fronthaul import cfm, echo, ecpri
from padit.adapters.fronthaul.ecpri import Action, DelayMessage
from padit.adapters.fronthaul.links import Arrival, EthernetLink, UdpLink, parse_mac
from padit.adapters.fronthaul.targets import CfmTarget, EchoTarget, EcpriTarget, Train
from padit.domain.metric import Metric, MetricType

__all__ = ["CfmProbe", "EchoProbe", "EcpriProbe", "Probe"]


class Probe:
    """One target: asks, matches answers, and sums up."""

    protocol = ""
    main = ""  # the metric whose loss and jitter are reported
    unit = "ms"

    def __init__(self, source_id: str, emitter: Emitter) -> None:
        self._source = source_id
        self._emitter = emitter
        self._pending: dict[int, tuple[int, float]] = {}
        self._samples: list[Metric] = []
        self._next = secrets.randbits(16)
        self._idle = asyncio.Event()
        self.is_open = False

    async def open(self) -> None:
        """Open the link; raises AdapterError."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the link."""
        raise NotImplementedError

    def ask(self, number: int) -> None:
        """Send request `number`."""
        raise NotImplementedError

    async def measure(self, options: Train) -> list[Metric]:
        """One poll of this target."""
        self._pending.clear()
        self._samples = []
        begin = time.time()
        try:
            if not self.is_open:
                await self.open()
                self.is_open = True
            await self._train(options)
        except AdapterError as error:
            self._emitter.fault(error.cause, str(error))
            self.close()
            self.is_open = False
            return [self._metric("loss_ratio", 1.0, begin, "1", "error_rate")]
        return [*self._samples, *self._summary(options.count, begin)]

    async def _train(self, options: Train) -> None:
        for position in range(options.count):
            if position:
                await asyncio.sleep(options.spacing_ms / 1000)
            self._next += 1
            number = self._number(self._next)
            self._idle.clear()
            self._pending[number] = (time.monotonic_ns(), time.time())
            self.ask(number)
        try:
            async with asyncio.timeout(options.reply_timeout_ms / 1000):
                while self._pending:
                    await self._idle.wait()
                    self._idle.clear()
        except TimeoutError:
            return  # what is still pending is lost

    def _number(self, counter: int) -> int:
        return counter & 0xFFFFFFFF

    def _settle(self, number: int) -> tuple[int, float] | None:
        """When request `number` was sent (monotonic ns, epoch s); None if it is not awaited."""
        sent = self._pending.pop(number, None)
        if sent is None:
            self._emitter.fault("unexpected", f"{self._source}: an answer late, twice or unasked")
        elif not self._pending:
            self._idle.set()
        return sent

    def _sample(self, suffix: str, value: float, when: float) -> None:
        self._samples.append(self._metric(suffix, value, when, self.unit, "latency"))

    def _metric(
        self, suffix: str, value: float, when: float, unit: str, kind: MetricType
    ) -> Metric:
        name = f"{self.protocol}_{suffix}"
        return Metric(when, self._source, name, value, unit, kind, self.protocol)

    def _summary(self, count: int, begin: float) -> list[Metric]:
        lost = len(self._pending) / count
        found = [self._metric("loss_ratio", lost, begin, "1", "error_rate")]
        name = f"{self.protocol}_{self.main}"
        answers = sorted((m.timestamp, m.value) for m in self._samples if m.metric_name == name)
        values = [value for _, value in answers]
        if len(values) > 1:
            steps = [abs(b - a) for a, b in pairwise(values)]
            jitter = sum(steps) / len(steps)
            found.append(self._metric(f"jitter_{self.unit}", jitter, begin, self.unit, "latency"))
        return found


class EchoProbe(Probe):
    """Round trips over a UDP echo server."""

    protocol = "udp_echo"
    main = "rtt_ms"

    def __init__(self, target: EchoTarget, source_id: str, emitter: Emitter) -> None:
        super().__init__(source_id, emitter)
        self._target = target
        self._session = secrets.randbits(64)
        self._link = UdpLink(self._receive)

    async def open(self) -> None:
        """Connect to the server."""
        await self._link.connect(self._target.host, self._target.port)

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def ask(self, number: int) -> None:
        """Send one datagram."""
        sent_ns, _ = self._pending[number]
        self._link.send(echo.encode(echo.Echo(self._session, number, sent_ns), self._target.size))

    def _receive(self, arrival: Arrival) -> None:
        try:
            answer = echo.decode(arrival.data)
        except echo.EchoError as error:
            self._emitter.fault("malformed", str(error))
            return
        if answer.session != self._session or len(arrival.data) != self._target.size:
            self._emitter.fault("malformed", f"{self._source}: an echo that was changed on its way")
            return
        sent = self._settle(answer.number)
        if sent is not None:
            self._sample("rtt_ms", max(arrival.at_ns - sent[0], 0) / 1e6, sent[1])


class EcpriProbe(Probe):
    """One-way delays by eCPRI message type 5."""

    protocol = "ecpri"
    main = "delay_us"
    unit = "us"

    def __init__(self, target: EcpriTarget, source_id: str, emitter: Emitter) -> None:
        super().__init__(source_id, emitter)
        self._target = target
        self._sent: dict[int, DelayMessage] = {}
        self._remote: dict[int, tuple[int, float]] = {}
        self._follow: dict[int, tuple[int, int]] = {}
        self._peer = parse_mac(target.mac) if target.mac else b""
        self._link: Any
        if target.transport == "udp":
            self._link = UdpLink(self._receive, stamp_sent=target.two_step)
        else:
            self._link = EthernetLink(self._receive, stamp_sent=target.two_step)

    async def open(self) -> None:
        """Open the socket or the interface."""
        if self._target.transport == "udp":
            await self._link.connect(self._target.host, self._target.port)
        else:
            self._link.open(self._target.interface, ecpri.ETHER_TYPE)

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def _number(self, counter: int) -> int:
        return counter & 0xFF

    def ask(self, number: int) -> None:
        """Send a request, its follow-up, and before them the request for the way back."""
        target = self._target
        self._remote.pop(number, None)
        self._follow.pop(number, None)
        if target.both_ways:
            action = Action.REMOTE_REQUEST
            if target.two_step:
                action = Action.REMOTE_REQUEST_WITH_FOLLOW_UP
            self._remote[number] = self._pending[number]
            self._send(DelayMessage(number, action, dummy=target.dummy_bytes))
        self._pending[number] = (time.monotonic_ns(), time.time())
        sent_ns = time.time_ns()
        first = Action.REQUEST_WITH_FOLLOW_UP if target.two_step else Action.REQUEST
        stated = 0 if target.two_step else sent_ns
        compensation = 0.0 if target.two_step else target.compensation_ns
        left_ns = self._send(DelayMessage(number, first, stated, compensation, target.dummy_bytes))
        final = (left_ns or sent_ns) if target.two_step else sent_ns
        self._sent[number] = DelayMessage(number, Action.FOLLOW_UP, final, target.compensation_ns)
        if target.two_step:
            self._send(self._sent[number])

    def _send(self, message: DelayMessage) -> int:
        data = ecpri.encode(message)
        if isinstance(self._link, EthernetLink):
            return self._link.send(data, self._peer, self._target.vlan, self._target.priority)
        left: int = self._link.send(data)
        return left

    def _receive(self, arrival: Arrival) -> None:
        if self._peer and (arrival.source != self._peer or arrival.vlan != self._target.vlan):
            return
        try:
            messages = ecpri.decode(arrival.data)
        except ecpri.EcpriError as error:
            self._emitter.fault("malformed", f"{self._source}: {error}")
            return
        for message in messages:
            self._take(message, arrival)

    def _take(self, message: DelayMessage, arrival: Arrival) -> None:
        identity = message.measurement_id
        if message.action is Action.RESPONSE:
            self._response(message, arrival)
        elif message.action is Action.REQUEST:
            self._send(DelayMessage(identity, Action.RESPONSE, arrival.clock_ns))
            self._returned(identity, message, arrival.clock_ns)
        elif message.action is Action.REQUEST_WITH_FOLLOW_UP:
            self._send(DelayMessage(identity, Action.RESPONSE, arrival.clock_ns))
            self._follow[identity] = (arrival.clock_ns, arrival.at_ns)
        elif message.action is Action.FOLLOW_UP and identity in self._follow:
            self._returned(identity, message, self._follow.pop(identity)[0])

    def _response(self, message: DelayMessage, arrival: Arrival) -> None:
        sent = self._settle(message.measurement_id)
        if sent is None:
            return
        request = self._sent[message.measurement_id]
        delay_us = ecpri.one_way_delay_ns(request, message) / 1e3
        self._checked("delay_us", delay_us, sent[1])
        self._sample("rtt_us", max(arrival.at_ns - sent[0], 0) / 1e3, sent[1])

    def _returned(self, identity: int, stated: DelayMessage, arrived_ns: int) -> None:
        asked = self._remote.pop(identity, None)
        if asked is None:
            return
        response = DelayMessage(identity, Action.RESPONSE, arrived_ns)
        delay_us = ecpri.one_way_delay_ns(stated, response) / 1e3
        self._checked("return_delay_us", delay_us, asked[1])

    def _checked(self, suffix: str, delay_us: float, when: float) -> None:
        if delay_us < 0:
            self._emitter.fault(
                "clocks",
                f"{self._source}: a one-way delay of {delay_us:.1f} us; synchronise both clocks",
            )
        self._sample(suffix, delay_us, when)


class CfmProbe(Probe):
    """Round trips by CFM loopback."""

    protocol = "lbm"
    main = "rtt_ms"

    def __init__(self, target: CfmTarget, source_id: str, emitter: Emitter) -> None:
        super().__init__(source_id, emitter)
        self._target = target
        self._link = EthernetLink(self._receive)
        self._data = secrets.token_bytes(target.data_bytes)
        self._peer = parse_mac(target.mac) if target.mac else b""

    async def open(self) -> None:
        """Open the interface."""
        self._link.open(self._target.interface, cfm.ETHER_TYPE)

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def ask(self, number: int) -> None:
        """Send one LBM."""
        target = self._target
        pdu = cfm.encode(target.level, cfm.LBM, number, self._data)
        to = self._peer or cfm.group_address(target.level)
        self._link.send(pdu, to, target.vlan, target.priority)

    def _receive(self, arrival: Arrival) -> None:
        if arrival.target != self._link.mac or arrival.vlan != self._target.vlan:
            return
        if self._peer and arrival.source != self._peer:
            return
        try:
            answer = cfm.decode(arrival.data)
        except cfm.CfmError as error:
            self._emitter.fault("malformed", f"{self._source}: {error}")
            return
        if answer.opcode != cfm.LBR or answer.level != self._target.level:
            return
        if answer.data != self._data:
            self._emitter.fault("malformed", f"{self._source}: an LBR whose data was changed")
            return
        sent = self._settle(answer.transaction)
        if sent is not None:
            self._sample("rtt_ms", max(arrival.at_ns - sent[0], 0) / 1e6, sent[1])
