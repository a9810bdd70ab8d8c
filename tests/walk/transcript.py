"""What a walk did, as a page: each step with its commands, their output and what was checked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Transcript", "WalkFailed"]

_LINES = 14
_WIDTH = 150


class WalkFailed(AssertionError):
    """A check of the walk is not so."""


@dataclass
class Transcript:
    """The page while it is written.

    Attributes:
        shown: called with each line as it comes.
        names: texts that differ from run to run (ports, folders), and what stands for them.
        parts: of the page.
        checks: how many held.
    """

    shown: Callable[[str], None]
    names: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    checks: int = 0
    _steps: int = 0
    _began: float = field(default_factory=time.monotonic)

    def step(self, title: str, why: str) -> None:
        """A new step."""
        self._steps += 1
        at = time.monotonic() - self._began
        self.parts.append(f"\n## {self._steps}. {title}\n\n{why} *(minute {at / 60:.1f})*\n")
        self.shown(f"[{at:6.1f} s] {self._steps}. {title}")

    def command(self, line: str, output: str, lines: int = _LINES) -> None:
        """A command with the last lines of what it printed."""
        kept = [one[:_WIDTH] for one in self._neutral(output).strip().splitlines()][-lines:]
        body = "\n".join([f"$ {self._neutral(line)}", *kept])
        # As text: commands of a run, cut to a width; the pages of each command have them whole.
        self.parts.append(f"```text\n{body}\n```\n")

    def check(self, holds: object, what: str) -> None:
        """Something that has to be so; the walk ends if it is not."""
        if not holds:
            self.parts.append(f"- [ ] **{what}: not so**\n")
            raise WalkFailed(what)
        self.checks += 1
        self.parts.append(f"- [x] {self._neutral(what)}\n")
        self.shown(f"           ok: {what}")

    def note(self, text: str) -> None:
        """A sentence."""
        self.parts.append(f"{self._neutral(text)}\n")

    def page(self, head: str) -> str:
        """All of it."""
        return head + "\n".join(self.parts)

    def _neutral(self, text: str) -> str:
        for actual in sorted(self.names, key=len, reverse=True):
            text = text.replace(actual, self.names[actual])
        return re.sub(r"\x1b\[[0-9;]*m", "", text)
