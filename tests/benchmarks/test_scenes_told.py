"""The count of what alerting makes of the scenes: what is wrong shows."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import scenes_told
from benchmarks.scenes_told import judge, main
from padit.alerting.effects import Effect
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Entry
from padit.alerting.state import State
from tests.alerting.making import at, cloud_event, event

LOG: list[Entry] = [
    event("opened", 0), event("opened", 1, "b", metric="rpm"), event("resolved", 5),
    event("resolved", 6, "b", metric="rpm", opened=at(1)), event("opened", 60, "c"),
]  # fmt: skip


def test_what_is_told_once_and_ended_right_is_good() -> None:
    found = judge(LOG)
    assert found.good
    assert (found.alerts, found.pages, found.incidents) == (3, 3, 2)
    assert found.kinds == {"opened": 2, "resolved": 1}


@pytest.mark.parametrize(
    ("kind", "count"), [("opened", {"untold": 1}), ("resolved", {"unended": 1})]
)
def test_a_message_that_is_missing_shows(
    kind: str, count: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(Engine):
        def apply(self, state: State, entry: Entry, hand_over: Any = None) -> list[Effect]:
            return [one for one in super().apply(state, entry, hand_over)
                    if getattr(one, "kind", "") != kind or one.time > at(30)]  # fmt: skip

    monkeypatch.setattr(scenes_told, "Engine", Deaf)
    found = judge(LOG)
    assert not found.good
    for name, expected in count.items():
        assert getattr(found, name) >= expected


def test_a_line_for_each_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    (tmp_path / "modes").mkdir()
    lines = [cloud_event(one) + b"\n" for one in LOG if isinstance(one, AlertEvent)]
    (tmp_path / "modes" / "alerts.jsonl").write_bytes(b"".join(lines))
    assert main([str(tmp_path)]) == 0
    assert "opened 2, resolved 1" in capsys.readouterr().out
