"""Log files of every kind: four records each, of which two are errors, unless it says otherwise.

The files in `log_cases/` come from the reports that the kinds were made after; the others are
made up, the second of each kind in another style.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

CASES = Path(__file__).parent / "log_cases"

FOUR = ("INFO", "ERROR", "ERROR", "INFO")


class Sample(NamedTuple):
    """A file and what comes of it.

    Attributes:
        content: of the file.
        levels: of its records, sorted.
        latency: the largest, ms; None where none is.
        dated: whether its records have times of their own, in 2026.
    """

    content: bytes
    levels: tuple[str, ...] = FOUR
    latency: float | None = None
    dated: bool = True


def as_lines(*lines: str) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def as_json(*objects: object) -> bytes:
    return as_lines(*(json.dumps(one) for one in objects))


def case(name: str, **differs: Any) -> Sample:
    return Sample((CASES / f"{name}.log").read_bytes())._replace(**differs)


def docker(*logs: tuple[str, str]) -> bytes:
    return as_json(
        *(
            {"log": log, "stream": stream, "time": f"2026-01-05T00:00:0{i}.5Z"}
            for i, (log, stream) in enumerate(logs)
        )
    )


S = "2026-01-05 00:00:0"
T = "2026-01-05T00:00:0"
US = 1_767_571_200_000_000
TRACE = ("Traceback (most recent call last):", '  File "a.py", line 1, in <module>', "    run()")
