"""Old names that are still accepted, and the line that reports the new one, once a run."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

__all__ = [
    "DETECTORS",
    "RenamedOption",
    "accept_detector",
    "current_detector",
    "new_run",
    "report_renamed",
]

DETECTORS: Mapping[str, str] = {"silence": "no_data"}
"""New name of a detector by the old one; older alert files still hold the old one."""

_reported: set[tuple[str, str]] = set()


def current_detector(name: str) -> str:
    """The name of a detector today.

    >>> current_detector("silence"), current_detector("rule")
    ('no_data', 'rule')
    """
    return DETECTORS.get(name, name)


def accept_detector(name: str) -> str:
    """The name today of a detector that a person configured; an old name is reported."""
    current = current_detector(name)
    if current != name:
        report_renamed(f"detector {name}", current)
    return current


def report_renamed(old: str, new: str) -> None:
    """Write one line to standard error, once a run, that `old` is deprecated for `new`."""
    if (old, new) not in _reported:
        _reported.add((old, new))
        print(f"padit: {old} is deprecated, its name is {new} now", file=sys.stderr)


class RenamedOption(argparse.Action):
    """An option with old names: the first of its names is the current one, the rest are old."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Take the value, and report an old name."""
        current = self.option_strings[0]
        if option_string is not None and option_string != current:
            report_renamed(option_string, current)
        setattr(namespace, self.dest, values)


def new_run() -> None:
    """Report old names again: a process may run several commands one after the other."""
    _reported.clear()
