"""The DirectRunner, with results flowing while the source is still being read.

Beam's in-process runner (`FnApiRunner`) keeps what a stage produced until the stage's input has
ended, so that memory grows with the input and a live source never gets a result. Our graph
does not depend on the runner's watermark (progress is in the data), so what a bundle produced
may be handed on at once. The state cache is off: state lies in this process anyway, and the
cache measures every value it takes by walking all loaded modules (1 to 2 ms each, a third of
the job's time, found with py-spy). Both touch private parts of the pinned Beam version;
`tests/pipelines` would show if a new version moved them.
"""

from typing import Any

from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

__all__ = ["FlowingDirectRunner"]


class FlowingDirectRunner(FnApiRunner):  # type: ignore[misc]
    """Runs every stage on each bundle as soon as the bundle is there."""

    def run_via_runner_api(self, pipeline_proto: Any, options: Any) -> Any:
        """Run a pipeline with Beam's state cache switched off."""
        worker_handlers.STATE_CACHE_SIZE_MB = 0
        return super().run_via_runner_api(pipeline_proto, options)

    def _execute_bundle(self, context: Any, manager: Any, bundle_input: Any) -> Any:
        result = super()._execute_bundle(context, manager, bundle_input)
        queues = context.queues
        while len(queues.watermark_pending_inputs) > 0:
            (stage, _), data = queues.watermark_pending_inputs.deque()
            queues.ready_inputs.enque((stage, data))
        return result
