"""Compiled code: numba, without anything that lets two machines compute different bits.

A kernel is scalar Python over numpy arrays, compiled without fastmath, so that LLVM neither
reorders nor contracts operations: the result has the same bits on every processor. Compiled code
is kept on disk, below PADIT_CACHE_DIR (by default `~/.cache/padit`), separately for each kind of
processor; `padit compile` fills that folder beforehand, so that no job waits for the compiler.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

__all__ = ["CACHE", "cache_folder", "kernel", "lean_kernel"]

CACHE = "PADIT_CACHE_DIR"
_F = TypeVar("_F", bound=Callable[..., Any])


def cache_folder() -> Path:
    """The folder of compiled code of this process."""
    given = os.environ.get(CACHE)
    home = Path(given) if given else Path.home() / ".cache" / "padit"
    return home / "compiled"


def kernel(function: _F) -> _F:
    """Compile a function on its first call, or load it from the disk.

    Division by zero gives an infinity or NaN as in numpy, and indices are not checked: a kernel
    checks what comes from outside itself, and its tests run it with numba's checks.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))
    import numba

    made = numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    return cast(_F, made)


def lean_kernel(function: _F) -> _F:
    """As `kernel`, for a function that creates no array and calls only such functions.

    It is compiled without reference counts, and into its callers: each array that goes from one
    compiled function to another is otherwise counted there and back, which made a parser of many
    small functions four times as slow (measured with numba 0.68.1).
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))
    import numba

    options = {"_nrt": False, "forceinline": True}
    made = numba.njit(cache=True, error_model="numpy", nogil=True, **options)(function)
    return cast(_F, made)
