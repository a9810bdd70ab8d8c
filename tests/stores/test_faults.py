"""A fault of each kind of `make faults-stores`: nothing is lost, doubled or changed."""

from __future__ import annotations

from pathlib import Path

from tests.stores.fault_kinds import KINDS
from tests.stores.fault_site import site
from tests.stores.faults import play


def test_a_fault_of_each_kind_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert len(KINDS) >= 10
    with site(tmp_path) as place:
        verdict = play(place, len(KINDS), 5, print)
        assert place.store.running
    assert verdict.good, verdict
