"""A recording with everything in it that a sweep must treat as the job does."""

import random
from pathlib import Path

from tests.pipelines.seed import line, write

SOURCES = tuple(f"m{number}" for number in range(6))
FAULT = (1500, 1740)  # seconds; m0 and m3 go wrong


def recorded_lines(seed: int = 1, seconds: int = 3000, every: int = 5) -> list[bytes]:
    """Noise with two faults, out of order, with repeats, late records and broken ones."""
    chance = random.Random(seed)
    rows: list[tuple[float, bytes]] = []
    for second in range(0, seconds, every):
        for source in SOURCES:
            value = round(chance.gauss(5, 1), 3)
            if source in ("m0", "m3") and FAULT[0] <= second < FAULT[1]:
                value += 40
            arrived = second + chance.uniform(0, 8)
            rows.append((arrived, line(second, value, source)))
            if chance.random() < 0.02:
                rows.append((arrived + chance.uniform(0, 60), line(second, value, source)))
            if chance.random() < 0.01:
                rows.append((arrived, b'{"timestamp": 1'))
    return [data for _, data in sorted(rows)]


def recording(folder: Path, name: str = "part") -> str:
    """Three partitions of a topic as files; a pattern that names them."""
    for number in range(3):
        lines = recorded_lines()
        write(folder / f"{name}-{number}.jsonl", lines[number::3])
    return str(folder / f"{name}-*.jsonl?order=arrival")


def labels(folder: Path) -> str:
    """Labels of both faults, as `padit simulate` writes them."""
    path = folder / "labels.csv"
    start, end = (1_767_225_600 + second for second in FAULT)
    rows = [f"{source},burst,{_time(start)},{_time(end)}" for source in ("m0", "m3")]
    path.write_text("\n".join(["source_id,fault,start,end", *rows]))
    return str(path)


def _time(second: int) -> str:
    from padit.domain.timestamps import format_utc

    return format_utc(second * 1_000_000)
