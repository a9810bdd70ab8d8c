"""Reading what was saved with the number of its version."""

from typing import Protocol, TypeVar

import msgspec

from padit.domain.errors import FRESH_START, StateError

__all__ = ["Versioned", "read_saved"]


class Versioned(Protocol):
    """What states the version of its layout."""

    @property
    def version(self) -> int:
        """It counts from 1."""


_Saved = TypeVar("_Saved", bound=Versioned)


def read_saved(
    decoder: "msgspec.msgpack.Decoder[_Saved]", data: bytes, version: int, what: str
) -> _Saved:
    """Read bytes of this version.

    Args:
        decoder: of them.
        data: the bytes.
        version: of the layout that the decoder knows.
        what: was saved, as it begins a sentence.

    Raises:
        StateError: damaged, or of another version.
    """
    try:
        found = decoder.decode(data)
    except ValueError as error:  # also text that is no UTF-8
        message = f"{what} ({len(data)} bytes) is damaged: {error}"
        raise StateError(message) from error
    if found.version != version:
        message = f"{what} has version {found.version}, this code reads {version}: {FRESH_START}"
        raise StateError(message)
    return found
