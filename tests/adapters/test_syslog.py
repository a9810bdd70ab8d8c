"""Syslog over the network, from util-linux's `logger`, from rsyslog, and from sockets that lie."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.errors import AdapterError
from padit.adapters.registry import create_adapter
from padit.adapters.syslog import SyslogAdapter
from padit.codecs.syslog_frames import Frames
from padit.devcluster.ports import free_port
from padit.domain.errors import ConfigurationError
from tests.adapters.live import Live, until
from tests.adapters.test_http_probe import certificate
from tests.limits import allowed
from tests.parts import required_program

OPTIONS: dict[str, Any] = {"type": "syslog", "port": 0}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with Live(OPTIONS) as made:
        yield made


def records(made: Live) -> list[dict[str, Any]]:
    return [json.loads(value) for _, _, value in made.emitter.records]


def came(made: Live, text: str, count: int = 1) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]]:
        return [one for one in records(made) if text in one["message"]]

    until(lambda: len(found()) >= count, text)
    return found()


def connect(made: Live) -> socket.socket:
    return socket.create_connection(("127.0.0.1", made.adapter.port), allowed(5))


@pytest.mark.parametrize("form", [["--rfc5424"], ["--rfc3164"]])
@pytest.mark.parametrize("way", [["--udp"], ["--tcp"], ["--tcp", "--octet-count"]])
def test_messages_of_logger_arrive_with_level_host_and_program(
    live: Live, way: list[str], form: list[str]
) -> None:
    text = f"no route {way} {form}"
    program = required_program("logger")
    command = [program.path, "-n", "127.0.0.1", "-P", str(live.adapter.port), *way, *form]
    command += ["-p", "user.err", "-t", "shop", text]
    subprocess.run(command, env=program.environment, check=True, timeout=allowed(20))
    (record,) = came(live, text)
    host = record["attributes"]["host"]
    assert (record["service"], record["level"]) == (f"{host}/shop", "ERROR")
    assert host == socket.gethostname().partition(".")[0]


RSYSLOG = """
module(load="{modules}/imfile")
module(load="{modules}/lmnet")
global(workDirectory="{place}")
input(type="imfile" file="{place}/app.log" tag="shop:" severity="error" readMode="0")
template(name="new" type="string" string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% \
%APP-NAME% - - -%msg:::drop-last-lf%")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" tcp_framing="octet-counted"
           template="RSYSLOG_ForwardFormat")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="udp" template="new")
