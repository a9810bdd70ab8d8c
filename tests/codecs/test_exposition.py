"""Exposition formats: every line is read or refused by its number, and no body raises."""

import math
import time

import prometheus_client
import prometheus_client.openmetrics.exposition as openmetrics_exposition
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.exposition import Exposition, parse

TEXT = b"""# HELP http_requests_total Requests, "all" of \\\\ them.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000
# Escaping:
msdos_file_access{path="D:\\\\DIR\\\\FILE.TXT",error="Cannot find:\\n\\"FILE.TXT\\""} 1.458255915e9

metric_without_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
# TYPE duration histogram
duration_bucket{le="0.05",} 24054
duration_bucket{le="+Inf"} 144320
duration_sum 53423
duration_count 144320
"""
OPEN = b"""# TYPE foo counter
# UNIT foo_seconds seconds
foo_total{a="}, #"} 17.0 1520879607.789 # {trace_id="x"} 0.67 1520879606.1
foo_created{a="}, #"} 1520430000.123
# TYPE foo_seconds gauge
foo_seconds NaN
# TYPE build info
build_info{version="1"} 1
# EOF
"""


def samples(found: Exposition) -> list[tuple[str, str, str, float, float | None]]:
    return [(s.name, s.family.name, s.family.kind, s.value, s.time) for s in found.samples]


def test_text_of_the_format_s_own_example_is_read() -> None:
    found = parse(TEXT)
    assert found.refused == []
    assert samples(found) == [
        ("http_requests_total", "http_requests_total", "counter", 1027.0, 1395066363.0),
        ("http_requests_total", "http_requests_total", "counter", 3.0, 1395066363.0),
        ("msdos_file_access", "msdos_file_access", "untyped", 1.458255915e9, None),
        ("metric_without_labels", "metric_without_labels", "untyped", 12.47, None),
        ("something_weird", "something_weird", "untyped", math.inf, -3982.045),
        ("duration_bucket", "duration", "histogram", 24054.0, None),
        ("duration_bucket", "duration", "histogram", 144320.0, None),
        ("duration_sum", "duration", "histogram", 53423.0, None),
        ("duration_count", "duration", "histogram", 144320.0, None),
    ]
    assert found.samples[2].labels == (
        ("path", "D:\\DIR\\FILE.TXT"),
        ("error", 'Cannot find:\n"FILE.TXT"'),
    )


def test_openmetrics_has_types_units_exemplars_and_an_end() -> None:
    found = parse(OPEN, openmetrics=True)
    assert found.refused == []
    assert found.complete
    assert [(s.family.name, s.ending, s.family.kind) for s in found.samples] == [
        ("foo", "_total", "counter"),
        ("foo", "_created", "counter"),
        ("foo_seconds", "", "gauge"),
        ("build", "_info", "info"),
    ]
    assert found.samples[0].time == 1520879607.789
    assert found.samples[2].family.unit == "seconds"
    assert math.isnan(found.samples[2].value)


def test_cut_openmetrics_body_loses_its_last_line_and_says_so() -> None:
    found = parse(OPEN[: OPEN.index(b"17.0") + 1], openmetrics=True)
    assert not found.complete
    assert found.samples == []
    assert found.refused == ["3: the line has no end: the body may be cut"]


@pytest.mark.parametrize(
    "line",
    ["a", "a x", "a 1_0", "a 1e999", "a 0x10", "a 1 2.5", "a 1 x", "a{b=c} 1", 'a{b="c"', "1a 2",
     'a{b="c" d="e"} 1', 'a{b="c",b="d"} 1', "good 1", "a{} 1 2 3", "# TYPE a nonsense",
     "# TYPE good counter", "a{,} 1", "a \u0661", "é 1", "a 1 # {} 1", "a" * 70_000 + " 1"],
)  # fmt: skip
def test_bad_line_costs_only_itself(line: str) -> None:
    body = f"# TYPE good gauge\ngood 1\n{line}\nlast 2\n".encode()
    found = parse(body)
    assert [s.name for s in found.samples] == ["good", "last"]
    assert len(found.refused) == found.refused_count == 1
    assert found.refused[0].startswith("3: ")
    assert len(found.refused[0]) < 300


