"""The endpoint for probes and Prometheus.

`/health` answers 200 while all loops run (`adapters.loops`), 503 after one has ended, with the
state of every adapter and loop; `/ready` 200 when samples can be taken, 503 while the way out is
blocked; `/metrics` in the Prometheus text format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from padit.domain.config import Section
from padit.domain.errors import ConfigurationError
from padit.ops.job_metrics import process_stats
from padit.ops.stats import Stats

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["HealthOptions", "HealthServer"]


class HealthOptions(Section):
    """The endpoint for probes and for Prometheus: `/health`, `/ready`, `/metrics`."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=9464, ge=0, le=65_535, description="Port; 0 takes a free one.")
    enabled: bool = Field(default=True, description="Whether to listen at all.")


class HealthServer:
    """Serves health and metrics.

    Args:
        options: where to listen.
        stats: the content of `/metrics`.
        parts: the supervised adapters.
        ready: whether samples can be taken.
        loops: the loops that must not end.
    """

    def __init__(
        self,
        options: HealthOptions,
        stats: Stats,
        parts: Sequence[Any],
        ready: Callable[[], bool],
        loops: Sequence[Any] = (),
    ) -> None:
        self._options = options
        self._stats = stats
        self._parts = parts
        self._ready = ready
        self._loops = loops
        self._runner: web.AppRunner | None = None
        self.port = options.port

    async def start(self) -> None:
        """Listen; raises ConfigurationError if the port is taken."""
        if not self._options.enabled:
            return
        from aiohttp import web  # of an extra: the options are there without it

        def answer(found: tuple[dict[str, Any], int]) -> web.Response:
            return web.json_response(found[0], status=found[1])

        async def health(_request: web.Request) -> web.Response:
            return answer(self._health())

        async def readiness(_request: web.Request) -> web.Response:
            return answer(self._readiness())

        async def metrics(_request: web.Request) -> web.Response:
            process_stats(self._stats)
            return web.Response(
                text=self._stats.render(), content_type="text/plain", charset="utf-8"
            )

        app = web.Application()
        app.router.add_get("/health", health)
        app.router.add_get("/ready", readiness)
        app.router.add_get("/metrics", metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._options.host, self._options.port)
        try:
            await site.start()
        except OSError as error:
            message = (
                f"health.port {self._options.port} on {self._options.host} cannot be used "
                f"({error}); choose another port, 0 for a free one, or enabled: false"
            )
            raise ConfigurationError(message) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _health(self) -> tuple[dict[str, Any], int]:
        """State of all adapters and loops, and the status of the answer."""
        adapters = {
            part.options.name: {
                "type": part.options.type,
                "state": part.state,
                "failures": part.failures,
                "last_error": part.last_error,
                "last_success": part.last_success,
                "stuck_calls": part.stuck_calls,
            }
            for part in self._parts
        }
        loops = {
            loop.name: {
                "alive": not loop.ended,
                "failures": loop.failures,
                "last_error": loop.last_error,
            }
            for loop in self._loops
        }
        ended = any(loop.ended for loop in self._loops)
        failing = any(part.state == "failing" for part in self._parts)
        failing = failing or any(loop.failures for loop in self._loops)
        status = "down" if ended else "degraded" if failing else "ok"
        return {"status": status, "adapters": adapters, "loops": loops}, 503 if ended else 200

    def _readiness(self) -> tuple[dict[str, Any], int]:
        """Whether samples can be taken, and the status of the answer."""
        ready = self._ready()
        return {"ready": ready}, 200 if ready else 503
