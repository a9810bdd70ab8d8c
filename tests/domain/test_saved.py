"""What was saved with a version: it is read, or refused with the place and the way out."""

import msgspec
import pytest

from padit.domain.errors import StateError
from padit.domain.saved import read_saved


class _Cell(msgspec.Struct, array_like=True):
    version: int
    name: str


_decoder = msgspec.msgpack.Decoder(_Cell)


def test_bytes_of_this_version_are_read() -> None:
    data = msgspec.msgpack.encode(_Cell(3, "a"))
    assert read_saved(_decoder, data, 3, "the cell") == _Cell(3, "a")


def test_another_version_is_refused_with_the_way_out() -> None:
    data = msgspec.msgpack.encode(_Cell(2, "a"))
    with pytest.raises(
        StateError, match=r"the cell has version 2, this code reads 3: start without"
    ):
        read_saved(_decoder, data, 3, "the cell")


@pytest.mark.parametrize(
    "data", [b"", b"\x92\x03", b"\x92\x03\xa1\xff", b"\x92\xa1a\xa1a", b"\x01"]
)
def test_damage_is_said_as_such_also_in_text(data: bytes) -> None:
    with pytest.raises(StateError, match=rf"the cell \({len(data)} bytes\) is damaged"):
        read_saved(_decoder, data, 3, "the cell")
