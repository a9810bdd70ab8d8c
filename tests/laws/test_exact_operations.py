"""What reaches a score is made of operations with the same bits on every machine.

Measured with numpy 2.4 under every level of its CPU features, every core type of OpenBLAS and on
ARM64 (`make machines`). These differ from machine to machine:

- BLAS and LAPACK (`@`, dot, linalg, cov, convolve ...), and einsum;
- transcendental functions (exp, log, power, tanh, cbrt, hypot ...), and the FFT;
- argsort and argpartition among equal keys, and what partition leaves beside its pivots.

These do not: + - * / sqrt, rounding, comparisons, and sums. numpy's sums (sum, mean, std, cumsum,
reduceat) are pairwise in a fixed order on every machine, though another one for another length or
layout of memory, which the law of series independence covers. In compiled code numba adds in
another order than numpy, so kernels have no such sum: they have a loop.

Among equal keys zeros count too: `np.sort`, `np.maximum` and `np.minimum` of 0.0 and -0.0 give
either. Samples have no -0.0 (`transforms/windows.py`), and `tests/laws/test_machines.py` compares
bytes.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("domain", "codecs", "transforms")

FINE: Mapping[tuple[str, str], str] = {
    ("domain/watermark.py", "** of no constants"): "of whole numbers",
    ("codecs/archive_forms.py", "** of no constants"): "of whole numbers, when it is imported",
    ("codecs/json_numbers.py", "** of no constants"): "of whole numbers, when it is imported",
    ("transforms/exact.py", "pow()"): "its own",
    ("transforms/budget.py", "sum in a kernel"): "of whole numbers",
    ("transforms/detectors/usual_alert.py", "median in a kernel"): "of sorted numbers",
}
"""What only looks like a breach, with the reason."""

# Functions of numpy that were looked at: exact, or without arithmetic on floats.
NUMPY = frozenset(
    """
    abs absolute add all any append arange argmax argmin argsort array array_equal asarray
    ascontiguousarray atleast_1d bincount bitwise_and bitwise_count bitwise_or bitwise_xor bool_
    broadcast_to bytes_ ceil clip concatenate copy copysign copyto count_nonzero cumsum delete
    diagonal diff divide divmod dtype empty empty_like equal errstate eye finfo flatnonzero
    float32 float64 floating floor floor_divide fmax fmin frexp frombuffer fromiter full
    full_like generic greater greater_equal hstack iinfo inf insert int16 int32 int64 int8
    integer intp invert isfinite isin isinf isnan ldexp left_shift less less_equal lexsort
    logical_and logical_not logical_or logical_xor maximum mean median minimum mod multiply nan
    nan_to_num nanargmax nanargmin ndarray negative newaxis nextafter nonzero not_equal number
    ones ones_like outer percentile prod quantile ravel reciprocal repeat reshape result_type
    right_shift rint round searchsorted setdiff1d sign signbit sort split sqrt square stack std
    str_ subtract sum swapaxes take take_along_axis tile transpose trunc uint16 uint32 uint64
    uint8 uintp union1d unique var void vstack where zeros zeros_like
    """.split()  # noqa: SIM905
)
MATH = frozenset(
    """
    ceil comb copysign fabs floor fmod frexp fsum gcd inf isclose isfinite isinf isnan isqrt lcm
    ldexp modf nan nextafter pi e prod remainder sqrt tau trunc ulp
    """.split()  # noqa: SIM905
)
ARROW = frozenset(("cast", "is_null", "is_valid", "struct_field"))
METHODS = frozenset(("dot", "argpartition"))
# In compiled code these add in another order than numpy does.
NOT_IN_KERNELS = frozenset(
    ("cumsum", "mean", "median", "percentile", "prod", "quantile", "std", "sum", "var")
)
MODULES = frozenset(("cmath", "scipy", "statistics"))


def _names(tree: ast.AST) -> dict[str, str]:
    """What the names of modules stand for in a file: numpy, math or pyarrow.compute."""
    known = {"numpy": "np", "math": "math", "pyarrow.compute": "pc"}
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                if one.name in known:
                    found[one.asname or one.name] = known[one.name]
    return found


def _attributes(tree: ast.AST) -> Iterator[str]:
    """Functions of numpy, math and pyarrow.compute that are used, as `np.sqrt`."""
    names = _names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in names:
            yield f"{names[ast.unparse(node.value)]}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in ("numpy", "math"):
            module = "np" if node.module == "numpy" else "math"
            yield from (f"{module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "pyarrow.compute":
            yield from (f"pc.{one.name}" for one in node.names)


def _modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def _constant(node: ast.expr) -> bool:
    """Whether Python itself computes it, while it compiles the file."""
    if isinstance(node, ast.UnaryOp):
        return _constant(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _exact_power(node: ast.BinOp) -> bool:
    """A power of whole numbers or of two, written out."""
    left, right = node.left, node.right
    if not (_constant(left) and _constant(right)):
        return False
    base, exponent = ast.literal_eval(left), ast.literal_eval(right)
    return isinstance(exponent, int) and (isinstance(base, int) or base in (2.0, 0.5))


def _operations(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield "@"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            if isinstance(node, ast.AugAssign) or not _exact_power(node):
                yield "** of no constants"
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    kinds = [ast.unparse(one.value) for one in node.keywords if one.arg == "kind"]
    if name in METHODS:
        yield f".{name}()"
    elif name == "argsort" and kinds != ["'stable'"]:
        yield "argsort that is not stable"
    elif ast.unparse(node.func) == "pow":
        yield "pow()"


def _in_kernels(tree: ast.AST) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and any(
            ast.unparse(one).rpartition(".")[2] == "kernel" for one in function.decorator_list
        ):
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and node.attr in NOT_IN_KERNELS:
                    yield f"{node.attr} in a kernel"
                elif isinstance(node, ast.Call) and ast.unparse(node.func) == "sum":
                    yield "sum in a kernel"


def breaches(code: str) -> set[str]:
    """What in a file may give other bits on another machine."""
    tree = ast.parse(code)
    allowed = (
        {f"np.{one}" for one in NUMPY}
        | {f"math.{one}" for one in MATH}
        | {f"pc.{one}" for one in ARROW}
    )
    found = {one for one in _attributes(tree) if one not in allowed}
    return found | {*_operations(tree)} | {*_in_kernels(tree)} | MODULES & {*_modules(tree)}


def _found() -> dict[str, set[str]]:
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    found = {}
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        wrong = breaches(path.read_text(encoding="utf-8"))
        found[name] = {one for one in wrong if (name, one) not in FINE}
    return {name: wrong for name, wrong in found.items() if wrong}


def test_only_exact_operations_reach_a_score() -> None:
    assert _found() == {}, (
        "use exact operations (transforms/exact.py has log, exp, pow; a square is x * x); a "
        "function that is exact, and new here, goes into NUMPY, MATH or ARROW"
    )


def test_what_only_looks_like_a_breach_is_still_there() -> None:
    looked = {(name, one) for name in {name for name, _ in FINE}
              for one in breaches((ROOT / name).read_text(encoding="utf-8"))}  # fmt: skip
    assert set(FINE) - looked == set(), "it is not used there any more: take it off FINE"


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("import numpy as np\nnp.dot(a, b)", {"np.dot", ".dot()"}),
        ("import numpy as n\nn.exp(a)", {"np.exp"}),
        ("import numpy as np\nnp.fft.rfft(a)", {"np.fft"}),
        ("import numpy as np\nnp.linalg.solve(a, b)", {"np.linalg"}),
        ("from numpy import einsum", {"np.einsum"}),
        ("import math\nmath.exp(a)", {"math.exp"}),
        ("from math import sin", {"math.sin"}),
        ("import pyarrow.compute as pc\npc.sum(a)", {"pc.sum"}),
        ("a @ b", {"@"}),
        ("a @= b", {"@"}),
        ("a.dot(b)", {".dot()"}),
        ("a ** 0.5", {"** of no constants"}),
        ("a **= 2", {"** of no constants"}),
        ("2.5 ** 3", {"** of no constants"}),
        ("10 ** 6 + 2.0 ** -5", set()),
        ("pow(a, b)", {"pow()"}),
        ("a.argsort()", {"argsort that is not stable"}),
        ("import numpy as np\nnp.argsort(a, kind='stable')", set()),
        ("from scipy.stats import norm", {"scipy"}),
        ("import statistics", {"statistics"}),
        ("import numpy as np\nnp.sqrt(np.abs(a)).sum()", set()),
        ("@kernel\ndef f(a):\n    return a.sum()", {"sum in a kernel"}),
        ("@compiled.kernel\ndef f(a):\n    return sum(a)", {"sum in a kernel"}),
        ("import math\n@kernel\ndef f(a):\n    return math.sqrt(a)", set()),
    ],
)
def test_a_breach_would_be_noticed(code: str, wrong: set[str]) -> None:
    assert breaches(code) == wrong
