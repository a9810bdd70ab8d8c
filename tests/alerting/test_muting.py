"""What the engine looks up instead of trying it is what it would find by trying all."""

from hypothesis import given
from hypothesis import strategies as st

from padit.alerting.compiled import Policy
from padit.alerting.entries import AlertEvent, Target
from padit.alerting.matching import targets
from padit.alerting.muting import Muting
from padit.alerting.state import SilenceSet
from padit.domain.timestamps import format_utc
from tests.alerting.making import at, event, policy_of

_SOURCES = st.sampled_from(["press-1", "press-2", "oven[1]", "padit-canary-1"])
_PATTERNS = st.sampled_from(["", "press-1", "press-*", "oven[1]", "oven[[]1]", "*", "padit-c*"])
_METRICS = st.sampled_from(["rpm", "torque_nm"])
_LABELS = st.dictionaries(st.sampled_from(["site", "line"]), st.sampled_from(["a", "b*"]))
_RULES = """
receivers: {r: {kind: webhook}}
routes:
  - name: tree
    receiver: r
    match: {source: "press-*"}
    go_on: true
    routes: [{name: deep, match: {labels: {site: "a*"}}}]
  - {name: rest, receiver: r, match: {severity: CRITICAL}}
silences:
  - {id: works, match: {labels: {line: a}}, start: 2026-03-01T08:00:00Z, end: 2026-03-01T09:00:00Z}
inhibit: [{name: i, cause: {metric: rpm}, effect: {source: "press-*"}}]
"""


@st.composite
def _silences(draw: st.DrawFn) -> dict[str, SilenceSet]:
    found = {}
    for number in range(draw(st.integers(0, 6))):
        seen = draw(st.sampled_from(["", format_utc(at(1))]))
        aim = Target(source=draw(_PATTERNS), metric=draw(st.sampled_from(["", "rpm"])),
                     labels=draw(_LABELS), time=seen)  # fmt: skip
        start = draw(st.integers(0, 5))
        found[f"s{number}"] = SilenceSet(f"s{number}", aim, at(start), at(start + 5), "ann")
    return found


@st.composite
def _alerts(draw: st.DrawFn) -> AlertEvent:
    return event(
        "opened", draw(st.integers(0, 9)), source=draw(_SOURCES), metric=draw(_METRICS),
        labels=draw(_LABELS), severity=draw(st.sampled_from(["WARNING", "CRITICAL"])),
    )  # fmt: skip


@given(silences=_silences(), one=_alerts())
def test_the_silence_that_is_looked_up_is_the_first_that_covers_an_alert(
    silences: dict[str, SilenceSet], one: AlertEvent
) -> None:
    covering = [
        silence
        for silence in silences.values()
        if silence.start <= one.time < silence.end and targets(silence.target, one)
    ]
    assert Muting(silences).find(one, one.time) is (covering[0] if covering else None)


@given(silences=_silences(), data=st.data())
def test_silences_that_came_or_went_are_noticed(
    silences: dict[str, SilenceSet], data: st.DataObject
) -> None:
    muting = Muting(silences)
    assert muting.holds(silences)
    gone = data.draw(st.sets(st.sampled_from(sorted(silences)))) if silences else set()
    more = data.draw(st.integers(0, 2))
    for one in gone:
        del silences[one]
    for number in range(more):
        silences[f"new{number}"] = SilenceSet(f"new{number}", Target(source="x"), 0, 1)
    assert muting.holds(silences) is not bool(gone or more)


@given(several=st.lists(_alerts(), max_size=8))
def test_what_is_remembered_of_a_series_is_what_a_fresh_policy_finds(
    several: list[AlertEvent],
) -> None:
    policy = policy_of(_RULES)
    for one in several:
        kept, fresh = policy.traits_of(one), Policy(policy.config).traits_of(one)
        assert [route.name for route in kept.routes] == [route.name for route in fresh.routes]
        assert sorted([*kept.others, *(route.name for route in kept.routes)]) == sorted(
            policy.by_name
        )
        assert [silence.id for silence in kept.silences] == [
            silence.id for silence in policy.silences if silence.matches(one)
        ]
        assert [rule.setting for rule in kept.causes] == [
            rule.setting for rule in policy.inhibitions if rule.cause(one)
        ]
        assert kept.keys == fresh.keys
