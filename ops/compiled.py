"""Compiled code: numba, without anything that lets two machines compute different bits.

A kernel is scalar Python over numpy arrays, compiled without fastmath, so that LLVM neither
reorders nor contracts operations: the result has the same bits on every processor. numba is
imported when a kernel is called first, so that a command without kernels does not wait for it.

Compiled code is kept in `PADIT_CACHE_DIR/compiled`, for one baseline of processors (`PADIT_CPU`).
`padit compile` fills that folder; without it the first use does, under a lock. `ops.compiler`
has what needs numba; docs/compiled.md says how an image gets its kernels.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar, cast

__all__ = [
    "CACHE",
    "CPU",
    "Kernel",
    "cache_folder",
    "kernel",
    "kernels",
    "lean_kernel",
    "ready",
    "warm_up",
]

CACHE = "PADIT_CACHE_DIR"
CPU = "PADIT_CPU"
_F = TypeVar("_F", bound=Callable[..., Any])
_kernels: "list[Kernel]" = []
_warm_ups: list[Callable[[], None]] = []
_warm: set[Callable[[], None]] = set()
_turn = threading.RLock()  # of `ready`


def cache_folder() -> Path:
    """The folder of compiled code of this process."""
    given = os.environ.get(CACHE)
    home = Path(given) if given else Path.home() / ".cache" / "padit"
    return home / "compiled"


class Kernel:
    """A function that is compiled, or loaded from the disk, when it is called first.

    Kernels may call kernels of any module.

    Attributes:
        py_func: the function as it is written, for tests.
        lean: whether it creates no array; see `lean_kernel`.
    """

    def __init__(self, function: Callable[..., Any], *, lean: bool = False) -> None:
        update_wrapper(self, function)
        self.py_func = function
        self.lean = lean
        self._dispatcher: Any = None

    def __call__(self, *args: Any) -> Any:
        """Run the compiled function."""
        return (self._dispatcher or self.dispatcher)(*args)

    @property
    def dispatcher(self) -> Any:
        """What numba makes of the function.

        Raises:
            KernelError: numba cannot be used.
        """
        if self._dispatcher is None:
            from padit.ops.compiler import dispatcher_of, one_at_a_time

            with one_at_a_time:
                if self._dispatcher is None:
                    self._dispatcher = dispatcher_of(self)
        return self._dispatcher

    @property
    def name(self) -> str:
        """Module and name, without the package."""
        return f"{self.py_func.__module__.removeprefix('padit.')}.{self.py_func.__qualname__}"

    def __reduce__(self) -> str:
        return self.py_func.__qualname__

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


def kernel(function: _F) -> _F:
    """Compile a function on its first call, or load it from the disk.

    Division by zero gives an infinity or NaN as in numpy, and indices are not checked: a kernel
    checks what comes from outside itself, and its tests run it with numba's checks
    (NUMBA_BOUNDSCHECK=1) or as plain Python (`py_func`; NUMBA_DISABLE_JIT=1 for all kernels).
    """
    made = Kernel(function)
    _kernels.append(made)
    return cast(_F, made)


def lean_kernel(function: _F) -> _F:
    """As `kernel`, for a function that creates no array and gets none from those it calls.

    It is compiled without reference counts, and into its callers: each array that goes from one
    compiled function to another is otherwise counted there and back, which made a parser of many
    small functions four times as slow, and the detector `usual` twice (measured with numba 0.68.1).
    """
    made = Kernel(function, lean=True)
    _kernels.append(made)
    return cast(_F, made)


def warm_up(function: Callable[[], None]) -> Callable[[], None]:
    """Register a function that calls kernels with the types that they are called with.

    `ready` and `padit compile` run it, so that nothing is left to be compiled for the first rows.
    """
    _warm_ups.append(function)
    return function


def kernels() -> tuple[Kernel, ...]:
    """The kernels of all modules that are imported."""
    return tuple(_kernels)


def ready(done: Callable[[str, float], None] | None = None) -> None:
    """Load every kernel that a job of this process needs; compile what is not there yet.

    Args:
        done: is told the name of each part and its seconds.

    Raises:
        KernelError: numba is missing, or the folder of compiled code cannot be used.
    """
    with _turn:
        from padit.ops.compiler import require

        require()
        for one in _warm_ups:
            if one not in _warm:
                begun = time.monotonic()
                one()
                _warm.add(one)
                if done:
                    name = f"{one.__module__}.{one.__name__}".removeprefix("padit.")
                    done(name, time.monotonic() - begun)
