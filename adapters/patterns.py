"""Regular expressions over what others send, in a process of their own, with a time limit.

Python's `re` can need years for a pattern such as `(a+)+$`, cannot be interrupted, and stops every
thread meanwhile. So a pattern runs in a helper process that is ended when it takes too long and
started again for the next one. The helper is started with the first search, and imports nothing
of PADIT.
"""

import asyncio
import contextlib
import struct
import sys

from padit.adapters.errors import AdapterError

__all__ = ["Searcher"]

_START_SEC = 20.0
_HELPER = """
import re, struct, sys
reader, writer = sys.stdin.buffer, sys.stdout.buffer
writer.write(b"?"); writer.flush()
while len(head := reader.read(8)) == 8:
    sizes = struct.unpack(">II", head)
    pattern, text = (reader.read(size).decode("utf-8", "surrogatepass") for size in sizes)
    writer.write(b"1" if re.search(pattern, text) else b"0"); writer.flush()
"""


class Searcher:
    """Searches texts, one after another.

    Args:
        limit_sec: longest search.
    """

    def __init__(self, limit_sec: float) -> None:
        self._limit = limit_sec
        self._turn = asyncio.Lock()
        self._helper: asyncio.subprocess.Process | None = None

    async def found(self, pattern: str, text: str) -> bool:
        """Whether the pattern occurs in the text.

        Raises:
            AdapterError: the search took too long (`pattern_timeout`), or there is no helper.
        """
        parts = [one.encode("utf-8", "surrogatepass") for one in (pattern, text)]
        message = struct.pack(">II", *map(len, parts)) + b"".join(parts)
        async with self._turn:
            helper = self._helper or await self._start()
            try:
                async with asyncio.timeout(self._limit):
                    answer = await self._ask(helper, message)
            except TimeoutError as error:
                await self._end()
                reason = (
                    f"the pattern {pattern[:80]!r} takes longer than {self._limit:g} s on a body "
                    f"of {len(text)} characters: write it without repeats in repeats"
                )
                raise AdapterError(reason, cause="pattern_timeout") from error
            except BaseException:  # given up: its answer must not be taken for the next one's
                await self._end()
                raise
        return answer == b"1"

    async def close(self) -> None:
        """End the helper."""
        async with self._turn:
            await self._end()

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        try:
            helper = self._helper = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-c", _HELPER,
                stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            async with asyncio.timeout(_START_SEC):
                await self._ask(helper, b"")
        except (OSError, TimeoutError) as error:
            await self._end()
            message = f"the process for patterns cannot be started: {error}"
            raise AdapterError(message, cause="pattern_helper") from error
        return helper

    async def _ask(self, helper: asyncio.subprocess.Process, message: bytes) -> bytes:
        if helper.stdin is None or helper.stdout is None:
            reason = "no pipes"
            raise OSError(reason)
        helper.stdin.write(message)
        await helper.stdin.drain()
        try:
            return await helper.stdout.readexactly(1)
        except asyncio.IncompleteReadError as error:
            reason = "the process for patterns has ended"
            raise AdapterError(reason, cause="pattern_helper") from error

    async def _end(self) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            with contextlib.suppress(ProcessLookupError):
                helper.kill()
            if helper.stdin is not None:
                helper.stdin.close()
            await helper.wait()
