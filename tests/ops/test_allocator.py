"""Threads of a job share what the C library keeps of freed memory."""

import os
import platform
import re
import subprocess
import sys

import pytest

_COUNTED = """
import ctypes, threading
from padit.ops.allocator import keep_memory
keep_memory()
library = ctypes.CDLL(None)
library.malloc.restype = library.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(6)
def work():
    together.wait()
    library.malloc(1 << 12)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
[one.start() for one in threads]; [one.join() for one in threads]
stream = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, stream); library.fflush(stream)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps no arenas")
@pytest.mark.parametrize(
    ("asked", "most"),
    [({}, 1), ({"MALLOC_ARENA_MAX": "4"}, 4), ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=4"}, 4)],
)
def test_threads_share_an_arena_unless_the_environment_says_otherwise(
    asked: dict[str, str], most: int
) -> None:
    deciding = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
    environment = {name: text for name, text in os.environ.items() if name not in deciding} | asked
    printed = subprocess.run([sys.executable, "-c", _COUNTED], env=environment, check=True,
                             capture_output=True, text=True).stdout  # fmt: skip
    assert len(re.findall(r"<heap nr=", printed)) == most
