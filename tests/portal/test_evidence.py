"""Windows that alerts were judged by, read once out of the log."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest

from padit.alerting.alert_rows import AlertState, Step
from padit.alerting.reading import LogReader
from padit.domain.timestamps import MICROS, format_utc
from padit.portal import evidence
from padit.portal.evidence import EvidenceWindows


class _Log:
    """Entries by number: each of the alert of that number, with a window of a second."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def payloads(self, numbers: Sequence[int]) -> list[bytes]:
        self.read += numbers
        return [msgspec.json.encode({"data": {"id": f"a{n}", "evidence": {"window": _window(n)}}})
                for n in numbers]  # fmt: skip

    def close(self) -> None:
        """Nothing to close."""


def _window(n: int) -> dict[str, Any]:
    return {"start": format_utc(n * MICROS), "end": format_utc((n + 1) * MICROS)}


def _alert(n: int) -> AlertState:
    step = Step(n, f"t{n}", "opened", n * MICROS, "WARNING", 0.9)
    return AlertState(f"a{n}", "", "s", "m", "WARNING", 0.9, "", "d", {}, 0.0, n * MICROS, "i",
                      steps=[step])  # fmt: skip


def test_what_is_forgotten_to_make_room_is_missing_in_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence, "_MOST_KNOWN", 2)
    log = _Log()
    windows = EvidenceWindows(lambda: cast("LogReader", log))
    for asked in ([1, 2], [1, 2, 3], [2, 3, 4]):
        found = windows.of([_alert(n) for n in asked])
        assert found == {f"a{n}": [[n * MICROS, (n + 1) * MICROS]] for n in asked}
    assert log.read == [1, 2, 3, 2, 4]
