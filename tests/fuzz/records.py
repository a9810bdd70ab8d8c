"""What is fuzzed: any bytes, taken as one record or several, are held to the laws of codecs."""

from padit.codecs import records as wire
from padit.codecs.contract import AT_LEAST, MOST_TIMES
from padit.codecs.records import decode
from tests.laws.codecs import MAX_BYTES, SEEDS, check_decoded, decode_all, outcome

__all__ = ["seeds", "try_bytes", "without_last_resort"]

_CUT = b"\x00\x01\x02\x03"  # parts an input into several records


def try_bytes(data: bytes) -> None:
    """Hold one input to the laws.

    Raises:
        AssertionError: a law is broken.
        Exception: whatever decoding let out.
    """
    values: list[bytes | None] = [*data.split(_CUT)]
    together = decode_all(values)
    alone = [(i, decode([value], MAX_BYTES)) for i, value in enumerate(values)]
    assert outcome(together) == outcome(alone), "alone and together differ"
    came = sum(check_decoded(values[start:], part) for start, part in together)
    assert came <= MOST_TIMES * len(data) + AT_LEAST * len(values), "more came out than may"


def seeds() -> dict[str, bytes]:
    """The valid records of every codec, by a name for a file, and some of them together."""
    named = {
        f"{name.replace(' ', '-')}-{i}": seed
        for name, of_codec in SEEDS.items()
        for i, seed in enumerate(of_codec)
    }
    return named | {"several": _CUT.join(named.values())}


def without_last_resort() -> None:
    """Let an error that decoding does not know end the run, instead of making a reject of it."""
    wire.note_unexpected = _raise


def _raise(error: Exception) -> None:
    raise error
