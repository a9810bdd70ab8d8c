"""A tiny stateful pipeline's parts, in a module that workers can import."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.transforms.userstate import BagStateSpec


class RunningSum(beam.DoFn):  # type: ignore[misc]
    """Emit the sum of all values of the key so far."""

    SEEN = BagStateSpec("seen", VarIntCoder())

    def process(
        self,
        element: tuple[str, int],
        seen: Any = beam.DoFn.StateParam(SEEN),  # noqa: B008 - Beam's way
    ) -> Iterator[tuple[str, int]]:
        """Keep the value, emit the sum."""
        key, value = element
        seen.add(value)
        yield key, sum(seen.read())


class AppendLine(beam.DoFn):  # type: ignore[misc]
    """Append each element to a file as JSON."""

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, element: tuple[str, int]) -> None:
        """Write one line; short appends do not mix."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(element) + "\n")
