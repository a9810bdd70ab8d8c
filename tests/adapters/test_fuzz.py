"""Whatever a sender sends: no exception gets out, no answer is 500, good items are kept.

Bodies are arbitrary bytes, and good bodies in which bytes were changed, cut out or put in.
"""

import json
from collections.abc import Callable
from typing import Any

import can
import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.can_messages import Frames
from padit.adapters.encode import Encoder, usable
from padit.adapters.modbus_values import Register, value_of
from padit.adapters.mqtt_messages import MessageReader
from padit.adapters.mqtt_subscription import Subscription
from padit.adapters.receiver import Call, Reply
from padit.adapters.registry import create_adapter
from padit.codecs.bodies import BadRequestError, TooLargeError, decompressed, unsnappy
from padit.codecs.influx_lines import parse_lines
from padit.codecs.log_lines import from_object, objects_of, parse_line
from padit.codecs.otlp_bodies import JSON, PROTOBUF, read_request
from padit.codecs.payloads import metrics_of
from padit.codecs.prometheus_proto import Label, Request, WriteRequest
from padit.domain.metric import Metric
from tests.adapters.test_receivers import KINDS, snappy
from tests.adapters.test_spool import Losses

T = 1_767_323_045


def _otlp_rich() -> Any:
    """One metric of every kind."""
    request = read_request(KINDS[2].make(2), PROTOBUF)
    metrics: Any = request.resource_metrics[0].scope_metrics[0].metrics
    times = {"time_unix_nano": T * 10**9, "start_time_unix_nano": (T - 60) * 10**9}
    total = metrics.add(name="s").sum
    total.is_monotonic, total.aggregation_temporality = True, 2
    total.data_points.add(**times, as_int=7).attributes.add(key="a").value.string_value = "x"
    histogram = metrics.add(name="h").histogram
    histogram.aggregation_temporality = 1
    histogram.data_points.add(**times, count=3, sum=1.5, bucket_counts=[1, 2], explicit_bounds=[1])
    exponential = metrics.add(name="e").exponential_histogram
    exponential.aggregation_temporality = 1
    point = exponential.data_points.add(**times, count=3, sum=1.5, scale=2)
    point.positive.bucket_counts.extend([1, 2])
    summary = metrics.add(name="q").summary.data_points.add(**times, count=2, sum=1.0)
    summary.quantile_values.add(quantile=0.5, value=2.0)
    return request


def _prometheus_v2() -> bytes:
    message = Request(symbols=["", "__name__", "m_total", "host", "a", "s"])
    series = message.timeseries.add(labels_refs=[1, 2, 3, 4])
    series.metadata.type, series.metadata.unit_ref = 1, 5
    series.samples.add(value=1.0, timestamp=T * 1000)
    histogram = series.histograms.add(count_int=3, sum=2.0, timestamp=T * 1000)
    histogram.positive_spans.add(offset=0, length=2)
    histogram.positive_deltas.extend([1, 1])
    return bytes(message.SerializeToString())


_V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
BODIES: dict[str, tuple[str, bytes, dict[str, str], Callable[[bytes], bytes]]] = {
    "influx": (
        "influx",
        KINDS[0].make(3) + b'm,a=b\\ c x="q,\\" r",y=-2i,z=t 1767323045000000000\n',
        {},
        bytes,
    ),
    "logs": ("logs", KINDS[1].make(3), {}, bytes),
    "logs-array": ("logs", b'[{"service":"a","level":"error","latency_ms":"3"},7]', {}, bytes),
    "otlp": ("otlp", _otlp_rich().SerializeToString(), {}, bytes),
    "otlp-json": (
        "otlp",
        b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":'
        b'[{"timeUnixNano":"1767323045000000000","asDouble":1.5}]}}]}]}]}',
        {"content-type": "application/json"},
        bytes,
    ),
    "prometheus": ("prometheus", KINDS[3].make(3), {}, snappy),
    "prometheus-2": ("prometheus", _prometheus_v2(), {"content-type": _V2}, snappy),
}


