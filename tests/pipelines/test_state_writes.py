"""How often the end of a bundle waits for the runner's answers to its writes of state."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import statecache
from apache_beam.runners.worker.bundle_processor import FnApiUserStateContext
from apache_beam.runners.worker.sdk_worker import GlobalCachingStateHandler, GrpcStateHandler
from apache_beam.runners.worker.statecache import StateCache
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from apache_beam.transforms.window import GlobalWindow, GlobalWindows

from padit.pipelines import worker
from padit.pipelines.state_writes import commit_together

KEYS = 32
VALUE = ReadModifyWriteStateSpec("value", BytesCoder())
BAG = BagStateSpec("bag", BytesCoder())
Request = Any
Response = Any


class Runner:
    """Answers state requests, the first one only when all that are expected have come."""

    def __init__(self, expected: int, refuse: str = "") -> None:
        self.expected = expected
        self.refuse = refuse
        self.cells: dict[bytes, bytes] = {}
        self.together = threading.Event()
        self.requests = 0

    def State(self, requests: Iterator[Request]) -> Iterator[Response]:
        """The stub's method: a stream of requests for a stream of answers."""
        come: queue.Queue[Request] = queue.Queue()
        threading.Thread(target=self._take, args=(requests, come), daemon=True).start()
        while True:
            request = come.get()
            if not self.together.wait(2):
                raise AssertionError("an answer was awaited before all requests were sent")
            yield self._answer(request)

    def _take(self, requests: Iterator[Request], come: queue.Queue[Request]) -> None:
        for one in requests:
            self.requests += 1
            come.put(one)
            if self.requests == self.expected:
                self.together.set()

    def _answer(self, request: Request) -> Response:
        key = request.state_key.SerializeToString()
        if request.WhichOneof("request") == "clear":
            self.cells[key] = b""
        else:
            self.cells[key] = self.cells.get(key, b"") + request.append.data
        refused = self.refuse if request.WhichOneof("request") == "append" else ""
        return beam_fn_api_pb2.StateResponse(id=request.id, error=refused)


def _bundle(runner: Runner) -> None:
    """One that writes a value and a bag of every key."""
    handler = GlobalCachingStateHandler(StateCache(1 << 20), GrpcStateHandler(runner))
    windows = GlobalWindows().get_window_coder()
    context = FnApiUserStateContext(handler, "step", VarIntCoder(), windows)
    with handler.process_instruction_id("bundle", []):
        for key in range(KEYS):
            value = context.get_state(VALUE, key, GlobalWindow())
            value.write(b"old %d" % key)
            value.write(b"value %d" % key)
            context.get_state(BAG, key, GlobalWindow()).add(b"row %d" % key)
        commit_together(context)


def test_all_writes_of_a_bundle_are_sent_before_an_answer_is_awaited() -> None:
    runner = Runner(expected=3 * KEYS)
    _bundle(runner)
    assert runner.requests == 3 * KEYS
    held = sorted(runner.cells.values())
    rows = sorted(bytes([len(text)]) + text for text in (b"row %d" % key for key in range(KEYS)))
    values = sorted(
        bytes([len(text)]) + text for text in (b"value %d" % key for key in range(KEYS))
    )
    assert held == sorted(rows + values)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bundle_whose_runner_is_gone_fails() -> None:
    with pytest.raises(AssertionError, match="before all requests were sent"):
        _bundle(Runner(expected=3 * KEYS + 1))


def test_a_write_that_the_runner_refuses_fails_the_bundle() -> None:
    with pytest.raises(RuntimeError, match="could not write state: the disk is full"):
        _bundle(Runner(expected=3 * KEYS, refuse="the disk is full"))


def test_cells_that_are_cleared_write_no_line_to_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(statecache, "get_deep_size", statecache.get_deep_size)
    worker._size_cached_state_by_length()
    _bundle(Runner(expected=3 * KEYS))
    cache = StateCache(1 << 20)
    cache.put("empty", [])
    cache.put("rows", [b"x" * 1000, b"y" * 500])
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []
    assert cache.describe_stats().startswith("used/max 0/1 MB")
    assert statecache.get_deep_size([b"x" * 1000, b"y" * 500]) == 1500
