"""Messages of syslog in a stream: by count, by line, mixed; however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.syslog_frames import LARGEST_COUNT, Frames, StreamFrames

BODY = st.binary(max_size=60).map(lambda text: b"<13>" + text)
LINE = BODY.map(lambda text: text.replace(b"\n", b" ").replace(b"\0", b" "))


def whole(data: bytes, longest: int = 1000) -> Frames:
    frames = StreamFrames(longest)
    first, last = frames.feed(data), frames.end()
    return Frames(first.messages + last.messages, first.long + last.long, last.cut, first.broken)


@given(st.lists(st.tuples(BODY, st.just(True)) | st.tuples(LINE, st.just(False))), st.data())
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    stream = b"".join(b"%d %s" % (len(m), m) if counted else m + b"\n" for m, counted in sent)
    frames, found = StreamFrames(1000), []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 20))
        found += frames.feed(stream[at : at + step]).messages
        at += step
    assert frames.end() == Frames([])
    assert found == [message for message, _ in sent]


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 30))
def test_any_bytes_give_the_same_messages_however_they_are_cut(
    stream: bytes, size: int, longest: int
) -> None:
    expected = whole(stream, longest)
    frames = StreamFrames(longest)
    parts = [frames.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
    parts.append(frames.end())
    assert [m for part in parts for m in part.messages] == expected.messages
    assert sum(part.long for part in parts) == expected.long
    assert max((len(m) for m in expected.messages), default=0) <= longest


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (b"<13>a\n<13>b", [b"<13>a", b"<13>b"]),
        (b"<13>a\0<13>b\0", [b"<13>a", b"<13>b"]),
        (b"10 apples\n", [b"10 apples"]),
        (b"2026-01-05T00:00:01Z up\n", [b"2026-01-05T00:00:01Z up"]),
        (b"5 <1>ab\n5 <1>cd\n", [b"<1>ab", b"", b"<1>cd", b""]),
        (b"0 <1>ab\n", [b"0 <1>ab"]),
        (b"12", [b"12"]),
    ],
)
def test_a_count_is_one_only_before_a_priority(stream: bytes, messages: list[bytes]) -> None:
    assert whole(stream).messages == messages


def test_what_is_too_long_is_kept_to_its_bound_and_counted_once() -> None:
    assert whole(b"<1>" + b"x" * 50 + b"\n<1>b\n", 10) == Frames([b"<1>xxxxxxx", b"<1>b"], 1)
    assert whole(b"50 <1>" + b"x" * 47 + b"5 <1>bb", 10) == Frames([b"<1>xxxxxxx", b"<1>bb"], 1)
    frames = StreamFrames(10)
    for _ in range(100):
        frames.feed(b"y" * 1000)
    assert len(frames._begun or b"") == 10


def test_a_counted_message_that_ends_too_early_is_cut() -> None:
    assert whole(b"20 <1>ab") == Frames([b"<1>ab"], 0, cut=True)
    assert whole(b"20 <") == Frames([b"<"], 0, cut=True)


def test_a_count_beyond_all_bounds_ends_the_stream_and_what_came_before_is_kept() -> None:
    frames = StreamFrames(100).feed(b"<1>good\n%d <1>" % (LARGEST_COUNT + 1))
    assert frames.messages == [b"<1>good"]
    assert str(LARGEST_COUNT + 1) in frames.broken
