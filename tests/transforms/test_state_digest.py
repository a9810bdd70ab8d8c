"""The digest of what detectors remembered: the same in any cut, another after another history."""

from typing import Any

import numpy as np
import pytest

from padit.transforms import audit
from padit.transforms.detect import Detection
from tests.laws.machine import SECOND, Log, run, schedule_by, setting
from tests.laws.streams import logs_of, samples_of

# Learns from as many rows as the stream has before it breaks.
PARAMETERS: dict[str, dict[str, Any]] = {"multivariate": {"learn": 100}}
REMEMBERING = ["changepoint", "multivariate", "novelty"]


def _detection(name: str) -> Detection:
    return setting(name, PARAMETERS.get(name))


def _logs() -> list[Log]:
    """A factory in which everything breaks at the end."""
    logs = logs_of(samples_of("factory"), 1)
    last = max(one.time for log in logs for one in log) - 100 * SECOND
    return [
        [one._replace(value=one.value * (3 if one.time > last else 1)) for one in log]
        for log in logs
    ]


def _memories(logs: list[Log], detection: Detection, cut: int | None = None) -> dict[str, str]:
    schedule = None
    if cut is not None:
        schedule = schedule_by(np.random.default_rng(cut), logs, 50 * cut)
    return {one.transition: one.state for one in run(logs, detection, schedule).provenance}


@pytest.mark.parametrize("name", REMEMBERING)
def test_the_digest_does_not_depend_on_how_the_stream_was_cut(name: str) -> None:
    logs = _logs()
    whole = _memories(logs, _detection(name))
    assert whole
    assert all(len(one) == 64 for one in whole.values())
    for cut in (1, 4):
        assert _memories(logs, _detection(name), cut) == whole


@pytest.mark.parametrize("name", REMEMBERING)
def test_another_history_has_another_digest(name: str) -> None:
    logs = _logs()
    changed = [[one._replace(value=one.value + 1e-6 * (i < 500)) for i, one in enumerate(log)]
               for log in logs]  # fmt: skip
    found, other = _memories(logs, _detection(name)), _memories(changed, _detection(name))
    assert any(other[one] != digest for one, digest in found.items() if one in other)


def test_detectors_that_remember_nothing_have_none() -> None:
    found = _memories(_logs(), setting("rule"))
    assert found
    assert set(found.values()) == {""}


def test_only_windows_that_cause_something_cost_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        message = "a digest that nobody needs"
        raise AssertionError(message)

    monkeypatch.setattr(audit, "memory_digests", refuse)
    logs = _logs()
    quiet = [[one._replace(value=1.0) for one in log] for log in logs]
    assert run(quiet, _detection("changepoint")).provenance == []
    with pytest.raises(AssertionError, match="nobody needs"):
        run(logs, _detection("changepoint"))