"""


def test_what_rsyslog_forwards_in_each_of_its_forms_arrives(live: Live, tmp_path: Path) -> None:
    program = required_program("rsyslogd")
    modules = next(
        place for root in (Path(program.path).parents[2], Path("/"))
        for place in sorted(root.glob("usr/lib/*/rsyslog"))
    )  # fmt: skip
    config = tmp_path / "rsyslog.conf"
    config.write_text(RSYSLOG.format(modules=modules, place=tmp_path, port=live.adapter.port))
    (tmp_path / "app.log").write_text("".join(f"order {i} cannot be paid\n" for i in range(200)))
    command = [program.path, "-n", "-f", str(config), "-i", str(tmp_path / "pid"), "-M", modules]
    process = subprocess.Popen(
        list(map(str, command)), env=program.environment, stderr=subprocess.PIPE, text=True
    )
    try:
        found = came(live, "cannot be paid", 600)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=allowed(20))
    host = found[0]["attributes"]["host"]
    kinds = {(one["service"], one["level"]) for one in found}
    assert kinds == {(f"{host}/shop", "ERROR")}
    assert sorted(one["message"].split()[1] for one in found) == sorted(
        str(i) for i in range(200) for _ in range(3)
    )


def test_a_line_feed_that_rsyslog_counts_is_no_part_of_the_message() -> None:
    adapter = made_of([b"<11>1 2026-01-05T00:00:01Z a shop - - - order 7 lost\n"])
    [(_, key, value)] = adapter.records
    assert (key, json.loads(value)["message"]) == ("a/shop", "order 7 lost")


def test_a_window_gives_the_metrics_of_each_host_and_program() -> None:
    with Live(OPTIONS) as made:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for i in range(10):
                host = "b" if i % 5 else "a"
                text = f"<{11 if i < 4 else 14}>1 2026-01-05T00:00:01Z {host} shop - - - order {i}"
                sender.sendto(text.encode(), ("127.0.0.1", made.adapter.port))
        came(made, "order", 10)
        made.poll()
    ratio = {
        one.source_id: one.value
        for one in made.emitter.metrics
        if one.metric_name == "log_error_ratio"
    }
    assert ratio == {"a/shop": 0.5, "b/shop": 3 / 8}


@pytest.mark.parametrize(
    ("rules", "message", "service"),
    [
        (None, "<13>1 - h app - - - x", "h/app"),
        (None, "<13>1 - - app - - - x", "127.0.0.1/app"),
        (None, "<13>1 - h - - - - x", "h"),
        (None, "<13>x", "127.0.0.1"),
        (["{app}", "none"], "<13>1 - h app - - - x", "app"),
        (["{app}", "none"], "<13>x", "none"),
    ],
)
def test_the_service_is_the_first_rule_whose_parts_are_there(
    rules: list[str] | None, message: str, service: str
) -> None:
    options = {"service": rules} if rules else {}
    adapter = made_of([message.encode()], **options)
    assert [key for _, key, _ in adapter.records] == [service]


def made_of(messages: list[bytes], **options: Any) -> ListEmitter:
    """What comes of messages, without a socket."""
    adapter: Any = create_adapter({**OPTIONS, **options})
    emitter = ListEmitter()
    adapter._emitter = emitter
    adapter._read([("127.0.0.1", messages)], emitter)
    return emitter


@settings(max_examples=50)
@given(
    st.lists(
        st.binary(max_size=80)
        | st.sampled_from([b"", b"\0" * 9, b"<11>x", b"<11>1 - h a - - - T\xfcr", b"<999>1 x",
                           b'<13>{"level": "error", "msg": "x"}', b"<34>", b"a\nb\n\tat c"])
    )
)  # fmt: skip
def test_every_message_is_a_record_or_is_counted(messages: list[bytes]) -> None:
    emitter = made_of(messages)
    assert not set(emitter.faults) - {"binary"}, emitter.messages
    counted = emitter.left.get("blank", 0) + emitter.faults.get("binary", 0)
    assert len(emitter.records) + counted == len(messages)


def test_a_message_with_line_breaks_is_one_record_and_a_partial_line_waits_for_none() -> None:
    texts = [b"<11>1 - h a - - - boom\n\tat x\n\tat y", b"2026-01-05T00:00:01.0Z stdout P half"]
    emitter = made_of([*texts, b"<14>next"])
    found = [json.loads(value)["message"] for _, _, value in emitter.records]
    assert found == ["boom\n\tat x\n\tat y", "half", "next"]


def test_tls_takes_messages_of_clients_that_have_a_certificate_and_of_no_others(
    tmp_path: Path,
) -> None:
    cert, key = certificate(tmp_path, 30)
    options = {"certificate": str(cert), "private_key": str(key), "client_ca_file": str(cert)}
    with Live({**OPTIONS, **options, "transports": ["tcp"]}) as made:
        for known in (False, True):
            context = ssl.create_default_context(cafile=str(cert))
            context.check_hostname = False
            if known:
                context.load_cert_chain(cert, key)
            text = b"<13>1 - h a - - - known=%d" % known
            try:
                with context.wrap_socket(connect(made)) as secure:
                    secure.sendall(b"%d %s" % (len(text), text))
                    secure.settimeout(allowed(5))
                    if not known:
                        secure.recv(1)
            except ssl.SSLError:
                assert not known
        came(made, "known=1")
    assert not [one for one in records(made) if "known=0" in one["message"]]


def test_senders_outside_the_networks_are_refused_and_counted() -> None:
    with Live({**OPTIONS, "allow_from": ["10.0.0.0/8"]}) as made:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<13>x", ("127.0.0.1", made.adapter.port))
        with connect(made) as sender:
            until(lambda: made.emitter.faults.get("unauthorized") == 2, "two refused")
    assert not made.emitter.records
    assert made.adapter.admits("::ffff:10.1.2.3")
    assert not made.adapter.admits("unknown")  # gone before its address was asked for
    assert made.emitter.faults["unauthorized"] == 3


def test_the_oldest_silent_connection_makes_room_and_its_message_is_kept() -> None:
    with Live({**OPTIONS, "max_connections": 2}) as made:
        first, second = connect(made), connect(made)
        first.sendall(b"<13>unfinished")
        until(lambda: len(made.adapter._streams) == 2, "two")
        second.sendall(b"<13>b\n")
        came(made, "b")
        with connect(made) as third:
            third.sendall(b"<13>third\n")
            came(made, "third")
            came(made, "unfinished")
            assert first.recv(1) == b""
        second.close()
        first.close()
    assert made.emitter.faults == {"connections": 1}


def test_what_is_no_syslog_is_closed_and_counted() -> None:
    with Live(OPTIONS) as made, connect(made) as sender:
        sender.sendall(b"<13>good\n99999999 <")
        assert sender.recv(1) == b""
        came(made, "good")
    assert made.emitter.faults == {"framing": 1}


def test_while_the_way_out_is_blocked_streams_wait_and_datagrams_are_counted() -> None:
    """Bounded: no more waits than `waiting_mb` and what one read brings."""
    with Live({**OPTIONS, "waiting_mb": 0.1}) as made:
        made.emitter.open = False
        for one in made.adapter._server.sockets:  # else megabytes are under way
            one._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        line = b"<13>1 - h a - - - " + b"x" * 400 + b"\n"
        with connect(made) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
            sender.setblocking(False)
            sent, since = 0, time.monotonic()
            while time.monotonic() - since < 0.5 and sent < 50_000_000:
                try:
                    sent += sender.send((line * 1000)[sent % len(line) :])
                    since = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.01)
            assert sent < 50_000_000, "the sender was never made to wait"
            held = made.adapter._octets
            assert 0.1e6 < held < 2e6
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"<13>lost", ("127.0.0.1", made.adapter.port))
            until(lambda: made.emitter.faults.get("overflow") == 1, "the datagram is counted")
            made.emitter.open = True
            sender.setblocking(True)
            sender.sendall(line[sent % len(line) :] if sent % len(line) else b"")
            lines = -(-sent // len(line))
            until(lambda: len(made.emitter.records) == lines, "all of the stream", 60)
    assert made.emitter.faults == {"overflow": 1}


def test_datagrams_that_the_kernel_dropped_are_counted() -> None:
    with Live({**OPTIONS, "waiting_mb": 0.1}) as made:

        async def hold() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(3000):  # the loop is here, so nothing is taken over meanwhile
                    sender.sendto(b"<13>" + b"x" * 400, ("127.0.0.1", made.adapter.port))

        made.call(hold())

        def counted() -> int:
            made.poll()
            faults = made.emitter.faults
            return len(made.emitter.records) + faults.get("kernel", 0) + faults.get("overflow", 0)

        until(lambda: counted() == 3000, "every datagram is read or counted")
    assert made.emitter.faults["kernel"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "10.77.0.1"}, "allow_from"),
        ({"host": "10.77.0.1", "certificate": "c", "client_ca_file": "ca"}, "transports"),
        ({"client_ca_file": "ca"}, "set certificate"),
        ({"allow_from": ["10.0.0.300"]}, "no network"),
        ({"service": ["{ip}"]}, "a part is one of"),
        ({"transports": ["sctp"]}, "transports"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({**OPTIONS, **options})


def test_a_port_that_is_taken_is_named() -> None:
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(AdapterError, match=str(port)),
        Live({**OPTIONS, "port": port}),
    ):
        pass


def test_it_goes_on_after_it_was_closed_and_opened_again() -> None:
    with Live(OPTIONS) as made:
        made.call(made.adapter.close())
        made.call(made.adapter.open(made.emitter))
        with connect(made) as sender:
            sender.sendall(b"<13>again\n")
            came(made, "again")
        made.poll()


def test_messages_wait_for_a_report_that_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, go_on = threading.Event(), threading.Event()
    with Live(OPTIONS) as made:
        some = made.adapter._some

        def take() -> Any:
            found = some()
            taken.set()
            return found

        monkeypatch.setattr(made.adapter, "_some", take)
        monkeypatch.setattr(made.adapter, "_report", lambda _: go_on.wait(allowed(20)))

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await made.adapter.poll(made.emitter)

        made.call(give_up())
        with connect(made) as sender:
            sender.sendall(b"<13>kept\n")
            assert taken.wait(allowed(20))
            go_on.set()
            came(made, "kept")
    assert made.emitter.faults == {}


def test_what_waits_at_the_end_is_read() -> None:
    with Live(OPTIONS) as made:
        made.emitter.open = False
        made.adapter.take("p", Frames([b"<13>last"]), stream=True)
    assert [one["message"] for one in records(made)] == ["last"]
    assert isinstance(made.adapter, SyslogAdapter)
