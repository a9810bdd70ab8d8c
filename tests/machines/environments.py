"""Processors that this one can pass for: what libraries choose by the processor, one by one."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from tests.limits import allowed

__all__ = ["PLAIN", "digests_with", "environments", "together"]

ROOT = Path(__file__).resolve().parents[2]
_NUMPY = "numpy._core._multiarray_umath"  # where numpy says what it found and was built for
_OF_KERNELS = ("PADIT_CPU", "NUMBA_DISABLE_JIT")  # they change what all others are tried with
PLAIN: Mapping[str, str] = {}
_OPENBLAS = {"Nehalem": "SSE42", "Sandybridge": "AVX", "Haswell": "AVX2", "Zen": "AVX2",
             "SkylakeX": "X86_V4"}  # fmt: skip
_ARROW = {"NONE": "SSE2", "AVX2": "AVX2"}
# What the C library chooses its exp, log, pow and sin by.
_GLIBC = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX2_Usable,-AVX512F"


def environments(*, every: bool = False) -> dict[str, dict[str, str]]:
    """Environment variables by the name of what they imitate.

    Args:
        every: also those that take long, since kernels are compiled for them.
    """
    has = _features()
    found = {
        f"OpenBLAS {core}": {"OPENBLAS_CORETYPE": core}
        for core, needs in _OPENBLAS.items()
        if has.get(needs)
    }
    levels = [one for one in _dispatched() if has.get(one)]
    found |= {
        f"numpy without {levels[first]}": {"NPY_DISABLE_CPU_FEATURES": " ".join(levels[first:])}
        for first in range(len(levels))
    }
    found |= {
        f"Arrow {level}": {"ARROW_USER_SIMD_LEVEL": level}
        for level, needs in _ARROW.items()
        if has.get(needs)
    }
    if platform.machine() == "x86_64":
        found["C library without FMA"] = {"GLIBC_TUNABLES": _GLIBC}
    found["kernels for this processor"] = {"PADIT_CPU": "host"}
    found["kernels as plain Python"] = {"NUMBA_DISABLE_JIT": "1"}
    if every and has.get("X86_V3"):
        found["kernels for x86-64-v3"] = {"PADIT_CPU": "x86-64-v3"}
    return found


def together(found: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The same environments, as few processes as cover all: those of different variables at once.

    What one changes another does not change back, so a process that gives the same bytes speaks
    for every environment in it; `make machines` tries them one by one and names the one that fails.
    """
    groups: list[tuple[list[str], dict[str, str]]] = []
    for name, variables in found.items():
        alone = not variables.keys().isdisjoint(_OF_KERNELS)
        free = [
            one for one in groups
            if not alone and one[1].keys().isdisjoint({*variables, *_OF_KERNELS})
        ]  # fmt: skip
        names, given = free[0] if free else ([], {})
        if not free:
            groups.append((names, given))
        names.append(name)
        given.update(variables)
    return {", ".join(names): given for names, given in groups}


def _features() -> Mapping[str, bool]:
    known: Mapping[str, bool] = import_module(_NUMPY).__cpu_features__
    return known


def _dispatched() -> list[str]:
    """The levels that numpy was built for, the oldest first."""
    return [str(one) for one in import_module(_NUMPY).__cpu_dispatch__]


@cache
def _digests(environment: tuple[tuple[str, str], ...]) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.machines.digests"],
        cwd=ROOT,
        env={**os.environ, "PADIT_CPU": "generic", **dict(environment)},
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(240),
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])["digests"]
    return found


def digests_with(environment: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of every case by its name, in a process with these variables."""
    return _digests(tuple(sorted(environment.items())))
