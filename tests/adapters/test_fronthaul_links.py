"""Real frames between namespaces: the delay and loss that are measured are those that were set.

Tolerances are for a machine that does other things at the same time: the least of a train of
round trips is the link, the rest is scheduling.
"""

import json
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.adapters.net import Lab
from tests.limits import allowed

ONE_WAY_US = 4_000.0
SLACK_US = 1_500.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        made.respond("b", "udp-echo", "--host", "10.77.0.2")
        made.respond("b", "ecpri-udp", "--host", "10.77.0.2")
        made.respond("b", "ecpri", "--interface", "link0")
        made.respond("b", "cfm", "--interface", "link0", "--level", "4")
        yield made


def measure(
    lab: Lab, kind: str, target: dict[str, object], count: int = 20
) -> dict[str, list[float]]:
    """One poll from host a; the values by metric."""
    train = {"count": count, "spacing_ms": 5, "reply_timeout_ms": 300}
    out = lab.run(
        "a",
        *("-m", "padit.cli.main", "adapters", "try", "oran-cfm"),
        *("--set", f"{kind}={json.dumps([target])}", "--set", f"train={json.dumps(train)}"),
    )
    found: dict[str, list[float]] = defaultdict(list)
    for line in out.splitlines():
        metric = json.loads(line)
        found[metric["metric_name"]].append(metric["value"])
    return found


ECPRI_UDP: dict[str, object] = {"host": "10.77.0.2"}
ECPRI_RAW: dict[str, object] = {
    "transport": "ethernet",
    "interface": "link0",
    "mac": "02:00:00:00:77:02",
}
CFM: dict[str, object] = {"interface": "link0", "mac": "02:00:00:00:77:02", "level": 4}


@pytest.mark.parametrize(
    ("kind", "target", "metric", "expected_us", "unit_us"),
    [
        ("udp_echo", {"host": "10.77.0.2"}, "udp_echo_rtt_ms", 2 * ONE_WAY_US, 1000),
        ("ecpri", ECPRI_UDP, "ecpri_delay_us", ONE_WAY_US, 1),
        ("ecpri", {**ECPRI_UDP, "two_step": True}, "ecpri_delay_us", ONE_WAY_US, 1),
        ("ecpri", {**ECPRI_UDP, "both_ways": True}, "ecpri_return_delay_us", ONE_WAY_US, 1),
        ("ecpri", ECPRI_RAW, "ecpri_delay_us", ONE_WAY_US, 1),
        ("ecpri", {**ECPRI_RAW, "dummy_bytes": 1000}, "ecpri_rtt_us", 2 * ONE_WAY_US, 1),
        (
            "ecpri",
            {**ECPRI_RAW, "two_step": True, "both_ways": True},
            "ecpri_return_delay_us",
            ONE_WAY_US,
            1,
        ),
        ("cfm", CFM, "lbm_rtt_ms", 2 * ONE_WAY_US, 1000),
        ("cfm", {**CFM, "vlan": 100, "priority": 5}, "lbm_rtt_ms", 2 * ONE_WAY_US, 1000),
        ("cfm", {**CFM, "mac": ""}, "lbm_rtt_ms", 2 * ONE_WAY_US, 1000),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_measured_delay_is_the_one_that_was_set(
    lab: Lab,
    kind: str,
    target: dict[str, object],
    metric: str,
    expected_us: float,
    unit_us: float,
) -> None:
    lab.impair(delay_us=ONE_WAY_US)
    values = measure(lab, kind, target)[metric]
    assert len(values) == 20
    assert expected_us <= min(values) * unit_us <= expected_us + SLACK_US
    assert sorted(values)[len(values) // 4] * unit_us <= expected_us + 4 * SLACK_US


@pytest.mark.parametrize(
    ("kind", "target", "prefix"),
    [
        ("udp_echo", {"host": "10.77.0.2"}, "udp_echo"),
        ("ecpri", ECPRI_RAW, "ecpri"),
        ("cfm", CFM, "lbm"),
    ],
)
def test_measured_loss_is_the_one_that_was_set(
    lab: Lab, kind: str, target: dict[str, object], prefix: str
) -> None:
    lab.impair(delay_us=100, loss=0.2)
    found = measure(lab, kind, target, count=100)
    # Lost on one of two ways: 1 - 0.8^2 = 0.36; 100 requests give a standard error of 0.048.
    assert 0.36 - 4 * 0.048 < found[f"{prefix}_loss_ratio"][0] < 0.36 + 4 * 0.048


def test_jitter_grows_with_the_jitter_that_was_set(lab: Lab) -> None:
    lab.impair(delay_us=1_000)
    # Other work on the machine shakes the link too: the calmest of three is the link's own.
    steady = min(measure(lab, "ecpri", ECPRI_RAW)["ecpri_jitter_us"][0] for _ in range(3))
    lab.impair(delay_us=1_000, jitter_us=6_000)
    shaken = measure(lab, "ecpri", ECPRI_RAW, count=60)["ecpri_jitter_us"][0]
    # Two independent uniform delays of width w differ by w/3 on average; order is kept, which
    # takes some of that away.
    assert shaken > 1_000
    assert shaken > 2 * steady


def test_maintenance_point_of_another_level_does_not_answer(lab: Lab) -> None:
    lab.impair()
    found = measure(lab, "cfm", {**CFM, "level": 5}, count=3)
    assert found["lbm_loss_ratio"] == [1.0]
    assert not found["lbm_rtt_ms"]


def test_peer_that_is_away_counts_as_lost(lab: Lab) -> None:
    lab.impair()
    found = measure(lab, "udp_echo", {"host": "10.77.0.2", "port": 9}, count=3)
    assert dict(found) == {"udp_echo_loss_ratio": [1.0]}


def test_unknown_interface_counts_as_lost_and_names_it(lab: Lab) -> None:
    process = lab.start(
        "a",
        *("-m", "padit.cli.main", "adapters", "try", "oran-cfm"),
        *("--set", 'cfm=[{"interface": "none0"}]'),
    )
    out, err = process.communicate(timeout=allowed(30))
    assert json.loads(out)["value"] == 1.0
    assert "none0" in err
