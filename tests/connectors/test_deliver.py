"""Deliver on the DirectRunner: every message once, through one writer where there must be one."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import pytest
from apache_beam.coders import registry
from hypothesis import given
from hypothesis import strategies as st

from padit.connectors.coders import MessageCoder, register_coders
from padit.connectors.deliver import Deliver
from padit.connectors.sink import Message, Start
from padit.connectors.sinks.jsonl import JsonLinesSink
from padit.connectors.uris import sink_from_uri
from padit.domain.errors import SinkError
from padit.domain.message import Kind

register_coders()  # as a graph does


def messages(count: int) -> list[Message]:
    return [
        Message(Kind.ALERT, f"id{i:04d}", f"k{i % 3}", i, b'{"n":%d}' % i) for i in range(count)
    ]


def test_results_reach_a_file_in_canonical_order(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    wanted = messages(500)
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        created = pipeline | beam.Create([*reversed(wanted), *wanted[:50]]).with_output_types(
            Message
        )
        created | "Alerts" >> Deliver(sink)
    sink.finish()
    assert path.read_bytes().splitlines() == [one.value for one in wanted]


def test_standard_output_gets_a_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        created = pipeline | beam.Create(messages(3)).with_output_types(Message)
        created | "Alerts" >> Deliver(sink_from_uri("-"))
    assert sorted(capfd.readouterr().out.splitlines()) == ['{"n":0}', '{"n":1}', '{"n":2}']


@dataclass
class FakeSink:
    """Remembers what was written, in this process."""

    single_writer: bool = True
    opens_early: bool = False
    name: str = "fake"
    failures: int = 0
    written: ClassVar[list[Message]] = []
    failed: ClassVar[list[int]] = []
    busy: ClassVar[threading.Lock] = threading.Lock()

    def prepare(self, start: Start) -> None:
        self.written.clear()
        self.failed.clear()

    def open(self) -> "FakeWriter":
        return FakeWriter(self)

    def finish(self, complete: bool = True) -> None:
        pass


class FakeWriter:
    def __init__(self, sink: FakeSink) -> None:
        self._sink = sink
        self._pending: list[Message] = []

    def write(self, messages: Sequence[Message]) -> None:
        self._pending += messages

    def flush(self) -> None:
        if len(self._sink.failed) < self._sink.failures:
            self._sink.failed.append(1)
            message = "the fake is broken"
            raise SinkError(message)
        assert self._sink.busy.acquire(blocking=False), "two writers at a time"
        self._sink.written.extend(self._pending)
        self._pending = []
        self._sink.busy.release()

    def close(self) -> None:
        self._pending = []


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("early", [True, False])
def test_every_message_is_delivered(alone: bool, early: bool) -> None:
    sink = FakeSink(single_writer=alone, opens_early=early)
    sink.prepare(Start())
    options = beam.options.pipeline_options.PipelineOptions(
        ["--direct_num_workers=2", "--direct_running_mode=multi_threading"]
    )
    with beam.Pipeline(runner="DirectRunner", options=options) as pipeline:
        created = pipeline | beam.Create(messages(200)).with_output_types(Message)
        created | "Alerts" >> Deliver(sink)
    assert sorted(sink.written) == messages(200)


def test_a_sink_that_fails_fails_the_run_with_its_reason() -> None:
    sink = FakeSink(failures=1000)
    sink.prepare(Start())
    pipeline = beam.Pipeline(runner="DirectRunner")
    pipeline | beam.Create(messages(2)).with_output_types(Message) | "Alerts" >> Deliver(sink)
    with pytest.raises(Exception, match="the fake is broken"):
        pipeline.run().wait_until_finish()
    assert sink.written == []


WHOLE = st.integers(-(2**63), 2**63 - 1)
HEADERS = st.lists(st.tuples(st.text(), st.text() | WHOLE), max_size=3).map(tuple)


@given(st.builds(Message, st.sampled_from(Kind), st.text(), st.text(), WHOLE, st.binary(), HEADERS))
def test_messages_have_a_deterministic_coder_of_their_own(message: Message) -> None:
    coder = registry.get_coder(Message)
    assert isinstance(coder, MessageCoder)
    assert coder.is_deterministic()
    assert coder.decode(coder.encode(message)) == message
    assert coder.encode(message) == coder.encode(Message(*message))


def test_no_step_falls_back_to_pickling() -> None:
    pipeline = beam.Pipeline(runner="DirectRunner")
    created = pipeline | beam.Create(messages(1)).with_output_types(Message)
    created | "Alerts" >> Deliver(FakeSink())
    proto = pipeline.to_runner_api()
    labels = {one.unique_name for one in proto.components.transforms.values()}
    assert {"Alerts", "Alerts/Pack", "Alerts/Write"} <= labels
    used = {one.coder_id for one in proto.components.pcollections.values()}
    specs = [proto.components.coders[one].spec for one in _with_parts(proto, used)]
    # Coders of our own stand there by their class's name, the two that pickle elements too.
    names = {name for spec in specs for name in re.findall(rb"(\w+Coder)\$", bytes(spec.payload))}
    assert any(name.endswith(b"MessageCoder") for name in names)
    assert not any(name.endswith((b"PrimitivesCoder", b"PickleCoder")) for name in names)


def _with_parts(proto: Any, names: set[str]) -> set[str]:
    parts = {part for name in names for part in proto.components.coders[name].component_coder_ids}
    return names if parts <= names else _with_parts(proto, names | parts)


def test_large_bundles_are_delivered_in_packs(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(str(path))
    sink.prepare(Start())
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        one = pipeline | beam.Create([2500])
        many = one | "Many" >> beam.FlatMap(messages).with_output_types(Message)
        many | "Alerts" >> Deliver(sink)
    sink.finish()
    assert path.read_bytes().splitlines() == [one.value for one in messages(2500)]
