"""Syslog over the network: RFC 3164 and RFC 5424 over UDP, TCP and TLS.

A datagram is a message; a stream is cut by count or by line (`codecs.syslog_frames`). A message is
read as `logs` reads a line of a file, and is one record, whatever it holds: it goes to the topic
`logs.ingestion`, and every poll gives the metrics of its service that `logs` gives, too. The
service is `host/app`, so that two hosts with one program are two services.

Every message is a record, counted as left out (`blank`), or a fault. Senders get no answer in
syslog. So while more than `waiting_mb` wait here, because the way to Kafka is blocked or they
come too fast, streams are not read, which makes their senders wait; datagrams are dropped and
counted (`overflow`), also those that the kernel has dropped (`kernel`, on Linux). A stream that
ends is read to its end; in a crash what waits is lost.
"""

import asyncio
import ipaddress
import os
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from padit.adapters.access import server_tls
from padit.adapters.base import AdapterOptions, Emitter, now
from padit.adapters.errors import AdapterError
from padit.adapters.log_sources import report_books
from padit.adapters.log_windows import Windows, published
from padit.adapters.syslog_options import SERVICE_PART, SyslogOptions
from padit.adapters.threads import Worker
from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.record import LogRecord
from padit.codecs.syslog_frames import Frames, StreamFrames

__all__ = ["SyslogAdapter", "SyslogOptions"]

_AT_ONCE = 2_000  # messages that are read in one turn
_HANDSHAKE_SEC = 10.0
_TRIES = 20


class _Datagrams(asyncio.DatagramProtocol):
    """Messages of UDP."""

    def __init__(self, adapter: "SyslogAdapter") -> None:
        self._adapter = adapter

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        adapter = self._adapter
        if adapter.admits(addr[0]):
            most = adapter.options.max_message_bytes
            message = data.rstrip(b"\r\n\0")
            adapter.take(addr[0], Frames([message[:most]], len(message) > most), stream=False)


