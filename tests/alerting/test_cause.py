"""The likely first cause: largest shift, internal before external, deepest of a topology."""

import time

from hypothesis import given
from hypothesis import strategies as st

from padit.alerting.cause import _Best, _explained, _users, likely_causes
from padit.alerting.state import Member
from tests.alerting.making import at, event
from tests.limits import allowed


def member(source: str, metric: str, shift: float, minutes: float = 0) -> Member:
    """A member that opened with a shift."""
    return Member(event("opened", minutes, f"{source}{metric}", source=source, metric=metric,
                        shift=shift), at(minutes))  # fmt: skip


def test_the_largest_shift_comes_first_and_a_clear_lead_is_decided() -> None:
    causes, decided = likely_causes([member("a", "x", 10), member("b", "x", -30)], {}, 1.0)
    assert [one.source for one in causes] == ["b", "a"]
    assert decided
    assert causes[0].score == 0.75


def test_a_narrow_lead_is_not_decided() -> None:
    causes, decided = likely_causes([member("a", "x", 30), member("b", "x", 16)], {}, 1.0)
    assert [one.source for one in causes] == ["a", "b"]
    assert not decided


def test_a_shift_that_calm_data_reaches_by_chance_decides_nothing() -> None:
    assert likely_causes([member("a", "x", 10), member("b", "x", 1)], {}, 1.0)[1]
    assert not likely_causes([member("a", "x", 9.9), member("b", "x", 1)], {}, 1.0)[1]


def test_one_alert_decides_nothing_because_nothing_stands_beside_it() -> None:
    causes, decided = likely_causes([member("a", "cpu", 400)], {}, 1.0)
    assert [one.source for one in causes] == ["a"]
    assert not decided
    assert likely_causes([member("a", "cpu", 400), member("a", "memory", 3)], {}, 1.0)[1]


def test_what_is_only_slow_is_not_decided_to_be_why_others_fail() -> None:
    shop = {"shop": ["files"]}
    slow, failing = member("files", "latency_ms", 90), member("shop", "availability", -8)
    causes, decided = likely_causes([slow, failing], shop, 1.0)
    assert causes[0].source == "files"
    assert not decided
    failing_too = member("files", "error_share", 20)
    assert likely_causes([slow, failing_too, failing], shop, 1.0)[1]


def test_traffic_is_what_others_send_so_it_comes_last_and_decides_nothing() -> None:
    members = [member("a", "requests", -300), member("b", "latency_ms", 12)]
    causes, decided = likely_causes(members, {}, 1.0)
    assert [one.source for one in causes] == ["b", "a"]
    assert not decided
    both = [member("a", "requests", -300), member("a", "bytes_sent", -300)]
    assert not likely_causes(both, {}, 1.0)[1]


def test_an_internal_metric_comes_before_a_larger_shift_of_an_external_one() -> None:
    causes, _ = likely_causes([member("a", "latency_ms", 90), member("b", "cpu", 5)], {}, 1.0)
    assert [one.source for one in causes] == ["b", "a"]


def test_the_deepest_of_the_sources_that_depend_on_each_other_comes_first() -> None:
    shop = {"web": ["shop"], "shop": ["cache", "database"]}
    members = [member("web", "cpu", 50), member("shop", "cpu", 20), member("database", "cpu", 12)]
    causes, decided = likely_causes(members, shop, 1.0)
    assert [one.source for one in causes] == ["database", "shop", "web"]
    assert decided
    assert "2 of the others depend on it" in causes[0].why


def test_what_all_others_depend_on_comes_before_the_own_state_of_one_of_them() -> None:
    hall = {f"machine-{i}": ["switch"] for i in range(3)}
    slow = [member(f"machine-{i}", "rtt_ms", 60) for i in range(3)]
    warm = member("machine-1", "temperature", -3, 3)
    causes, decided = likely_causes([member("switch", "loss", 17), *slow, warm], hall, 1.0)
    assert causes[0].source == "switch"
    assert decided
    # Not what trembles itself, nor what stands below some of them or below two only.
    for members in (
        [member("switch", "loss", 9), *slow, warm],
        [member("switch", "loss", 17), *slow, warm, member("press", "rtt_ms", 60)],
        [member("switch", "loss", 17), *slow[:2], warm],
    ):
        assert likely_causes(members, hall, 1.0)[0][0].source == "machine-1"


