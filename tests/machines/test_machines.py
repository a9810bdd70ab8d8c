"""The same bytes under each core type of OpenBLAS, each level of numpy, each way to compile."""

import pytest

from tests.machines.cases import CASES
from tests.machines.environments import PLAIN, digests_with, environments

ENVIRONMENTS = environments()


def _changed(name: str) -> set[str]:
    """Cases that give other bytes there than here."""
    here, there = digests_with(PLAIN), digests_with(ENVIRONMENTS[name])
    return {case for case in here if there[case] != here[case]}


def test_every_case_is_computed() -> None:
    assert digests_with(PLAIN).keys() == CASES.keys()
    assert len({*digests_with(PLAIN).values()}) > len(CASES) * 0.8, "many cases give the same"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_bytes_are_the_same_on_another_machine(name: str) -> None:
    assert _changed(name) == set()
