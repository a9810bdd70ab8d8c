"""Silences that were for nothing, and those that hid something real."""

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
        _command("feedback", 8, note="real", target=Target(source="press-1")),
    ):  # fmt: skip
        review.apply(entry)
    found = {one.id: one for one in review.all()}
    assert found[hiding.id].muted == 1  # neither another source nor behind its end
    assert len(found[hiding.id].real) == 1
    assert found[early.id].muted == 1  # what was open as it was made, nothing behind its end
    assert found[early.id].end == at(6)
    assert [one.id for one in review.hid_real()] == [hiding.id, early.id]
    late = max(one.end for one in review.all()) + 10 * MICROS
    assert {one.id for one in review.never_matched(late)} == {idle.id, "works"}
    assert review.never_matched(at(3)) == []


def test_feedback_on_what_is_over_or_noise_marks_nothing_as_real() -> None:
    review = SilenceReview(config_of(CONFIG))
    review.apply(_command("silence", 1, until=at(30)))
    review.apply(event("opened", 2, "a", source="press-1"))
    review.apply(_command("feedback", 3, note="noise"))
    review.apply(event("resolved", 4, "a", source="press-1", opened=at(2)))
    review.apply(_command("feedback", 5, note="real"))
    assert review.hid_real() == []


def test_of_alerts_that_are_over_nothing_but_their_number_is_remembered() -> None:
    review = SilenceReview(config_of(CONFIG))
    review.apply(_command("silence", 1, until=at(10_000)))
    for n in range(3_000):
        review.apply(event("opened", 2 + n, f"a{n}", source="press-1"))
        review.apply(event("worse", 2 + n, f"a{n}", source="press-1", opened=at(2 + n)))
        review.apply(event("resolved", 3 + n, f"a{n}", source="press-1", opened=at(2 + n)))
    (one,) = [one for one in review.all() if one.id != "works"]
    assert (one.muted, one.real) == (3_000, frozenset())
    assert not review._open
    assert not review._muting
