"""How a kernel becomes machine code, and where that is kept; imported with the first kernel.

Compiled code lies in one folder, `PADIT_CACHE_DIR/compiled/VERSIONS`. The name of a file holds a
digest of the function, of the constants it reads and of the kernels it calls, in whatever file
they are. So a changed kernel is compiled again, whoever calls it; dates of files and the place of
the installation play no part, and what one image compiled another can use.
"""

import hashlib
import os
import pickle
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from padit.domain.errors import ConfigurationError, KernelError
from padit.ops.compiled import CACHE, CPU, Kernel, cache_folder
from padit.ops.kernel_digest import digest_of

try:
    import numba
    from llvmlite import binding
    from numba.core import caching, config, sigutils
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target
    from numba.extending import typeof_impl
except Exception as error:
    message = (
        f"numba, which compiles the kernels, cannot be imported: {error}; install what "
        "requirements.lock names: pip install --constraint requirements.lock numba llvmlite numpy"
    )
    raise KernelError(message) from error

__all__ = [
    "DEFAULT_CPU",
    "FEATURES",
    "NotCompiledError",
    "compiled_here",
    "cpu_name",
    "dispatcher_of",
    "is_kept",
    "loading_only",
    "one_at_a_time",
    "require",
]

DEFAULT_CPU = "generic"
# What a processor must have for code of a baseline, in LLVM's words; as in the psABI of x86-64.
_V2 = frozenset(("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"))
_V3 = _V2 | {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
FEATURES = {"generic": frozenset[str]()} | (
    {"x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4}
    if platform.machine() in ("x86_64", "AMD64")
    else {}
)
_HOST = "host"
one_at_a_time = global_compiler_lock
"""numba's lock of a process, which may be taken again by the thread that has it."""
_compiled: list[str] = []


def compiled_here() -> tuple[str, ...]:
    """Names of the kernels that this process had to compile itself."""
    return tuple(_compiled)


def cpu_name() -> str:
    """The baseline of processors that code is compiled for: PADIT_CPU, or `generic`.

    Raises:
        ConfigurationError: it is unknown, or this processor is older.
    """
    name = os.environ.get(CPU) or os.environ.get("NUMBA_CPU_NAME") or DEFAULT_CPU
    if name == _HOST or (not os.environ.get(CPU) and os.environ.get("NUMBA_CPU_NAME")):
        return name
    if name not in FEATURES:
        known = ", ".join([*FEATURES, _HOST])
        message = f"{CPU}={name} names no baseline of processors; choose from {known}"
        raise ConfigurationError(message)
    has = binding.get_host_cpu_features()
    lacking = sorted(one for one in FEATURES[name] if not has.get(one))
    if lacking:
        message = (
            f"{CPU}={name} needs a processor with {', '.join(lacking)}, which this one "
            f"({binding.get_host_cpu_name()}) lacks; leave it out, or choose an older baseline"
        )
        raise ConfigurationError(message)
    return name


def require() -> None:
    """Check that kernels can be compiled or loaded here.

    Raises:
        PaditError: not, with the remedy.
    """
    name = cpu_name()
    if not os.environ.get(CPU) and os.environ.get("NUMBA_CPU_NAME"):
        return  # numba has read its own variables
    wanted = (None, None) if name == _HOST else (name, "")
    if wanted == (config.CPU_NAME, config.CPU_FEATURES):
        return
    if "_toplevel_target_context" in vars(cpu_target):  # made with the first use of numba
        message = (
            f"numba has compiled code for {config.CPU_NAME or 'this processor'} before the "
            f"kernels, which are for {name}; set {CPU}={_HOST}, or NUMBA_CPU_NAME={name}"
        )
        raise KernelError(message)
    config.CPU_NAME, config.CPU_FEATURES = wanted


def dispatcher_of(one: Kernel) -> Any:
    """A kernel as numba calls it: compiled for each combination of types, or loaded.

    Raises:
        PaditError: kernels cannot be compiled or loaded here.
    """
    require()
    # Both are stated: what is not is that of the kernel whose compilation needs this one.
    options = {"_nrt": not one.lean, "forceinline": one.lean}
    made = numba.njit(error_model="numpy", nogil=True, **options)(one.py_func)
    if config.DISABLE_JIT:
        return np.errstate(all="ignore")(made)  # as quiet as compiled code, which wraps around
    made._cache = cache = _Cache(one)
    made.compile = _under_lock(made, cache)
    return made


def is_kept(one: Kernel) -> bool:
    """Whether there is code of a kernel on the disk, for some types and processor."""
    return Path(_Cache(one)._cache_file._index_path).exists()


@typeof_impl.register(Kernel)  # type: ignore[untyped-decorator]
def _type_of_kernel(value: Kernel, context: Any) -> Any:
    """Compiled code meets a kernel of any module."""
    return numba.types.Dispatcher(value.dispatcher)


def _under_lock(made: Any, cache: "_Cache") -> Callable[[Any], Any]:
    """The dispatcher's `compile`: what is not kept yet is compiled by one process at a time."""
    compile_now = made.compile

    def compile_once(sig: Any) -> Any:
        with global_compiler_lock:
            args, returned = sigutils.normalize_signature(sig)
            if returned is None:  # a literal argument is no reason to compile once more
                sig = args = tuple(map(numba.types.unliteral, args))
            if tuple(args) in made.overloads or cache.has(sig, made.targetctx):
                return compile_now(sig)
            if not _LOCK.open:
                message = f"the kernel {cache.name} is not compiled yet for {cpu_name()}"
                raise NotCompiledError(message)
            with _LOCK.held():
                if not cache.has(sig, made.targetctx):
                    _announce(cache.name)
                try:
                    return compile_now(sig)
                except OSError as error:  # the disk is full, say
                    raise KernelError(_unwritable(_folder(), error)) from error

    return compile_once


def _announce(name: str) -> None:
    if not _compiled:
        _say(f"compiling kernels into {_folder()} (once; `padit compile` does it beforehand)")
    _compiled.append(name)


def _say(text: str) -> None:
    print(f"padit: {text}", file=sys.stderr, flush=True)


def _folder() -> Path:
    """Where code of these versions lies; what changes code and numba does not key is here too."""
    checked = "-checked" if config.BOUNDSCHECK else ""
    opt = "" if config.OPT == 3 else f"-O{int(config.OPT)}"
    opt += "" if config.LOOP_VECTORIZE else "-scalar"
    python = f"{sys.implementation.cache_tag}{sys.abiflags}"
    kind = f"{python}-{platform.machine()}"
    return cache_folder() / f"numba-{numba.__version__}-{kind}{checked}{opt}"


class NotCompiledError(KernelError):
    """A kernel would have to be compiled, and is only to be loaded."""


class _Lock:
    """One process at a time compiles; within a process numba's own lock does that."""

    def __init__(self) -> None:
        self._depth = 0
        self.open = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it. Raises KernelError where the folder cannot be written."""
        if self._depth:
            yield
            return
        import fcntl

        folder = _folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise KernelError(_unwritable(folder, error)) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say("another process compiles kernels; waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
        finally:
            os.close(descriptor)


_LOCK = _Lock()


@contextmanager
def loading_only() -> Iterator[None]:
    """Within it a kernel that is not compiled yet raises NotCompiledError."""
    _LOCK.open = False
    try:
        yield
    finally:
        _LOCK.open = True


def _unwritable(folder: Path, error: OSError) -> str:
    return (
        f"kernels have to be compiled, and {folder} cannot be written ({error.strerror}): set "
        f"{CACHE} to a folder that can, or fill it before it becomes read-only: `padit compile` "
        f"with the same {CACHE} and {CPU}"
    )


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Tells numba where the code of one function lies."""

    def __init__(self, one: Kernel) -> None:
        self._digest = digest_of(one)

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(_folder())

    def get_source_stamp(self) -> str:
        """Return the digest; code with another one is not used."""
        return self._digest

    def get_disambiguator(self) -> str:
        """Return what tells one version of a function from another."""
        return self._digest[:20]


class _Impl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    def __init__(self, one: Kernel) -> None:
        function = one.py_func
        self._locator = _Locator(one)
        self._lineno = function.__code__.co_firstlineno
        name = f"{function.__module__}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, sys.abiflags)


class _File(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Files with a checksum: what is damaged is reported, and compiled again."""

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)
        return hashlib.sha256(data).digest() + data

    def _load_data(self, name: str) -> Any:
        return pickle.loads(_intact(Path(self._data_path(name))))  # noqa: S301  # as a .pyc is

    def _load_index(self) -> Any:
        try:
            stamp, overloads = pickle.loads(_intact(Path(self._index_path)))  # noqa: S301
        except (FileNotFoundError, _DamagedError):
            return {}
        return overloads if stamp == self._source_stamp else {}

    def _save_index(self, overloads: Any) -> None:
        with self._open_for_write(self._index_path) as file:
            file.write(self._dump((self._source_stamp, overloads)))


class _DamagedError(OSError):
    """numba takes an OSError for a file that is missing."""


def _intact(path: Path) -> bytes:
    """What a file of compiled code holds. Raises OSError, or KernelError if it may not be read."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(path) from error
    except OSError as error:
        message = f"compiled kernels cannot be read: {error}; set {CACHE} to a folder of your own"
        raise KernelError(message) from error
    if hashlib.sha256(data[32:]).digest() == data[:32]:
        return data[32:]
    _say(f"{path} is damaged and is compiled again")
    raise _DamagedError(path)


class _Cache(caching.Cache):  # type: ignore[misc]
    """Compiled code of one function on the disk."""

    def __init__(self, one: Kernel) -> None:
        function = one.py_func
        self.name = f"{function.__module__}.{function.__qualname__}".removeprefix("padit.")
        self._name = repr(function)
        self._py_func = function
        self._impl = _Impl(one)
        self._cache_path = self._impl.locator.get_cache_path()
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _File(self._cache_path, self._impl.filename_base, stamp)
        self.enable()

    def has(self, sig: Any, target: Any) -> bool:
        """Whether there is code for these types and this processor."""
        target.refresh()
        key = self._index_key(sig, target.codegen())
        return self._cache_file.load(key) is not None
