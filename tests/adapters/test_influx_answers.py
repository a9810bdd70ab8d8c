"""Line protocol: what a client is told about every line, and which series its fields become."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import influxdb_client
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padit.adapters.influx import name_of
from padit.codecs.influx_lines import parse_line, parse_lines
from tests.adapters.live import Live

official: Any = influxdb_client
T = 1_767_571_200
N = T * 10**9


@pytest.fixture
def live() -> Iterator[Live]:
    with Live({"type": "influx", "port": 0}) as made:
        yield made


def post(live: Live, body: str | bytes, path: str = "/api/v2/write", **more: Any) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{live.adapter.port}{path}", content=body, **more)


def names(live: Live) -> list[str]:
    return [metric.metric_name for metric in live.emitter.metrics]


@pytest.mark.parametrize(
    "space", ["\u00a0", "\u3000", "\u2003", "\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c"]
)
def test_only_the_ascii_space_ends_the_tags_and_only_a_line_feed_a_line(
    live: Live, space: str
) -> None:
    room = f"Wohn{space}zimmer"
    body = f"t,host=a,room={room} v=1 {N}\nt{space},host=a v{space}=2 {N}\nt,host=a,room={room} v=3"
    assert post(live, body).status_code == 204
    assert names(live) == [f't_v{{room="{room}"}}', f"t{space}_v{space}", f't_v{{room="{room}"}}']


def test_no_break_space_of_the_official_client_arrives(live: Live) -> None:
    point = official.Point("t").tag("host", "a").tag("room", "Wohn\u00a0zimmer").field("v", 21.5)
    assert post(live, point.time(N).to_line_protocol()).status_code == 204
    assert names(live) == ['t_v{room="Wohn\u00a0zimmer"}']


@pytest.mark.parametrize(
    ("line", "query", "reason"),
    [
        (f"t,host=a v=1 {T}", "", f"the time {T} in ns is not in the years 2000 to 2199; "
         "is it in s? then add precision=s"),
        (f"t,host=a v=1 {T * 1000}", "?precision=ns", "then add precision=ms"),
        (f"t,host=a v=1 {N}", "?precision=s", "then add precision=ns"),
        ("t,host=a v=1 -1000", "", "the time -1000 in ns is not in the years 2000 to 2199"),
        ("t,host=a v=1 0", "?precision=ms", "the time 0 in ms is not in the years 2000 to 2199"),
        (f"t,host=a v=nan {N}", "", "'nan' is no field value"),
        (f"t,host=a v=-inf {N}", "", "'-inf' is no field value"),
        (f"t,host=a v=\u0661 {N}", "", "is no field value"),
        (f"t,host=a v=1 {T}.5", "", "is no time stamp"),
        (f"t,host=a v=1,w=2,v=3 {N}", "", "the field 'v' is there twice"),
        (f"t,host=a,host=b v=1 {N}", "", "the tag 'host' is there twice"),
        (f"t,host=a\tv=1\t{N}", "", "a line needs a measurement, fields"),
    ],
)  # fmt: skip
def test_line_that_would_be_lost_is_refused_with_its_number(
    live: Live, line: str, query: str, reason: str
) -> None:
    answer = post(live, f"# a comment\n\n{line}\nok,host=a v=2\n", f"/api/v2/write{query}")
    assert answer.status_code == 400
    message = answer.json()["message"]
    assert message.startswith("partial write: 1 lines were dropped, 1 were taken; line 3: ")
    assert reason in message
    assert names(live) == ["ok_v"]


def test_version_1_is_answered_in_its_own_form(live: Live) -> None:
    answer = post(live, f"t,host=a v=1 {N}\nbroken\n", "/write?db=x")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("partial write: line 2: a line needs")
    assert answer.json()["error"].endswith("dropped=1")
    assert names(live) == ["t_v"]


@pytest.mark.parametrize(
    ("precision", "time"),
    [("n", N), ("ns", N), ("u", T * 10**6), ("us", T * 10**6), ("ms", T * 1000), ("s", T)],
)
def test_precisions_of_version_1_are_read(live: Live, precision: str, time: int) -> None:
    assert post(live, f"t v=1 {time}", f"/write?db=x&precision={precision}").status_code == 204
    assert live.emitter.metrics[0].timestamp == pytest.approx(T)


@pytest.mark.parametrize("precision", ["m", "h", "rfc3339", "S"])
def test_precision_that_is_not_read_is_refused(live: Live, precision: str) -> None:
    answer = post(live, f"t v=1 {T // 60}", f"/write?db=x&precision={precision}")
    assert (answer.status_code, "one of: ns, us, ms, s" in answer.text) == (400, True)
    assert not live.emitter.metrics


def test_measurement_and_field_are_two_parts_of_a_name(live: Live) -> None:
    post(live, f"disk,host=a io_time=1 {N}\ndisk_io,host=a time=500 {N}\ncpu,host=a usage_idle=9")
    assert names(live) == ["disk_io_time", "disk_io.time", "cpu_usage_idle"]


PARTS = st.text(st.sampled_from("ab_.\\"), min_size=1, max_size=6)


@given(PARTS, PARTS, PARTS, PARTS)
@example("a", "b_c", "a_b", "c")
@example("a", "b.c", "a.b", "c")
@example("a_b", "c.d", "a_b.c", "d")
@example("a.b", "c", "a\\", "b.c")
def test_two_fields_never_have_one_name(m: str, f: str, other_m: str, other_f: str) -> None:
    assert (name_of(m, f) == name_of(other_m, other_f)) == ((m, f) == (other_m, other_f))


def test_field_that_would_get_the_name_of_another_is_refused(live: Live) -> None:
    body = f't,host=a,x=1 v=1 {N}\nt,host=a v{{x\\="1"}}=2 {N}\n'
    answer = post(live, body)
    assert answer.status_code == 400
    assert 'line 2: t_v{x="1"} of a would be mixed with another series' in answer.json()["message"]
    assert "1 lines were dropped, 1 were taken" in answer.json()["message"]
    assert [m.value for m in live.emitter.metrics] == [1.0]


def test_dropped_tag_mixes_no_series() -> None:
    config = {"type": "influx", "port": 0, "naming": {"drop_labels": ["core"]}}
    with Live(config) as live:
        answer = post(live, f"cpu,host=a,core=0 use=1 {N}\ncpu,host=a,core=1 use=90 {N}")
    assert "line 2: cpu_use of a would be mixed" in answer.json()["message"]
    assert "core='1' against core='0'" in answer.json()["message"]
    assert [m.value for m in live.emitter.metrics] == [1.0]


def test_line_feed_in_a_quoted_string_ends_no_line(live: Live) -> None:
    body = f'log,host=a msg="line one\nline two, v=1 \\" x\nend",level=3i {N}\nt v=1 {N}\n'
    assert post(live, body).status_code == 204
    assert names(live) == ["log_level", "t_v"]
    assert live.emitter.left == {"text": 1}


def test_quote_that_is_never_closed_costs_its_own_line_only(live: Live) -> None:
    body = f't v="open,w=1 {N}\nt a=1 {N}\nt b=2,s="x" {N}\nt c=3 {N}'
    answer = post(live, body)
    assert "1 lines were dropped, 3 were taken; line 1: " in answer.json()["message"]
    assert names(live) == ["t_a", "t_b", "t_c"]


def test_text_fields_are_counted_with_an_example(live: Live) -> None:
    assert post(live, f't,host=a s="x",v=1,u="y" {N}\nt,host=a s="z" {N}').status_code == 204
    assert live.emitter.left == {"text": 3}
    assert "field s of t holds text" in live.emitter.messages["text"]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", basic("telegraf", "secret"), 204),
        ("", basic("", "s\u00fc:\u00df"), 204),
        ("&u=telegraf&p=secret", {}, 204),
        ("", {"Authorization": "Token secret"}, 204),
        ("", {"Authorization": "Token telegraf:secret"}, 204),
        ("", {"Authorization": "Bearer secret"}, 204),
        ("", basic("secret", "wrong"), 401),
        ("", basic("telegraf", ""), 401),
        ("", {"Authorization": "Basic secret"}, 401),
        ("", {"Authorization": "Basic ===="}, 401),
        ("", {"Authorization": "Basic " + base64.b64encode(b"secret").decode()}, 401),
        ("&u=secret&p=", {}, 401),
        ("&u=telegraf", {}, 401),
        ("&u=telegraf&p=secret", basic("telegraf", "wrong"), 401),
        ("", {}, 401),
    ],
)
def test_login_of_version_1_needs_a_token_as_its_password(
    query: str, headers: dict[str, str], status: int
) -> None:
    config = {"type": "influx", "port": 0, "tokens": ["secret", "s\u00fc:\u00df"]}
    with Live(config) as live:
        answer = post(live, f"t v=1 {N}", f"/write?db=x{query}", headers=headers)
        created = post(live, "q=CREATE+DATABASE+x", f"/query?x=1{query}", headers=headers)
    assert (answer.status_code, len(live.emitter.metrics)) == (status, int(status == 204))
    assert created.status_code == (200 if status == 204 else 401)


@pytest.mark.parametrize("kind", ["prometheus", "otlp", "logs"])
def test_other_receivers_take_no_login(kind: str) -> None:
    options: dict[str, dict[str, Any]] = {
        "otlp": {"protocols": ["http"]},
        "logs": {"store_dir": ""},
    }
    more = options.get(kind, {})
    path = {"prometheus": "/api/v1/write", "otlp": "/v1/metrics", "logs": "/api/v1/logs"}[kind]
    with Live({"type": kind, "port": 0, "tokens": ["secret"], **more}) as live:
        answer = post(live, b"{}", path + "?u=x&p=secret", headers=basic("x", "secret"))
    assert answer.status_code == 401


@pytest.mark.parametrize("encoding", ["br", "snappy", "zip", "gzip, gzip"])
def test_encoding_that_is_not_read_is_answered_with_415(live: Live, encoding: str) -> None:
    answer = post(live, f"t v=1 {N}", headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert answer.text == f"content-encoding {encoding!r}; one of: identity, gzip, deflate, zstd"


def test_zstd_is_read(live: Live) -> None:
    import cramjam

    packed = bytes(cramjam.zstd.compress(f"t v=1 {N}".encode()))
    assert post(live, packed, headers={"Content-Encoding": "zstd"}).status_code == 204
    assert names(live) == ["t_v"]


LINES = st.sampled_from(
    [
        b"t,host=a v=1,w=2i %d" % N,
        b't,host=a s="x",v=t %d' % N,
        b't s="a\nb",v=3 %d' % N,
        b"t,host=a v=1 7",
        b"t,host=a v=nan",
        b"t v=1,v=2",
        b"t\xff v=1",
        b"# comment",
        b"",
        b't s="open',
        b'"',
    ]
)


@given(st.lists(st.one_of(LINES, st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")))))
def test_every_line_is_taken_or_named_and_every_field_is_a_sample_or_unwatched(
    lines: list[bytes],
) -> None:
    from padit.adapters.base import ListEmitter
    from padit.adapters.receiver import Call
    from padit.adapters.registry import create_adapter

    body = b"\n".join(lines)
    adapter: Any = create_adapter({"type": "influx"})
    adapter._emitter = emitter = ListEmitter()
    reply = adapter.write(Call(body, {}, {}))
    found = parse_lines(body, "ns")
    fields = sum(len(line.fields) + len(line.texts) for line in found.good)
    assert len(emitter.metrics) + emitter.left.get("text", 0) == fields
    assert reply.status == (400 if found.refused_count else 204)
    assert emitter.faults.get("malformed", 0) == found.refused_count
    # Each row of the body is in a good line, refused, empty or a comment.
    refused = {int(text.partition(":")[0]) for text in found.refused}
    starts = {*found.numbers, *refused}
    assert len(starts) == len(found.numbers) + found.refused_count
    rows = body.split(b"\n")
    if b'"' not in body:
        content = {i for i, row in enumerate(rows, 1) if row.strip(b" \t\r")[:1] not in (b"", b"#")}
        assert starts == content


def test_line_reads_alike_alone_and_in_a_body() -> None:
    text = 'm,t=a\\ b s="x,\\" y",v=-1.5e3,b=F 7'
    assert parse_lines(text.encode()).good == [parse_line(text)]
