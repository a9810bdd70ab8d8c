"""Plots in messages: the same windows give the same picture, and one that is missing is said."""

import email
import io
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from padit.alerting.delivery.receivers import Receiver, receivers_of
from padit.alerting.effects import Handed
from padit.alerting.plots.plot import WindowPoint, plot
from padit.alerting.plots.png import _packed, png
from padit.alerting.plots.windows import Follower, Windows
from padit.connectors.uris import parse_address
from padit.domain.timestamps import format_utc
from tests.alerting.making import MINUTE, at, config_of
from tests.alerting.receiving import Answer, Receiving, receiving
from tests.alerting.test_email import Inbox, mail_server
from tests.alerting.test_notifiers import messages
from tests.limits import allowed

RECORDED = 36896447


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    end = time.monotonic() + allowed(5.0)
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def _feature(minutes: float, mean: float | None, **others: Any) -> bytes:
    values = {"source_id": "press-1", "metric_name": "torque_nm", "mean": mean, "score": 0.1,
              "window_end": format_utc(at(minutes)), "expected_low": 38.0,
              "expected_high": 42.0} | others  # fmt: skip
    return msgspec.json.encode(values)


def _windows() -> Windows:
    windows = Windows()
    windows.add(_feature(i - 60, 40.0 + i % 5) for i in range(60))
    return windows


def _image(data: bytes) -> Image.Image:
    found = Image.open(io.BytesIO(data))
    found.load()
    return found


@given(
    st.integers(1, 40).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, 15), min_size=width, max_size=width).map(bytes),
            min_size=1, max_size=12,
        )
    )
)  # fmt: skip
def test_a_picture_is_read_back_point_by_point(rows: list[bytes]) -> None:
    found = _image(png(rows, [(i, i, i) for i in range(16)]))
    assert found.size == (len(rows[0]), len(rows))
    assert list(found.convert("L").tobytes()) == [point for row in rows for point in row]


def test_a_run_of_any_length_is_packed_as_zlib_unpacks_it() -> None:
    for length in [*range(1, 20), *range(250, 530)]:
        data = b"a" + b"b" * length + b"cc"
        assert zlib.decompress(_packed(data)) == data


@given(st.binary(max_size=300))
def test_any_bytes_are_packed_as_zlib_unpacks_them(data: bytes) -> None:
    assert zlib.decompress(_packed(data)) == data


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=20)
@given(st.lists(st.tuples(*[numbers] * 4), min_size=1, max_size=50), st.integers(0, 60))
def test_any_windows_give_a_picture_and_the_same_one_again(
    values: list[tuple[float, float, float, float]], opened: int
) -> None:
    points = [WindowPoint(at(i), *one) for i, one in enumerate(values)]
    first = plot(points, at(opened), 0, 5 * MINUTE)
    assert first == plot(points, at(opened), 0, 5 * MINUTE)
    assert _image(first).size == (600, 220)


def test_the_bytes_of_a_plot_are_those_that_were_recorded() -> None:
    points = [WindowPoint(at(i), float(i % 7), 1.0, 5.0, (i % 10) / 10) for i in range(60)]
    assert zlib.crc32(plot(points, at(40), at(50))) == RECORDED


def test_nothing_later_than_the_message_is_shown() -> None:
    message, windows = messages()[0], _windows()
    before, _ = windows.plot_of(message)
    windows.add(_feature(i + 1, 90.0) for i in range(30))
    assert windows.plot_of(message)[0] == before


def test_the_oldest_series_go_when_there_are_too_many_and_are_counted() -> None:
    windows = Windows(shown=3, most_series=2)
    windows.add(_feature(i, 1.0, source_id=f"s{i}") for i in range(5))
    windows.add([b"no JSON", b"{}"])
    assert (windows.dropped, windows.refused) == (3, 2)


def _receiver(text: str, windows: Windows) -> Receiver:
    return receivers_of(config_of(text), windows.plot_of)["ops"]


def test_a_mail_shows_the_plot_of_its_worst_member_and_is_the_same_each_time() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        receiver = _receiver(
            f"""receivers: {{ops: {{kind: email, host: localhost, port: {port}, tls: none,
            sender: a@example.com, to: [b@example.com]}}}}
routes: [{{name: all, receiver: ops}}]""",
            _windows(),
        )
        for _ in range(2):
            assert receiver.attempt(messages()[0], "").state == "delivered"
        receiver.close()
    first, second = inbox.mails
    assert first.as_bytes() == second.as_bytes()
    (image,) = [part for part in first.walk() if part.get_content_type() == "image/png"]
    assert _image(image.get_payload(decode=True)).size == (600, 220)  # type: ignore[arg-type]
    html = next(part for part in first.walk() if part.get_content_type() == "text/html")
    text = html.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b'src="cid:plot@padit.invalid" alt="press-1 torque_nm"' in text
    assert email.utils.unquote(image["Content-ID"]) == "plot@padit.invalid"


