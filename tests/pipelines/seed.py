"""The seed case: ten ordinary values, five high ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

START = 1_767_225_600
RULE = f"--config={Path(__file__).parents[2] / 'benchmarks' / 'rule.yaml'}"
"""Fixed limits instead of the shipped configuration."""


def with_rule(options: Sequence[str]) -> list[str]:
    """The options, with fixed limits where they name no configuration."""
    named = any(one.startswith("--config") for one in options)
    return [*options] if named else [RULE, *options]


ORDINARY = [5.0, 5.3, 5.1, 5.9, 5.4, 5.6, 5.2, 5.8, 5.5, 5.7]
HIGH = [50.0, 65.0, 72.0, 81.0, 90.0]


def line(second: float, value: Any, source: str = "probe-1") -> bytes:
    """One record."""
    fields = {"source_id": source, "metric_name": "rtt_ms", "value": value, "unit": "ms"}
    return msgspec.json.encode({"timestamp": START + second, **fields})


def seed_lines() -> list[bytes]:
    """A sample every 10 seconds."""
    return [line(10 * i, value) for i, value in enumerate(ORDINARY + HIGH)]


NEXT_HOUR = line(3600, 5.5)
"""A record that moves the watermarks past the windows of the seed case."""


def write(path: Path, lines: list[bytes]) -> str:
    """Write JSON Lines; the path as text."""
    path.write_bytes(b"".join(one + b"\n" for one in lines))
    return str(path)
