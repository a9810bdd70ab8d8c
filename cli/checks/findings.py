"""One result of a check, with its severity and its remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "broken", "fine", "warning"]


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """A result.

    Attributes:
        check: name of the check.
        level: severity.
        detail: the result, in words.
        fix: the remedy; empty only when nothing is wrong.
    """

    check: str
    level: Level
    detail: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the fields as a JSON object."""
        return asdict(self)


def fine(check: str, detail: str) -> Finding:
    """Nothing wrong."""
    return Finding(check, Level.OK, detail)


def warning(check: str, detail: str, fix: str) -> Finding:
    """Works, but will cause trouble."""
    return Finding(check, Level.WARNING, detail, fix)


def broken(check: str, detail: str, fix: str) -> Finding:
    """Does not work."""
    return Finding(check, Level.BROKEN, detail, fix)
