"""Ten faults of `make faults-stores`: nothing is lost, doubled or changed."""

from __future__ import annotations

from pathlib import Path

from tests.stores.fault_site import site
from tests.stores.faults import play


def test_ten_faults_lose_and_double_nothing(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        verdict = play(place, 10, 5, print)
        assert place.store.running
    assert verdict.good, verdict