class _Stream(asyncio.Protocol):
    """One connection."""

    def __init__(self, adapter: "SyslogAdapter") -> None:
        self._adapter = adapter
        self._frames = StreamFrames(adapter.options.max_message_bytes)
        self._transport: Any = None
        self._peer = ""
        self._paused = self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._peer = (transport.get_extra_info("peername") or ("unknown",))[0]
        if not self._adapter.admits(self._peer):
            self._closed = True
            self._transport.abort()
            return
        self._adapter.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        self._adapter.heard(self)
        frames = self._frames.feed(data)
        if frames.messages or frames.long:
            self._adapter.take(self._peer, frames, stream=True)
        if frames.broken:
            self._adapter.say("framing", f"{self._peer}: no syslog, closed: {frames.broken}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._adapter.disconnected(self)
        self._end()

    def close(self) -> None:
        """Close it; what came of its last message is kept."""
        self._end()
        self._transport.abort()

    def _end(self) -> None:
        if not self._closed:
            self._closed = True
            self._adapter.take(self._peer, self._frames.end(), stream=True)

    def pause(self, *, paused: bool) -> None:
        """Read no more, or go on."""
        if paused != self._paused and not self._transport.is_closing():
            self._paused = paused
            (self._transport.pause_reading if paused else self._transport.resume_reading)()


class SyslogAdapter:
    """Syslog messages over UDP, TCP and TLS: records, and metrics per service."""

    Options: ClassVar[type[AdapterOptions]] = SyslogOptions

    def __init__(self, options: SyslogOptions) -> None:
        self.options = options
        self.port = options.port
        self._settings = options.settings()._replace(multiline=False)
        self._parser = LineParser("", self._settings)
        self._windows = Windows(options.max_services, options.learn_sec)
        self._networks = [ipaddress.ip_network(one) for one in options.allow_from]
        self._worker = Worker(f"{options.name} messages")
        self.workers = (self._worker,)
        self._emitter: Emitter | None = None
        self._server: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._dropped = 0
        self._streams: dict[_Stream, None] = {}  # the one that was silent longest first
        self._waiting: deque[tuple[str, list[bytes]]] = deque()
        self._octets = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending = False
        self._polled = 0.0

    async def open(self, emitter: Emitter) -> None:
        """Listen. Raises AdapterError if the port or a file cannot be used."""
        self._emitter, self._ending = emitter, False
        self._polled = time.monotonic()
        options = self.options
        tls = None
        if options.certificate:
            tls = server_tls(options.certificate, options.private_key, options.client_ca_file)
        for attempt in range(_TRIES):
            try:
                await self._listen(tls)
                break
            except OSError as error:
                self._stop_listening()
                # A free port of TCP may be taken for UDP.
                if options.port or attempt == _TRIES - 1:
                    message = f"cannot listen on {options.host}:{options.port}: {error}"
                    raise AdapterError(message, cause="port_taken") from error
        self._news.set()  # a failure may have left some waiting
        if self._task is None or self._task.done():  # one that close() had no time for goes on
            self._task = asyncio.get_running_loop().create_task(self._drain(emitter))

    async def _listen(self, tls: Any) -> None:
        options, loop = self.options, asyncio.get_running_loop()
        self.port = options.port
        if "tcp" in options.transports:
            handshake = _HANDSHAKE_SEC if tls else None
            self._server = await loop.create_server(
                partial(_Stream, self), options.host, self.port, ssl=tls,
                ssl_handshake_timeout=handshake, reuse_address=True,
            )  # fmt: skip
            self.port = self._server.sockets[0].getsockname()[1]
        if "udp" in options.transports:
            self._udp, _ = await loop.create_datagram_endpoint(
                partial(_Datagrams, self), local_addr=(options.host, self.port)
            )
            own = self._udp.get_extra_info("socket")
            size = int(min(options.waiting_mb, 8.0) * 1e6)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            self.port = own.getsockname()[1]
            self._dropped = _kernel_drops(own) or 0

    async def poll(self, emitter: Emitter) -> None:
        """Report the window. Raises AdapterError if nothing can come any more."""
        ended = self._task is None or self._task.done()
        if ended or (self._server is not None and not self._server.is_serving()):
            message = f"{self.options.host}:{self.port}: the listener has ended"
            raise AdapterError(message, cause="ended")
        self._count_kernel_drops()
        await self._worker.run(self._report, emitter)

    def _report(self, emitter: Emitter) -> None:
        moment = time.monotonic()
        seconds, self._polled = max(moment - self._polled, 1e-3), moment
        emitter.emit(self._windows.report(seconds, moment, emitter))

    async def close(self) -> None:
        """Stop listening, and read what has come."""
        if self._udp is not None:
            self._count_kernel_drops()
        self._stop_listening()
        for stream in list(self._streams):
            stream.close()
        self._ending = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait([self._task])
            self._task = None
        self._worker.close()

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._udp is not None:
            self._udp.close()
            self._udp = None

    def say(self, cause: str, message: str, count: int = 1) -> None:
        """Count a fault."""
        if self._emitter is not None:
            self._emitter.fault(cause, message, count)

    def admits(self, peer: str) -> bool:
        """Whether an address may send; one that may not is counted."""
        if not self._networks:
            return True
        with suppress(ValueError):  # of a connection that is gone already, no address is known
            address = ipaddress.ip_address(peer.partition("%")[0])
            address = getattr(address, "ipv4_mapped", None) or address
            if any(address in network for network in self._networks):
                return True
        self.say("unauthorized", f"{peer} is in no network of allow_from")
        return False

    def connected(self, stream: _Stream) -> None:
        """Keep a connection, and close another one for it if there are too many."""
        if len(self._streams) >= self.options.max_connections:
            most = self.options.max_connections
            self.say("connections", f"all {most} connections are in use (max_connections)")
            oldest = next(iter(self._streams))
            del self._streams[oldest]
            oldest.close()
        self._streams[stream] = None
        if self._is_full():
            stream.pause(paused=True)

    def heard(self, stream: _Stream) -> None:
        """A connection has sent something."""
        if self._streams.pop(stream, self) is None:
            self._streams[stream] = None

    def disconnected(self, stream: _Stream) -> None:
        """A connection has ended."""
        self._streams.pop(stream, None)

    def _is_full(self) -> bool:
        return self._octets > self.options.waiting_mb * 1e6

    def take(self, peer: str, frames: Frames, *, stream: bool) -> None:
        """Hand over messages to be read."""
        if frames.long:
            most = self.options.max_message_bytes
            text = f"the end of a message of more than {most} bytes (max_message_bytes)"
            self.say("long_message", f"{peer}: {text}", frames.long)
        if frames.cut:
            self.say("truncated", f"{peer}: a message that was cut by the end of its stream")
        if not stream and self._is_full():
            text = f"more than {self.options.waiting_mb:g} MB wait (waiting_mb)"
            self.say("overflow", f"{peer}: a datagram is dropped, since {text}")
            return
        self._waiting.append((peer, frames.messages))
        self._octets += _weight(frames.messages)
        if self._is_full():
            self._pause(paused=True)
        self._news.set()

    def _pause(self, *, paused: bool) -> None:
        for stream in self._streams:
            stream.pause(paused=paused)

    async def _drain(self, emitter: Emitter) -> None:
        """Read what waits, until the end."""
        while not (self._ending and not self._waiting):
            await self._news.wait()
            if not self._ending:
                self._news.clear()
            while self._waiting:
                while not (emitter.ready() or self._ending):
                    await asyncio.sleep(0.1)
                await self._turn(self._some(), emitter)
                if not self._is_full():
                    self._pause(paused=False)

    async def _turn(self, parts: list[tuple[str, list[bytes]]], emitter: Emitter) -> None:
        while self._worker.stuck:  # a report that was given up goes on; messages wait for it
            await asyncio.sleep(0.1)
        try:
            await self._worker.run(self._read, parts, emitter)
        except Exception as error:  # a defect of ours costs one turn, and is counted
            lost = sum(len(messages) for _, messages in parts)
            emitter.fault("internal", f"messages that could not be read: {error!r}", lost)

    def _some(self) -> list[tuple[str, list[bytes]]]:
        """The messages of one turn; a little more where those of one read go together."""
        found: list[tuple[str, list[bytes]]] = []
        count = 0
        while self._waiting and count < _AT_ONCE:
            peer, messages = self._waiting.popleft()
            found.append((peer, messages))
            count += 1 + len(messages)
            self._octets -= _weight(messages)
        return found

    def _read(self, parts: Sequence[tuple[str, list[bytes]]], emitter: Emitter) -> None:
        """In a thread: messages to records, on their way."""
        received, parser = now(), self._parser
        records: list[LogRecord] = []
        for peer, messages in parts:
            for message in messages:
                text = message.rstrip(b"\r\n\0")  # rsyslog counts a line feed at the end, too
                for record in (*parser.feed([text], received), *parser.flush()):
                    record.service = self._service(record, peer)
                    records.append(record)
        report_books(parser, "a message", emitter)
        self._windows.add(records, time.monotonic(), emitter)
        published(records, self.options.topic, emitter)

    def _service(self, record: LogRecord, peer: str) -> str:
        parts = {"app": record.service, "host": record.attributes.get("host"), "peer": peer}
        for rule in self.options.service:
            needed = SERVICE_PART.findall(rule)
            if all(parts[name] for name in needed):
                return SERVICE_PART.sub(lambda found: str(parts[found[1]])[:128], rule)
        return peer

    def _count_kernel_drops(self) -> None:
        own = self._udp.get_extra_info("socket") if self._udp is not None else None
        dropped = _kernel_drops(own) if own is not None else None
        if dropped is not None and dropped > self._dropped:
            text = "datagrams that came faster than they could be taken over"
            self.say("kernel", f"port {self.port}: {text}", dropped - self._dropped)
            self._dropped = dropped


def _weight(messages: Sequence[bytes]) -> int:
    """Bytes of memory that messages take, roughly: empty datagrams fill it as well."""
    return sum(map(len, messages)) + 200 * (1 + len(messages))


def _kernel_drops(own: socket.socket) -> int | None:
    """Datagrams that the kernel dropped for a socket; None where it does not say."""
    try:
        inode = str(os.fstat(own.fileno()).st_ino)
        name = "udp6" if own.family == socket.AF_INET6 else "udp"
        lines = Path("/proc/net", name).read_text().splitlines()[1:]
    except OSError:
        return None
    fields = next((one for line in lines if (one := line.split())[9] == inode), None)
    return int(fields[12]) if fields is not None else None