@st.composite
def changed(draw: st.DrawFn, body: bytes) -> bytes:
    """The body after a few changes."""
    data = bytearray(body)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        end = place + draw(st.integers(0, 12))
        data[place:end] = draw(st.binary(max_size=12))
    return bytes(data)


def handler(kind: str) -> tuple[Callable[[Call], Reply], ListEmitter]:
    """How a receiver takes a body, without its server."""
    extra: dict[str, dict[str, Any]] = {"logs": {"store_dir": ""}}
    adapter: Any = create_adapter({"type": kind, **extra.get(kind, {})})
    adapter._emitter = emitter = ListEmitter()
    return adapter.write, emitter


@pytest.mark.parametrize("name", BODIES)
@given(data=st.data())
def test_no_body_gets_an_exception_out_of_a_receiver(name: str, data: st.DataObject) -> None:
    kind, body, headers, pack = BODIES[name]
    write, emitter = handler(kind)
    sent = data.draw(st.one_of(st.binary(max_size=300), changed(body)))
    sent = data.draw(st.sampled_from([sent, pack(sent)]))
    try:
        reply = write(Call(sent, headers, {}))
    except BadRequestError:
        return
    assert reply.status < 500
    assert "internal" not in emitter.faults, emitter.messages
    for metric in emitter.metrics:
        usable(metric)


@pytest.mark.parametrize("name", BODIES)
def test_good_body_is_taken(name: str) -> None:
    kind, body, headers, pack = BODIES[name]
    write, emitter = handler(kind)
    assert write(Call(pack(body), headers, {})).status < 300
    assert emitter.metrics or emitter.records or "_total" in str(body)


