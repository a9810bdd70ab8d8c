"""What is drawn of an incident: its edges, what lies between, and what stays out."""

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from padit.alerting.policy import Grouping
from padit.alerting.state import Incident, Member
from padit.alerting.topology import topology_of
from tests.alerting.making import event
from tests.limits import allowed

_NAMES = st.sampled_from(list("abcdefgh"))


def _drawn(
    depends_on: dict[str, tuple[str, ...]],
    alerts: dict[str, str],
    causes: tuple[str, ...] = (),
) -> tuple[list[str], list[tuple[str, str, bool]], dict[str, Any]]:
    """Names in order, edges by name, and all of it; `alerts`: sources with what a label names."""
    members = {
        source: Member(
            event("opened", 0, source, source=source, labels={"depends_on": target} if target
                  else {}), 0,
        )
        for source, target in alerts.items()
    }  # fmt: skip
    incident = Incident("i", 0, 0, 0, members=members)
    found = topology_of(Grouping(depends_on=depends_on), incident, causes)
    names = [one["source"] for one in found["nodes"]]
    edges = [(names[one["from"]], names[one["to"]], one["stated"]) for one in found["edges"]]
    return names, edges, found


def test_a_source_without_an_alert_is_drawn_where_it_lies_between_two() -> None:
    names, edges, found = _drawn({"a": ("m", "z"), "m": ("d",)}, {"a": "", "d": "", "alone": ""})
    assert names == ["d", "m", "a"]
    assert edges == [("a", "m", False), ("m", "d", False)]
    assert [one["severity"] for one in found["nodes"]] == ["WARNING", "", "WARNING"]


def test_a_source_without_an_alert_is_drawn_where_two_depend_on_it_and_not_for_one() -> None:
    names, edges, _ = _drawn({}, {"u1": "gw", "u2": "gw", "u3": "other"})
    assert names == ["gw", "u1", "u2"]
    assert edges == [("u1", "gw", True), ("u2", "gw", True)]


def test_of_many_sources_the_causes_stay_and_the_rest_is_counted() -> None:
    alerts = {f"unit-{number:02}": "gw" for number in range(40)}
    names, edges, found = _drawn({}, alerts, ("unit-33",))
    assert len(names) == 20
    assert {"gw", "unit-33"} <= set(names)
    assert found["left_out"] == 21
    assert len(edges) == 19
    assert found["nodes"][names.index("unit-33")]["cause"] == 1


def test_no_edge_between_drawn_sources_is_left_out_where_all_depend_on_all() -> None:
    names = [f"unit-{number:02}" for number in range(20)]
    _, edges, found = _drawn({one: tuple(names) for one in names}, dict.fromkeys(names, ""))
    assert len(edges) == 20 * 19
    assert found["left_out"] == 0


def test_the_sources_of_a_site_with_a_gateway_each_are_gone_through_once() -> None:
    alerts = {f"unit-{number:05}": f"gw-{number:05}" for number in range(30_000)}
    began = time.process_time()
    _, _, found = _drawn({}, alerts)
    assert time.process_time() - began < allowed(1)  # 0.3 s; once for each gateway 11 s
    assert found["nodes"] == []


@given(
    st.dictionaries(_NAMES, st.lists(_NAMES, max_size=4).map(tuple)),
    st.dictionaries(_NAMES, st.sampled_from(["", *"abcdefgh"]), min_size=1),
)
def test_every_graph_is_drawn_whole_once_also_with_cycles(
    depends_on: dict[str, tuple[str, ...]], alerts: dict[str, str]
) -> None:
    names, edges, found = _drawn(depends_on, alerts)
    assert len(set(names)) == len(names)
    assert len(set(edges)) == len(edges)
    assert {name for edge in edges for name in edge[:2]} == set(names)
    assert all(above != below for above, below, _ in edges)
    direct = {(a, b) for a in alerts for b in depends_on.get(a, ()) if b in alerts and a != b}
    assert direct <= {edge[:2] for edge in edges}
    assert found["left_out"] == 0
