"""The DirectRunner, with results flowing while the source is still being read.

Beam's in-process runner (`FnApiRunner`) keeps what a stage produced until the stage's input has
ended, so that memory grows with the input and a live source never gets a result. Our graph
does not depend on the runner's watermark (progress is in the data), so what a bundle produced
may be handed on at once. That is the only change made here; it overrides one private method of
the pinned Beam version, and `tests/pipelines` would show if a new version moved it.
"""

from typing import Any

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

__all__ = ["FlowingDirectRunner"]


class FlowingDirectRunner(FnApiRunner):  # type: ignore[misc]
    """Runs every stage on each bundle as soon as the bundle is there."""

    def _execute_bundle(self, context: Any, manager: Any, bundle_input: Any) -> Any:
        result = super()._execute_bundle(context, manager, bundle_input)
        queues = context.queues
        while len(queues.watermark_pending_inputs) > 0:
            (stage, _), data = queues.watermark_pending_inputs.deque()
            queues.ready_inputs.enque((stage, data))
        return result
