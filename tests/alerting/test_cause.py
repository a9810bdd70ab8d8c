"""The likely first cause: largest shift, internal before external, deepest of a topology."""

from padit.alerting.cause import likely_causes
from padit.alerting.state import Member
from tests.alerting.making import at, event


def member(source: str, metric: str, shift: float, minutes: float = 0) -> Member:
    """A member that opened with a shift."""
    return Member(event("opened", minutes, f"{source}{metric}", source=source, metric=metric,
                        shift=shift), at(minutes))  # fmt: skip


def test_the_largest_shift_comes_first_and_a_clear_lead_is_decided() -> None:
    causes, decided = likely_causes([member("a", "x", 3), member("b", "x", -9)], {}, 0.2)
    assert [one.source for one in causes] == ["b", "a"]
    assert decided
    assert causes[0].score == 0.75


def test_a_narrow_lead_is_not_decided() -> None:
    causes, decided = likely_causes([member("a", "x", 9), member("b", "x", 8.5)], {}, 0.2)
    assert [one.source for one in causes] == ["a", "b"]
    assert not decided


def test_an_internal_metric_comes_before_a_larger_shift_of_an_external_one() -> None:
    causes, _ = likely_causes([member("a", "latency_ms", 90), member("b", "cpu", 5)], {}, 0.2)
    assert [one.source for one in causes] == ["b", "a"]


def test_the_deepest_of_the_sources_that_depend_on_each_other_comes_first() -> None:
    shop = {"web": ["shop"], "shop": ["cache", "database"]}
    members = [member("web", "cpu", 50), member("shop", "cpu", 20), member("database", "cpu", 5)]
    causes, decided = likely_causes(members, shop, 0.2)
    assert [one.source for one in causes] == ["database", "shop", "web"]
    assert decided
    assert "2 of the others depend on it" in causes[0].why


def test_what_moved_to_its_good_side_is_no_cause() -> None:
    members = [member("a", "latency_ms", -90), member("b", "availability", 90),
               member("c", "latency_ms", 3)]  # fmt: skip
    causes, _ = likely_causes(members, {}, 0.2)
    assert [one.source for one in causes] == ["c"]


def test_equal_evidence_is_ordered_by_onset_then_by_name() -> None:
    members = [member("b", "x", 5, 1), member("c", "x", 5), member("a", "x", 5, 1)]
    causes, _ = likely_causes(members, {}, 0.2)
    assert [one.source for one in causes] == ["c", "a", "b"]
