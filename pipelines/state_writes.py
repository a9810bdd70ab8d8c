"""Writes of state at the end of a bundle: all are sent, then all answers are awaited.

Beam's worker waits for the answer to the writes of one cell of one key before it sends those of the
next. A bundle that steps 32 key groups writes some 150 cells, so it waited 150 times for the
runner, one after another: on a live job longer than it worked, and results leave a stage only when
its bundle has ended. The requests of a worker go through one stream, which keeps their order, so
nothing is lost by sending them all first. An answer that reports an error fails the bundle.
"""

from collections.abc import Iterator
from typing import Any

from apache_beam.runners.worker.bundle_processor import (
    FnApiUserStateContext,
    SynchronousBagRuntimeState,
)

__all__ = ["commit_together", "write_together"]

_BAG = "_underlying_bag_state"


def write_together() -> None:
    """Make every bundle of this process from now on wait once for all of its writes."""
    FnApiUserStateContext.commit = commit_together


def commit_together(context: FnApiUserStateContext) -> None:
    """Write what the states of a bundle have become.

    Args:
        context: of the bundle.

    Raises:
        RuntimeError: the runner could not write some of it.
    """
    sent = []
    for state in context._all_states.values():
        bag = getattr(state, _BAG, state)
        if isinstance(bag, SynchronousBagRuntimeState):
            sent += list(_send(bag))
        else:  # a kind of state that the job does not have waits for itself
            state.commit()
    answers = [_answer(one, context._state_handler) for one in sent]
    errors = [answer.error for answer in answers if answer and answer.error]
    if errors:
        message = "the runner could not write state: " + "; ".join(errors)
        raise RuntimeError(message)


def _answer(request: Any, handler: Any) -> Any:
    """Wait for an answer as long as the stream of answers lasts."""
    while not request.wait(timeout=1):
        broken = getattr(getattr(handler, "_underlying", None), "_exception", None)
        if broken is not None:
            raise broken
    return request.get()


def _send(bag: SynchronousBagRuntimeState) -> Iterator[Any]:
    """Send the writes of one cell; gives what is to be awaited."""
    if bag._cleared:
        yield bag._state_handler.clear(bag._state_key)
    if bag._added_elements:
        coder = bag._value_coder.get_impl()
        yield bag._state_handler.extend(bag._state_key, coder, bag._added_elements)
