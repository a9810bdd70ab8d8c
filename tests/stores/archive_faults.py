"""Writers of an archive that die at any write, half a file behind them: nothing lost or doubled.

`python -m tests.stores.archive_faults --faults 300` (part of `make faults-stores`); a few in tests.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from padit.connectors.archive_place import ArchivePlace
from padit.devcluster.broker import start_broker
from padit.stores.archive_care import check, compact
from padit.stores.archive_service import Plan, archive_topic, open_place

__all__ = ["CrashError", "archived_through_crashes", "dying"]


class CrashError(Exception):
    """The process ends here."""


@contextmanager
def dying(chance: random.Random, faults: int) -> Iterator[list[str]]:
    """Writes that end the process, before, in the middle or behind them; yields what happened."""
    write = ArchivePlace.write
    happened: list[str] = []

    def struck(self: ArchivePlace, name: str, data: bytes | memoryview) -> None:
        if len(happened) < faults and chance.random() < 0.4:
            kind = chance.choice(["before", "half", "behind"])
            if kind == "half" and name.endswith("000001.json.gz"):
                kind = "before"  # without the first manifest nothing says what the rest is
            happened.append(kind)
            if kind == "half":  # as on the disk of a machine that lost its power
                write(self, name, data[: len(data) // 2])
            elif kind == "behind":
                write(self, name, data)
            raise CrashError
        write(self, name, data)

    ArchivePlace.write = struck  # type: ignore[method-assign]
    try:
        yield happened
    finally:
        ArchivePlace.write = write  # type: ignore[method-assign]


def archived_through_crashes(topic: str, archive: str, seed: int, faults: int = 3) -> list[str]:
    """Archive and compact a topic with crashes; what they were."""
    chance = random.Random(seed)
    with dying(chance, faults) as happened:
        while True:
            plan = Plan(topic, archive, commit_records=chance.choice([500, 1500, 10**6]), groups=3)
            try:
                archive_topic(plan, threading.Event(), lambda _: None)
                compact(open_place(archive), records=chance.choice([2000, 10**6]))
            except CrashError:
                continue
            return happened


def main() -> int:
    """Rounds until there were so many faults; 1 if anything is lost or doubled."""
    from tests.stores.test_archive_topic import _fill, everything

    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    done: list[str] = []
    wrong, seed = 0, args.seed
    with tempfile.TemporaryDirectory(prefix="padit-archive-faults-") as name:
        broker = start_broker(Path(name) / "kafka")
        try:
            topic = broker.create_topic("struck", 3)
            kafka = type("Kafka", (), {"bootstrap": broker.bootstrap})
            _fill(kafka, topic)
            uri = f"kafka://{broker.bootstrap}/{topic}"
            expected = everything(uri)
            while len(done) < args.faults:
                place = f"{name}/{seed}"
                done += archived_through_crashes(uri, place, seed, 5)
                same = everything(f"{place}/") == expected and check(open_place(place)).sound
                wrong += not same
                seed += 1
        finally:
            broker.stop()
    kinds = ", ".join(f"{done.count(one)} {one}" for one in ("before", "half", "behind"))
    print(f"archive: {len(done)} faults at a write ({kinds}) in {seed - args.seed} rounds; "
          f"{wrong} rounds with a record lost or doubled")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