def test_line_that_is_no_utf_8_costs_only_itself() -> None:
    found = parse(b'a 1\nb{c="\xff"} 1\nd 1\n')
    assert [s.name for s in found.samples] == ["a", "d"]
    assert found.refused == ["2: no UTF-8 at byte 5"]


def test_more_samples_than_allowed_are_not_read() -> None:
    body = b"".join(b"m%d 1\n" % i for i in range(10))
    assert not parse(body, most=10).over
    found = parse(body, most=9)
    assert found.over
    assert len(found.samples) == 9


@given(st.booleans(), st.data())
def test_no_body_raises_and_no_line_is_lost_unnamed(openmetrics: bool, data: st.DataObject) -> None:
    good = OPEN if openmetrics else TEXT
    body = bytearray(good)
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=12))
    sent = data.draw(st.sampled_from([bytes(body), data.draw(st.binary(max_size=300))]))
    found = parse(sent, openmetrics=openmetrics)
    lines = sent.split(b"\n")
    if openmetrics and found.complete:
        stripped = [line.rstrip(b"\r") for line in lines]
        lines = lines[: stripped.index(b"# EOF")]
    numbers = {int(text.partition(":")[0]) for text in found.refused}
    assert len(numbers) == found.refused_count
    present = [
        number
        for number, line in enumerate(lines, 1)
        if line.decode(errors="replace").strip() and not line.startswith(b"#")
    ]
    assert len(found.samples) == len(set(present) - numbers)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["m", "n:x", "_y"]),
            st.dictionaries(
                st.sampled_from(["a", "b", "le"]),
                st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
            ),
            st.floats(),
        ),
        unique_by=lambda one: (one[0], tuple(sorted(one[1].items()))),
        max_size=10,
    )
)
def test_what_is_written_by_the_rules_is_read_back(
    series: list[tuple[str, dict[str, str], float]],
) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    lines = [
        name + "{" + ",".join(f'{k}="{escaped(v)}"' for k, v in labels.items()) + f"}} {value!r}\n"
        for name, labels, value in series
    ]
    found = parse("".join(lines).encode())
    assert found.refused == []
    read = [(s.name, dict(s.labels), repr(s.value)) for s in found.samples]
    assert read == [(name, labels, repr(value)) for name, labels, value in series]


@pytest.mark.parametrize("openmetrics", [False, True])
def test_everything_that_the_official_client_writes_is_read(openmetrics: bool) -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("jobs", "x", ["q"], registry=registry).labels('a"\\\n').inc(3)
    prometheus_client.Histogram("took_seconds", "x", registry=registry).observe(0.3)
    prometheus_client.Summary("size", "x", registry=registry).observe(5)
    prometheus_client.Info("build", "x", registry=registry).info({"v": "1"})
    prometheus_client.Enum("state", "x", states=["on", "off"], registry=registry)
    write = (
        openmetrics_exposition.generate_latest
        if openmetrics
        else (prometheus_client.generate_latest)
    )
    found = parse(write(registry), openmetrics=openmetrics)
    assert found.refused == []
    assert found.complete
    kinds = {s.name: s.family.kind for s in found.samples}
    assert kinds["jobs_total"] == "counter"
    assert kinds["took_seconds_bucket"] == kinds["took_seconds_count"] == "histogram"
    assert kinds["size_sum"] == "summary"


@pytest.mark.parametrize(
    "line", ["a" + " " * 60_000 + "{", "a{" + '"' * 60_000, "a{" + "\\" * 60_000, "a 1" * 20_000,
             "a{" + 'b="c",' * 9_000, "a " + "1 " * 30_000]
)  # fmt: skip
def test_long_bad_line_takes_no_longer_than_its_length(line: str) -> None:
    begin = time.process_time()
    assert parse(line.encode()).refused_count == 1
    assert time.process_time() - begin < 2
