"""A check of compiled code: whether a job can load it, or would have to compile it first."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from padit.cli.checks.findings import Finding, broken, fine, warning
from padit.domain.errors import KernelError, PaditError
from padit.ops.compiled import CACHE, CPU, cache_folder

__all__ = ["check_kernels"]


def check_kernels() -> Finding:
    """Load every kernel, as a worker does when it starts; compile none."""
    check = "kernels"
    begun = time.monotonic()
    fix = f"`padit compile`, with the {CACHE} and {CPU} of the job"
    try:
        from padit.ops.compiler import NotCompiledError, cpu_name, loading_only
    except KernelError as error:
        return broken(check, *_parted(error))
    try:
        from padit.pipelines.kernels import prepare

        with loading_only():
            prepare()
    except NotCompiledError as error:
        if _can_write(cache_folder()):
            return warning(
                check, f"{error}: the first start compiles them, which takes minutes", fix
            )
        return broken(check, f"{error}, and {cache_folder()} cannot be written", fix)
    except PaditError as error:
        return broken(check, *_parted(error))
    seconds = time.monotonic() - begun
    return fine(check, f"for {cpu_name()} in {cache_folder()}, loaded in {seconds:.1f} s")


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _parted(error: PaditError) -> tuple[str, str]:
    """What is wrong, and the remedy behind it."""
    text = str(error)
    for mark in ("; ", ": set "):
        what, _, remedy = text.rpartition(mark)
        if what:
            return what, remedy
    return text, "read the message"
