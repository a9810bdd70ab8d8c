"""One computation on several processors."""

import threading

import pytest

from padit.ops import parts
from padit.ops.parts import in_parts


@pytest.mark.parametrize("processors", [1, 2, 4])
def test_every_part_is_computed_once_and_all_are_there_afterwards(
    processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_processors", lambda: processors)
    together = threading.Barrier(processors, timeout=30)  # broken unless they run at the same time
    found = [0] * processors

    def run(part: int, of: int) -> None:
        together.wait()
        assert of == processors
        found[part] += 1

    in_parts(run, 1_000_000)
    assert found == [1] * processors


def test_few_samples_are_not_worth_a_second_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_processors", lambda: 4)
    found: list[tuple[int, int]] = []
    in_parts(lambda part, of: found.append((part, of)), 10)
    assert found == [(0, 1)]


def test_an_error_of_any_part_is_raised_after_the_others_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "_processors", lambda: 2)
    done: list[int] = []

    def run(part: int, _: int) -> None:
        done.append(part)
        if part:
            message = "part 1"
            raise ValueError(message)

    with pytest.raises(ValueError, match="part 1"):
        in_parts(run, 1_000_000)
    assert sorted(done) == [0, 1]
