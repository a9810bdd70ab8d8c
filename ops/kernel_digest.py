"""A digest of a kernel: of its code, the constants that it reads and the kernels that it calls."""

import hashlib
from collections.abc import Iterator
from enum import Enum
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from padit.ops.compiled import Kernel

__all__ = ["digest_of"]


def digest_of(kernel: Kernel, within: frozenset[str] = frozenset()) -> str:
    """A digest of a function, the constants that it reads and the kernels that it calls."""
    function = kernel.py_func
    name = f"{function.__module__}.{function.__qualname__}"
    found = hashlib.sha256(f"{name} lean={kernel.lean}".encode())
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    for part in (*_code_parts(function.__code__), *closure, function.__defaults__):
        found.update(_spelled(part, within | {name}).encode() + b"\0")
    names = sorted(_names(function.__code__))
    for one in names:
        if one in function.__globals__:
            value = function.__globals__[one]
            found.update(f"{one}={_spelled(value, within | {name})}\0".encode())
            if isinstance(value, ModuleType | type):
                for inner in names:
                    if inner in vars(value):
                        text = _spelled(vars(value)[inner], within | {name})
                        found.update(f"{one}.{inner}={text}\0".encode())
    return found.hexdigest()


def _names(code: CodeType) -> set[str]:
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _code_parts(code: CodeType) -> Iterator[Any]:
    yield code.co_code.hex()
    yield code.co_varnames + code.co_names + code.co_freevars + code.co_cellvars
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _code_parts(one)
        else:
            yield one


def _spelled(value: Any, within: frozenset[str]) -> str:
    """Text that differs where a kernel would, and is the same in every process."""
    if isinstance(value, Kernel):
        function = value.py_func
        name = f"{function.__module__}.{function.__qualname__}"
        return name if name in within else digest_of(value, within)
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, np.generic):
        return f"{value.dtype.str}{value.tobytes().hex()}"
    if isinstance(value, tuple | list):
        return "(" + ",".join(_spelled(one, within) for one in value) + ")"
    if isinstance(value, frozenset | set):
        return "{" + ",".join(sorted(_spelled(one, within) for one in value)) + "}"
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, Enum):
        return f"{type(value).__name__} {value.name} {value.value!r}"
    name = getattr(value, "__qualname__", "") or getattr(value, "__name__", "")
    return f"{type(value).__name__} {getattr(value, '__module__', '')} {name}"