@given(st.binary(max_size=300), st.sampled_from(["", "gzip", "deflate", "zstd", "br", "x" * 99]))
def test_no_bytes_break_decompression(body: bytes, encoding: str) -> None:
    reads: list[Callable[[], bytes]] = [
        lambda: decompressed(body, encoding, 1000),
        lambda: unsnappy(body, 1000),
    ]
    for read in reads:
        try:
            assert len(read()) <= 1000
        except BadRequestError:
            continue


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_bomb_is_refused_before_it_is_unpacked(encoding: str) -> None:
    import tracemalloc

    pack: Callable[[bytes], Any] = {
        "gzip": cramjam.gzip.compress,
        "deflate": cramjam.zlib.compress,
        "zstd": cramjam.zstd.compress,
    }[encoding]
    bomb = bytes(pack(bytes(200_000_000)))
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        decompressed(bomb, encoding, 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
    assert decompressed(bytes(pack(b"good")), encoding, 1000) == b"good"


@given(st.lists(st.one_of(st.just(b"a v=1 7"), st.binary(max_size=40)), max_size=20))
def test_every_line_is_taken_or_refused_by_its_number(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    found = parse_lines(b"\n".join(lines))
    good = sum(line == b"a v=1 7" for line in lines)
    assert len(found.good) >= good
    assert len(found.good) + found.refused_count <= len(lines)
    assert len(found.refused) == min(found.refused_count, 100)


@pytest.mark.parametrize(
    "value",
    ["9" * 400 + "i", "9" * 400, "nan", "inf", "-Infinity", "1_000", "1_000i", "+1", "1e999",
     "\u0661", "9223372036854775808i", "-1u", "18446744073709551616u", "1.5i", "0x10", ".", "-",
     "e5", "tRUE", '"', '"a'],
)  # fmt: skip
def test_value_that_influxdb_refuses_costs_its_line_only(value: str) -> None:
    write, emitter = handler("influx")
    body = f"a v=1 1767323045000000000\nb v={value} 1767323045000000000\nc v=-2.5e1,w=.5,x=3u"
    reply = write(Call(body.encode(), {}, {}))
    assert reply.status == 400
    answer = json.loads(reply.body)
    assert answer["code"] == "invalid"
    assert answer["message"].startswith("partial write: 1 lines were dropped, 2 were taken; line 2")
    assert [metric.value for metric in emitter.metrics] == [1.0, -25.0, 0.5, 3.0]
    assert emitter.faults == {"malformed": 1}


@pytest.mark.parametrize("stamp", ["9" * 400, "1_000", "9223372036854775808", "1.5", "+5", "٣"])
def test_time_that_influxdb_refuses_costs_its_line_only(stamp: str) -> None:
    found = parse_lines(f"a v=1 7\nb v=1 {stamp}\nc v=1 -7".encode())
    assert [line.time for line in found.good] == [7, -7]
    assert found.refused_count == 1


def test_line_that_is_no_utf_8_costs_itself_only() -> None:
    found = parse_lines(b"a v=1 7\nb\xff v=1 7\nc v=1 7")
    assert [line.measurement for line in found.good] == ["a", "c"]
    assert found.refused == ["2: no UTF-8 at byte 1"]


def test_refused_lines_are_named_up_to_a_bound() -> None:
    write, emitter = handler("influx")
    reply = write(Call(b"x\n" * 100_000, {}, {}))
    assert len(reply.body) < 20_000
    assert b"and 99900 more" in reply.body
    assert emitter.faults == {"malformed": 100_000}


@given(st.lists(st.one_of(st.just(b'{"message":"x"}'), st.binary(max_size=40)), max_size=10))
def test_log_line_that_is_no_json_costs_itself_only(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines]
    found, refused = objects_of(b"\n".join(lines))
    assert found.count({"message": "x"}) >= sum(line == b'{"message":"x"}' for line in lines)
    assert len(found) + len(refused) <= max(len(lines), 1) or len(lines) == 1
    for fields in found:
        from_object(fields, "s", float(T))


@given(st.text(max_size=300))
def test_no_text_breaks_a_log_line(text: str) -> None:
    assert parse_line(text, "s", float(T)).service


KINDS_OF_PAYLOAD = st.sampled_from(["auto", "number", "json", "metric"])
GOOD_PAYLOADS = st.sampled_from(
    [b"21.5", b'{"a":{"b":1},"t":5}', b'[{"timestamp":7,"source_id":"s","metric_name":"m"}]']
)


@given(KINDS_OF_PAYLOAD, st.data(), st.sampled_from(["", "t"]))
def test_no_payload_of_mqtt_raises_or_vanishes(kind: Any, data: st.DataObject, field: str) -> None:
    good = data.draw(GOOD_PAYLOADS)
    payload = data.draw(st.one_of(st.binary(max_size=100), changed(good)))
    subscription = Subscription(topic="#", payload=kind, timestamp_field=field)
    reading = MessageReader(subscription).read("plant/a/torque", payload, float(T))
    assert all(usable(metric) for metric in reading.samples)
    assert reading.samples or reading.faults or reading.left or field


@pytest.mark.parametrize("number", [b"1_000", b"nan", b"inf", "٣".encode(), b"9" * 400, b"1e999"])
def test_payload_that_is_no_plain_number_is_refused(number: bytes) -> None:
    reading = MessageReader(Subscription(topic="#", payload="number")).read("a/b", number, float(T))
    assert reading.samples == []
    assert "no finite number" in reading.faults["malformed"][0]


def test_item_of_an_array_that_is_no_metric_costs_itself_only() -> None:
    good = b'{"timestamp":1767323045,"source_id":"s","metric_name":"m","value":1}'
    found, refused = metrics_of(b"[" + good + b',{"value":"x"},' + good + b"]")
    assert len(found) == 2
    assert refused[0].startswith("item 2: no metric")


@given(
    st.lists(st.integers(0, 65_535), min_size=4, max_size=4),
    st.sampled_from(["int16", "uint32", "float32", "float64", "uint64"]),
    st.floats(allow_nan=False, allow_infinity=False),  # others are refused with the configuration
)
def test_no_registers_raise_anything_but_value_error(
    words: list[int], kind: Any, scale: float
) -> None:
    register = Register(name="r", address=0, type=kind, scale=scale)
    try:
        assert isinstance(value_of(register, words[: register.length]), float)
    except ValueError:
        return


@given(st.lists(st.tuples(st.sampled_from([256, 257, 512, 7]), st.binary(max_size=8)), max_size=20))
def test_no_can_frame_costs_another(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, bytes]]
) -> None:
    import cantools

    dbc = (
        'VERSION ""\nBS_:\nBU_: A\nBO_ 256 M: 8 A\n SG_ x : 0|16@1+ (0.5,0) [0|0] "Nm" A\n'
        'BO_ 257 F: 8 A\n SG_ y : 0|32@1- (1,0) [0|0] "" A\nSIG_VALTYPE_ 257 y : 1;\n'
    )
    adapter: Any = create_adapter({"type": "can", "channel": "c", "dbc": "x.dbc"})
    adapter._known = Frames(cantools.database.load_string(dbc), "auto")
    emitter = ListEmitter()

    class Bus:
        def __init__(self) -> None:
            good = can.Message(arbitration_id=256, data=bytes(8), is_extended_id=False)
            sent = [can.Message(arbitration_id=i, data=d, is_extended_id=False) for i, d in frames]
            self._left = [*sent, good]

        def recv(self, timeout: float) -> can.Message | None:
            return self._left.pop(0) if self._left else None

    adapter._bus = Bus()
    adapter._drain(emitter)
    assert emitter.metrics[-1].value == 0.0
    counted = sum(emitter.faults.values()) + sum(emitter.left.values())
    assert counted + len(emitter.metrics) == len(frames) + 1