def _slack(server: Receiving, windows: Windows, tmp_path: Path) -> Receiver:
    (tmp_path / "token").write_text("xoxb-1")
    return _receiver(
        f"""receivers: {{ops: {{kind: slack, url: "{server.url}api", channel: C1,
        token: {tmp_path / "token"}}}}}
routes: [{{name: all, receiver: ops}}]""",
        windows,
    )


def test_slack_gets_the_plot_as_a_file_that_its_message_shows(tmp_path: Path) -> None:
    with receiving() as server:
        upload = msgspec.json.encode(
            {"ok": True, "upload_url": f"{server.url}upload/1", "file_id": "F1", "ts": "1.2"}
        )
        server.answer = lambda number: Answer(body=upload)
        receiver = _slack(server, _windows(), tmp_path)
        assert receiver.attempt(messages()[0], "").state == "delivered"
        receiver.close()
    paths = [path for path, _, _ in server.requests]
    assert paths == ["/api/files.getUploadURLExternal", "/upload/1",
                     "/api/files.completeUploadExternal", "/api/chat.postMessage"]  # fmt: skip
    assert _image(server.requests[1][2]).size == (600, 220)
    assert "authorization" not in server.requests[1][1]  # the token goes to Slack's API only
    blocks: Any = msgspec.json.decode(server.requests[3][2])["blocks"]
    assert {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "press-1 torque_nm"} in blocks


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b'{"ok": false, "error": "missing_scope"}', "missing_scope"),
        (b'{"ok": true, "upload_url": "http://10.0.0.1/x", "file_id": "F1"}', "no address"),
        (b"no JSON", "HTTP 200"),
    ],
)
def test_a_plot_that_slack_refuses_is_said_and_the_message_goes_without(
    tmp_path: Path, answer: bytes, why: str
) -> None:
    with receiving() as server:
        server.answer = lambda number: Answer(body=answer if not number else b'{"ok": true}')
        receiver = _slack(server, _windows(), tmp_path)
        assert receiver.attempt(messages()[0], "").state == "delivered"
        receiver.close()
    path, _, body = server.requests[-1]
    assert path == "/api/chat.postMessage"
    assert "no plot: " in body.decode()
    assert why in body.decode()


def _teams(server: Receiving, windows: Windows) -> Receiver:
    return _receiver(
        f"""receivers: {{ops: {{kind: teams, url: "{server.url}"}}}}
routes: [{{name: all, receiver: ops}}]""",
        windows,
    )


def test_a_card_holds_the_plot_within_the_limit_and_says_if_there_is_none() -> None:
    with receiving() as server:
        for windows in (_windows(), Windows()):
            receiver = _teams(server, windows)
            assert receiver.attempt(messages()[0], "").state == "delivered"
            receiver.close()
    shown, missing = (body for _, _, body in server.requests)
    assert len(shown) < 28_000
    assert b'"url":"data:image/png;base64,' in shown
    assert b"no plot: no windows of press-1 torque_nm were read" in missing


def test_a_plot_that_is_larger_than_a_card_is_left_out() -> None:
    from padit.alerting.notifiers.base import Picture
    from padit.alerting.notifiers.teams import Teams

    notifier = Teams(Teams.Settings(url="https://example.com"), "")
    request = notifier.render(messages()[0], "", Picture(bytes(30_000), "x"))
    assert request is not None
    assert len(request.body) < 28_000
    assert b"image/png" not in request.body


def test_features_are_read_as_their_file_grows(tmp_path: Path) -> None:
    path, windows = tmp_path / "features.jsonl", Windows()
    path.write_bytes(_feature(-2, 40.0) + b"\n")
    message: Handed = messages()[0]
    with Follower(parse_address(str(path)), windows):
        wait_until(lambda: bool(windows.plot_of(message)[0]))
        one = windows.plot_of(message)[0]
        with path.open("ab") as file:
            file.write(_feature(-1, 80.0) + b"\n")
        wait_until(lambda: windows.plot_of(message)[0] != one)