def test_what_trembles_does_not_explain_a_disaster() -> None:
    members = [member("web", "cpu", 129), member("ads", "memory", 3)]
    causes, decided = likely_causes(members, {"web": ["ads"]}, 1.0)
    assert [one.source for one in causes] == ["web", "ads"]
    assert decided


def test_what_moved_to_its_good_side_is_no_cause() -> None:
    members = [member("a", "latency_ms", -90), member("b", "availability", 90),
               member("c", "latency_ms", 3)]  # fmt: skip
    causes, _ = likely_causes(members, {}, 1.0)
    assert [one.source for one in causes] == ["c"]


def test_the_largest_number_there_is_breaks_nothing() -> None:
    members = [member("a", "x", -1.7e308), member("b", "x", 1.7e308), member("c", "x", 5e-324)]
    causes, decided = likely_causes(members, {"b": ["a"]}, 1.0)
    assert [one.source for one in causes] == ["a", "b", "c"]
    assert decided


def test_equal_evidence_is_ordered_by_onset_then_by_name() -> None:
    members = [member("b", "x", 5, 1), member("c", "x", 5), member("a", "x", 5, 1)]
    causes, _ = likely_causes(members, {}, 1.0)
    assert [one.source for one in causes] == ["c", "a", "b"]


@given(
    edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25),
    sources=st.lists(st.integers(0, 9), unique=True, max_size=8),
)
def test_depths_are_those_of_a_walk_from_each_source(
    edges: list[tuple[int, int]], sources: list[int]
) -> None:
    """Also with cycles, and over nodes that are no source of the incident."""
    depends_on: dict[str, list[str]] = {}
    for above, under in edges:
        depends_on.setdefault(str(above), []).append(str(under))
    names = [str(one) for one in sources]
    expected = dict.fromkeys(names, 0)
    for one in names:
        seen, queue = {one}, [one]
        while queue:
            for below in depends_on.get(queue.pop(), ()):
                if below not in seen:
                    seen.add(below)
                    queue.append(below)
                    if below in expected:
                        expected[below] += 1
    found = _users(names, depends_on)
    assert {one: bits.bit_count() for one, bits in found.items()} == expected


@given(
    sizes=st.lists(st.integers(0, 1 << 30), min_size=1, max_size=8),
    masks=st.lists(st.integers(0, 255), min_size=8, max_size=8),
)
def test_evidence_is_the_own_size_and_at_most_ten_times_it_of_each_that_depends_on_it(
    sizes: list[int], masks: list[int]
) -> None:
    some = member("a", "x", 1)
    best = {str(i): _Best(True, size, 0, some) for i, size in enumerate(sizes)}
    users = {str(i): masks[i] & (1 << len(sizes)) - 1 & ~(1 << i) for i in range(len(sizes))}
    assert _explained(best, users) == {
        str(i): size
        + sum(min(one, 10 * size) for j, one in enumerate(sizes) if users[str(i)] >> j & 1)
        for i, size in enumerate(sizes)
    }


def test_a_load_that_fell_and_traffic_are_effects() -> None:
    members = [member("a", "cpu_usage", -90), member("b", "memory_mb", 3),
               member("c", "bytes_received", 40)]  # fmt: skip
    causes, decided = likely_causes(members, {}, 1.0)
    assert [one.source for one in causes] == ["b", "c"]
    assert not decided  # the larger shift speaks against it


def test_a_thousand_members_over_a_long_chain_are_ranked_in_little_time() -> None:
    members = [
        Member(event("opened", 0, f"a{i}", source=f"s{i % 200}", metric=f"m{i}", shift=i % 37), 0)
        for i in range(1000)
    ]
    chain = {f"s{i}": [f"s{i + 1}"] for i in range(199)}
    took = []
    for _ in range(5):
        began = time.process_time()
        causes, _ = likely_causes(members, chain, 1.0)
        took.append(time.process_time() - began)
    assert causes[0].source == "s199"
    assert min(took) < allowed(0.005)
