"""The same bytes under each core type of OpenBLAS, each level of numpy, each way to compile.

Environments that do not touch each other share a process (`make machines` tries them one by one).
"""

import pytest

from tests.machines.cases import CASES
from tests.machines.environments import PLAIN, digests_with, environments, together

ENVIRONMENTS = together(environments())


def _changed(name: str) -> set[str]:
    """Cases that give other bytes there than here."""
    here, there = digests_with(PLAIN), digests_with(ENVIRONMENTS[name])
    return {case for case in here if there[case] != here[case]}


def test_every_case_is_computed() -> None:
    assert digests_with(PLAIN).keys() == CASES.keys()
    assert len({*digests_with(PLAIN).values()}) > len(CASES) * 0.8, "many cases give the same"


def test_every_environment_is_in_one_process_with_all_its_variables() -> None:
    alone = environments()
    assert sorted(", ".join(ENVIRONMENTS).split(", ")) == sorted(alone)
    for names, given in ENVIRONMENTS.items():
        wanted = [one for name in names.split(", ") for one in alone[name].items()]
        assert sorted(given.items()) == sorted(wanted), names


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_bytes_are_the_same_on_another_machine(name: str) -> None:
    assert _changed(name) == set()
