"""Exports of promtool: dumps, ranges and instants."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.promtool import is_export, read_line
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError, SourceError, WireFormatError
from tests.connectors.reading import letters, reads_of, samples
from tests.connectors.test_tables import seen, write

T = 1_767_571_200
DUMP = "".join(
    f'{{__name__="up", instance="a:9090", job="x"}} {i % 2} {T + 15 * i}000\n'
    f'{{__name__="http_total", code="200", handler="/a,b\\"}}", instance="a:9090"}} {i}e+06 '
    f"{T + 15 * i}000\n"
    for i in range(4)
)
OPEN = (
    "".join(
        f'up{{instance="a:9090",job="x"}} {i % 2} {T + 15 * i}.000\n'
        f'http_total{{code="200",handler="/a,b\\"}}",instance="a:9090"}} {i}e+06 {T + 15 * i}.000\n'
        for i in range(4)
    )
    + "# EOF\n"
)
RANGE = (
    'up{instance="a:9090", job="x"} =>\n'
    + "".join(f"{i % 2} @[{T + 15 * i}]\n" for i in range(4))
    + 'http_total{code="200", handler="/a,b\\"}", instance="a:9090"} =>\n'
    + "".join(f"{i}e+06 @[{T + 15 * i}]\n" for i in range(4))
)
EXPECTED = sorted(
    ("a:9090", name, (T + 15 * i) * 1_000_000, value)
    for i in range(4)
    for name, value in (
        ('up{job="x"}', float(i % 2)),
        ('http_total{code="200",handler="/a,b\\"}"}', i * 1e6),
    )
)


def flat(uri: str) -> list[tuple[str, str, int, float]]:
    return sorted((*series[:2], time, value) for series, time, value in samples(seen(uri)[0]))


@pytest.mark.parametrize("text", [DUMP, OPEN, RANGE, RANGE.replace("\n", "\r\n")])
def test_dumps_and_ranges_give_the_series_with_their_labels(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.prom", text)
    assert flat(path) == EXPECTED
    assert letters(seen(path)[0]) == []
    times = [time for _, time, _ in samples(seen(path)[0])]
    assert times == sorted(times)


def test_an_instant_and_the_result_of_an_expression_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.prom", f'up{{host="b"}} => 1 @[{T}.5]\n{{}} => 2.5 @[{T}]\n'
                 f'{{"http.ok", host="b"}} => 3 @[{T}]\n')  # fmt: skip
    assert flat(path) == [
        ("a", "value", T * 1_000_000, 2.5),
        ("b", "http.ok", T * 1_000_000, 3.0),
        ("b", "up", T * 1_000_000 + 500_000, 1.0),
    ]
    assert {one[0] for one in flat(f"{path}?source_id=all")} == {"all"}
    assert {one[1] for one in flat(f"{path}?source_column=other")} >= {'up{host="b"}'}


def test_what_is_no_sample_is_counted_or_a_dead_letter_with_its_reason(tmp_path: Path) -> None:
    lines = [
        f"1 @[{T}]",
        f'{{__name__="up"}} NaN {T}000',
        'up{job="x"} 1',
        f'{{__name__="h"}} {{count:1,sum:2}} {T}000',
        f'{{__name__="up"}} +Inf {T}000',
        '{__name__="up"} 1 17',
        "Prometheus",
        f'{{__name__="up"}} 1 {T}000',
    ]
    reads, _ = seen(write(tmp_path / "a.prom", "\n".join(lines)))
    assert len(samples(reads)) == 1
    reasons = [one.reason for one in letters(reads)]
    assert [one.offset for one in letters(reads)] == [0, 2, 3, 4, 5, 6]
    assert "without a series above" in reasons[0]
    assert "without a time" in reasons[1]
    assert sum(one.amount for read in reads for one in read.unwatched) == 1


def test_points_are_those_of_their_series_wherever_reading_begins(tmp_path: Path) -> None:
    uri = f"{write(tmp_path / 'a.prom', RANGE)}?order=arrival"
    whole = samples(reads_of(source_from_uri(uri)))
    for block in (1, 2, 3, 7):
        source = source_from_uri(uri)
        source.block_rows = block  # type: ignore[attr-defined]
        assert samples(reads_of(source)) == whole


def test_an_export_with_the_suffix_of_a_table_is_refused_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="add suffix=prom, as in"):
        source_from_uri(write(tmp_path / "a.txt", RANGE)).ranges()
    with pytest.raises(ConfigurationError, match="take only order, repeats, source_column"):
        source_from_uri(f"{write(tmp_path / 'a.prom', RANGE)}?metrics=up")


@given(st.one_of(st.text(max_size=80), st.text('{}="\\,@[]=> a1.#', max_size=60)))
@settings(max_examples=500, deadline=None)
def test_no_line_can_raise_anything_else(line: str) -> None:
    is_export(line)
    with contextlib.suppress(WireFormatError):
        read_line(line)
