"""The same bytes under each core type of OpenBLAS, each level of numpy, each way to compile."""

from collections.abc import Mapping

import pytest

from tests.machines.cases import CASES
from tests.machines.environments import PLAIN, digests_with, environments

EXCEPTIONS: Mapping[str, str] = {
    "scores: novelty": "BLAS and LAPACK",
}
"""What does not keep the law yet, and why. Entries are only ever taken off this list."""

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
    assert _changed(name) - EXCEPTIONS.keys() == set()


def test_the_list_of_exceptions_shrinks() -> None:
    assert EXCEPTIONS.keys() <= CASES.keys()
    if not any("X86_V4" in one for one in ENVIRONMENTS):
        pytest.skip("no data: this processor is too old to differ from an older one")
    changed = set().union(*map(_changed, ENVIRONMENTS))
    assert EXCEPTIONS.keys() - changed == set(), "it is the same everywhere now: take it off"
