"""The fuzzer's own parts: its laws hold for its seeds, and a missing Atheris is reported."""

import sys

import pytest

from padit.codecs import records as wire
from padit.codecs.contract import Sampled
from tests.fuzz.__main__ import NEEDED, main
from tests.fuzz.records import seeds, try_bytes, without_last_resort


def test_the_seeds_keep_the_laws() -> None:
    for seed in seeds().values():
        try_bytes(seed)


def test_a_codec_that_raises_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(record: bytes, *_: object) -> Sampled:
        raise KeyError(record)

    monkeypatch.setattr(wire, "note_unexpected", None)
    monkeypatch.setattr(wire, "CODECS", [one._replace(decode=broken) for one in wire.CODECS])
    without_last_resort()
    with pytest.raises(KeyError):
        try_bytes(b"[]")


def test_without_atheris_the_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert main(["--seconds", "1"]) == 2
    assert NEEDED in capsys.readouterr().err
