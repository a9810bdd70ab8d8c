"""Silences that were for nothing, and those that hid something real."""

import pytest

from padit.alerting import silence_review
from padit.alerting.entries import Command, Target
from padit.alerting.silence_review import SilenceReview
from padit.domain.timestamps import MICROS
from tests.alerting.making import at, config_of, event

CONFIG = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes: [{name: all, receiver: ops}]
silences:
  - {id: works, match: {source: "dock-*"}, start: 2026-03-01T08:00:00Z, end: 2026-03-01T09:00:00Z}
"""


def _command(kind: str, minutes: float, **others: object) -> Command:
    target = others.pop("target", Target(source="press-1"))
    return Command(f"{kind}-{minutes}", at(minutes), "ann", kind, target, **others)  # type: ignore[arg-type]


def test_a_silence_knows_what_it_muted_and_what_of_it_was_real() -> None:
    review = SilenceReview(config_of(CONFIG))
    hiding = _command("silence", 1, until=at(30))
    idle = _command("silence", 2, until=at(4), target=Target(source="nothing"))
    early = _command("silence", 5, until=at(60), target=Target(metric="*"))
    for entry in (
        hiding, idle, event("opened", 3, "a", source="press-1"), early,
        _command("unsilence", 6, note=early.id, target=Target()),
        event("opened", 7, "b", source="press-2"), event("opened", 40, "c", source="press-1"),
    ):  # fmt: skip
        review.apply(entry)
    review.mark(["a", "c"])
    found = {one.id: one for one in review.all()}
    assert found[hiding.id].muted == 1  # neither another source nor behind its end
    assert len(found[hiding.id].real) == 1
    assert found[early.id].muted == 1  # what was open as it was made, nothing behind its end
    assert found[early.id].end == at(6)
    assert [one.id for one in review.hid_real()] == [hiding.id, early.id]
    late = max(one.end for one in review.all()) + 10 * MICROS
    assert {one.id for one in review.never_matched(late)} == {idle.id, "works"}
    assert review.never_matched(at(3)) == []


def test_feedback_on_what_is_over_counts_once() -> None:
    review = SilenceReview(config_of(CONFIG))
    hiding = _command("silence", 1, until=at(30))
    for entry in (
        hiding, event("opened", 2, "a", source="press-1"), event("opened", 3, "b", metric="rpm"),
        event("resolved", 4, "a", source="press-1", opened=at(2)),
    ):  # fmt: skip
        review.apply(entry)
    assert review.hid_real() == []
    review.mark(["a"])
    review.mark(["a"])
    (one,) = review.hid_real()
    assert (one.id, one.real) == (hiding.id, ("a",))
    assert review.hiding(["b"]) == []
    assert review.hiding(["b", "a"]) == [one]


def test_of_more_silences_than_are_remembered_the_oldest_that_ended_for_nothing_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence_review, "_MOST", 3)
    review = SilenceReview(config_of())
    review.apply(_command("silence", 0, until=at(5)))
    review.apply(event("opened", 1, "a", source="press-1"))
    review.mark(["a"])
    review.apply(_command("silence", 3, until=at(4), target=Target(fingerprint="f" * 64)))
    review.apply(_command("silence", 4))
    review.apply(event("opened", 6, "b", source="press-2"))
    review.apply(_command("silence", 7))
    assert [one.id for one in review.all()] == ["silence-0", "silence-4", "silence-7"]
    review.apply(event("opened", 8, "c", source="press-1"))
    assert [one.muted for one in review.all()] == [1, 2, 2]


def test_of_very_many_muted_alerts_the_latest_are_remembered_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence_review, "_MOST_MUTED", 100)
    review = SilenceReview(config_of(CONFIG))
    review.apply(_command("silence", 1, until=at(10_000)))
    for n in range(3_000):
        review.apply(event("opened", 2 + n, f"a{n}", source="press-1"))
        review.apply(event("worse", 2 + n, f"a{n}", source="press-1", opened=at(2 + n)))
        review.apply(event("resolved", 3 + n, f"a{n}", source="press-1", opened=at(2 + n)))
    (one,) = [one for one in review.all() if one.id != "works"]
    assert (one.muted, one.real) == (3_000, ())
    assert not review._open
    assert list(review._muting) == [f"a{n}" for n in range(2_900, 3_000)]


class _Compared(str):
    """An id that counts how often it is compared with another one."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        _Compared.compared += 1
        return str.__eq__(self, other)


def test_marking_very_many_alerts_of_a_silence_as_real_compares_none_with_all_others() -> None:
    review = SilenceReview(config_of(CONFIG))
    review.apply(_command("silence", 1, until=at(10_000)))
    names = [_Compared(f"a{n}") for n in range(400)]
    for n, name in enumerate(names):
        review.apply(event("opened", 2 + n / 1000, name, source="press-1", metric=f"m{n}"))
    _Compared.compared = 0
    for name in names:
        review.mark([name])
    review.mark(names[:1])
    (one,) = review.hid_real()
    assert one.real == tuple(names)
    assert _Compared.compared <= 4 * len(names)
