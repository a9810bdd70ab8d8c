"""The disk buffer on disks that are full, broken or damaged: what is lost is counted in samples."""

import contextlib
import errno
import os
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.encode import Record
from padit.adapters.frames import frame, read_frames
from padit.adapters.spool import Spool
from tests.adapters.net import needs
from tests.adapters.test_spool import Losses, drain, record

FRAME = len(frame(record(0), 0))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 128 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    needs(done, "a tmpfs cannot be mounted; needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True, capture_output=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 512):
            pass


def many(number: int, samples: int) -> Record:
    return record(number, 700)._replace(samples=samples)


def test_full_disk_costs_what_did_not_fit_and_every_sample_is_accounted_for(
    small_disk: Path,
) -> None:
    losses = Losses()
    spool = Spool(small_disk, 10_000_000, losses)
    spool.append([many(i, 4) for i in range(500)])
    kept = drain(spool.take)
    assert kept == list(range(len(kept)))
    assert 100 < len(kept) < 200
    assert losses == {"disk": 4 * (500 - len(kept))}
    spool.release()
    spool.close()


def test_writing_goes_on_when_a_full_disk_has_room_again(small_disk: Path) -> None:
    losses = Losses()
    spool = Spool(small_disk, 10_000_000, losses)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 100_000)
    spool.append([record(i, 700) for i in range(100)])
    filler.unlink()
    spool.append([record(i, 700) for i in range(100, 120)])
    kept = drain(spool.take)
    spool.close()
    assert kept[-20:] == list(range(100, 120))
    assert losses == {"disk": 120 - len(kept)}


def test_what_was_taken_and_does_not_fit_back_stays_where_it_was(small_disk: Path) -> None:
    losses = Losses()
    spool = Spool(small_disk, 10_000_000, losses)
    spool.append([record(i, 700) for i in range(120)])
    begun = spool.take()
    assert begun is not None
    filler = small_disk / "filler"
    fill(filler)
    spool.close()
    filler.unlink()
    again = Spool(small_disk, 10_000_000, losses)
    assert set(drain(again.take)) == set(range(120))
    again.close()
    assert not losses


def test_file_that_takes_only_a_part_at_once_gets_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = Losses()
    spool = Spool(tmp_path, 10_000_000, losses)
    opened = spool._opened

    class Stubborn:
        def __init__(self, path: Path) -> None:
            self._file = opened(path)

        def write(self, data: memoryview) -> int:
            return self._file.write(data[:7])

    monkeypatch.setattr(spool, "_opened", Stubborn)
    spool.append([record(i) for i in range(20)])
    assert drain(spool.take) == list(range(20))
    spool.close()
    assert not losses


def test_segment_that_cannot_be_removed_is_reported_and_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles: list[str] = []
    spool = Spool(tmp_path, 100_000, Losses(), troubles.append)
    spool.append([record(0)])
    assert drain(spool.take) == [0]

    def refuse(_path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        spool.release()
        assert "cannot be removed" in troubles[0]
        spool.append([record(i, 3000) for i in range(1, 100)])  # beyond the bound: the oldest go
    kept = drain(spool.take)
    assert kept == list(range(kept[0], 100))
    spool.release()
    spool.close()
    assert not list(tmp_path.glob("*.seg"))


@given(st.integers(0, 20 * FRAME - 1), st.integers(1, 255))
def test_flipped_byte_costs_the_record_that_it_hits_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int
) -> None:
    losses = Losses()
    spool = Spool(tmp_path_factory.mktemp("flip"), 1_000_000, losses)
    spool.append([record(i)._replace(samples=3) for i in range(20)])
    path = next(spool._directory.glob("*.seg"))
    data = bytearray(path.read_bytes())
    data[place] ^= flip
    path.write_bytes(data)
    assert drain(spool.take) == [i for i in range(20) if i != place // FRAME]
    spool.close()
    assert losses == {"damaged": 3}


@given(st.integers(0, 20 * FRAME - 1), st.integers(1, 4 * FRAME), st.binary(max_size=60))
def test_samples_that_come_back_and_those_counted_as_lost_are_all(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, instead: bytes
) -> None:
    """Bytes are cut out of the middle, and others stand in their place."""
    directory = tmp_path_factory.mktemp("cut")
    spool = Spool(directory, 1_000_000, Losses())
    spool.append([record(i)._replace(samples=3) for i in range(20)])
    path = next(directory.glob("*.seg"))
    data = path.read_bytes()
    path.write_bytes(data[:start] + instead + data[start + length :])
    losses = Losses()
    spool._on_loss = losses
    kept = drain(spool.take)
    first, last = start // FRAME, min(19, (start + length - 1) // FRAME)
    assert {*range(first), *range(last + 1, 20)} <= set(kept)
    assert 3 * len(kept) + losses.get("damaged", 0) == 60
    spool.close()


@given(st.binary(max_size=500))
def test_whatever_stands_in_a_segment_can_be_read(data: bytes) -> None:
    whole = frame(record(7), 0)
    found = read_frames(whole + data + whole)
    assert found.records[0] == found.records[-1] == record(7)


def test_segment_of_version_1_is_read_and_not_written_to(tmp_path: Path) -> None:
    def old(number: int) -> bytes:
        body = msgspec.msgpack.encode(tuple(record(number)))
        return struct.pack(">II", len(body), zlib.crc32(body)) + body

    (tmp_path / f"{1 << 40:016d}.seg").write_bytes(b"".join(map(old, range(10))))
    losses = Losses()
    spool = Spool(tmp_path, 1_000_000, losses)
    assert spool.samples == 10
    spool.append([record(i) for i in range(10, 15)])
    assert drain(spool.take) == list(range(15))
    spool.release()
    spool.close()
    assert not losses
    assert os.listdir(tmp_path) == ["lock"]