@pytest.mark.parametrize("form", ["json", "json-array", "arrow"])
def test_sample_that_no_format_can_hold_costs_itself_only(form: str) -> None:
    losses = Losses()
    encoder = Encoder("t", form, 1000, losses)
    odd = [
        Metric(float(T), "half \ud800 character", "m", 1.0),
        Metric(10**400, "s", "m", 1.0),
        Metric(float(T), "s", "m", 10**400),
        Metric(float(T), "s", "m", 1.0, metadata={"x": object()}),
    ]
    good = [Metric(float(T + i), "s", "m", float(i)) for i in range(50)]
    records = list(encoder.encode([[*good[:25], *odd, *good[25:]]], 1))
    assert sum(record.samples for record in records) + sum(losses.values()) == 54
    assert sum(record.samples for record in records) >= 50


def test_series_with_a_broken_label_loses_no_rate_of_the_others() -> None:
    write, emitter = handler("prometheus")

    def body(step: int, broken: bool) -> bytes:
        message = WriteRequest()
        for name in ("a_total", "b_total", "c_total"):
            series = message.timeseries.add()
            label = Label(name="__name__", value=name).SerializeToString()
            series.labels.append(b"\xff\xff" if broken and name == "b_total" else label)
            series.samples.add(value=10.0 * step, timestamp=(T + step) * 1000)
            message.metadata.add(type=1, metric_family_name=name)
        return snappy(message.SerializeToString())

    statuses = [write(Call(body(i, i == 1), {}, {})).status for i in range(3)]
    assert statuses == [204, 400, 204]
    rates = [(metric.metric_name, metric.value) for metric in emitter.metrics]
    assert rates == [
        ("a_total_per_s", 10.0),
        ("c_total_per_s", 10.0),
        ("a_total_per_s", 10.0),
        ("b_total_per_s", 10.0),
        ("c_total_per_s", 10.0),
    ]
    assert emitter.faults == {"malformed": 1}


def test_series_of_version_2_with_a_missing_symbol_costs_itself_only() -> None:
    write, emitter = handler("prometheus")
    message = Request.FromString(_prometheus_v2())
    message.timeseries.add(labels_refs=[1, 99]).samples.add(value=1.0, timestamp=T * 1000)
    message.timeseries.add(labels_refs=[1]).samples.add(value=1.0, timestamp=T * 1000)
    message.timeseries.add(labels_refs=[1, 4]).samples.add(value=7.0, timestamp=T * 1000)
    reply = write(Call(snappy(message.SerializeToString()), {"content-type": _V2}, {}))
    assert reply.status == 400
    assert reply.headers["X-Prometheus-Remote-Write-Samples-Written"] == "2"
    assert emitter.values("a") == [7.0]


@given(st.binary(max_size=200), st.sampled_from([JSON, PROTOBUF]))
def test_no_bytes_break_the_otlp_reader(body: bytes, content: str) -> None:
    try:
        read_request(body, content)
    except BadRequestError:
        return
