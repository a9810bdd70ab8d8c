"""Files of JSON as they come: compressed, with a byte order mark, in UTF-16, as one array."""

import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.cli.main import main
from padit.codecs.other_fields import OtherFields
from padit.codecs.validate import Validate
from padit.connectors import file_bytes
from padit.connectors.file_bytes import open_json
from padit.connectors.side_outputs import LabelLog
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Unwatched, UnwatchedCounts
from padit.domain.metric import Series
from tests.connectors.reading import letters, reads_of, samples
from tests.pipelines.seed import RULE

CASES = Path(__file__).with_name("cases")
T0 = 1_700_000_000
RECORDS: list[dict[str, Any]] = [
    {"timestamp": T0 + i, "source_id": "s", "metric_name": 'ä"}],[\\', "value": i} for i in range(5)
]
SERIES = Series("s", 'ä"}],[\\')
EXPECTED = [(SERIES, (T0 + i) * 1_000_000, float(i)) for i in range(5)]
LINES = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in RECORDS)


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", LINES.encode("utf-8-sig")),
        ("a.jsonl", b"\xff\xfe" + LINES.encode("utf-16-le")),
        ("a.jsonl", b"\xfe\xff" + LINES.encode("utf-16-be")),
        ("a.jsonl.gz", gzip.compress(LINES.encode())),
        ("a.jsonl.gz", gzip.compress(LINES[:300].encode()) + gzip.compress(LINES[300:].encode())),
        ("a.ndjson.zst", zstd(LINES.encode())),
        ("a.jsonl", gzip.compress(LINES.encode())),
        ("a.JSONL.GZ", gzip.compress(LINES.encode("utf-16"))),
        ("a.json", LINES.encode()),
        ("a.json", json.dumps(RECORDS).encode()),
        ("a.json", json.dumps(RECORDS, indent=2, ensure_ascii=False).encode("utf-8-sig")),
        ("a.json", "\r\n".join(json.dumps(one, indent=1) for one in RECORDS).encode()),
        ("a.json.gz", gzip.compress(json.dumps(RECORDS, indent="\t").encode())),
        ("a.json", f" \n[{LINES.rstrip().replace(chr(10), chr(10) + ',')}\n]\n\n".encode()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_form_of_a_file_gives_the_same_samples(
    tmp_path: Path, name: str, data: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    reads = reads_of(source_from_uri(str(path)))
    assert samples(reads) == EXPECTED
    assert letters(reads) == []


def test_a_compressed_table_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv.gz"
    path.write_bytes(gzip.compress(b"timestamp,value\n1700000000,7\n"))
    ((series, _, value),) = samples(reads_of(source_from_uri(f"{path}?source_id=p")))
    assert (series, value) == (Series("p", "value"), 7.0)


@pytest.mark.parametrize("cut", [3, 20, 60])
@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_compressed_file_that_is_cut_is_refused(tmp_path: Path, pack: Any, cut: int) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(pack(LINES.encode())[:-cut])
    with pytest.raises(SourceError, match=r"cannot be read: .*[Tt]runcated"):
        source_from_uri(str(path)).ranges()


def test_a_broken_element_of_an_array_costs_only_itself(tmp_path: Path) -> None:
    elements = [json.dumps(one) for one in RECORDS]
    elements[1], elements[3] = '{"timestamp": 1, "x": [1, {"y": 2}]}', "17"
    path = tmp_path / "a.json"
    path.write_text("[\n" + ",\n".join(elements) + "\n]")
    reads = reads_of(source_from_uri(str(path)))
    assert samples(reads) == [EXPECTED[0], EXPECTED[2], EXPECTED[4]]
    assert [one.offset for one in letters(reads)] == [1, 3]


def test_an_array_that_is_cut_gives_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(RECORDS, indent=1)[:-20])
    reads = reads_of(source_from_uri(str(path)))
    assert samples(reads) == EXPECTED[:4]
    assert len(letters(reads)) == 1


def test_a_small_file_that_expands_hugely_is_read_in_bounded_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    line = json.dumps(RECORDS[0]).encode() + b"\n"
    path.write_bytes(zstd(line * 50 + b"x" * (64 << 20) + b"\n" + line))
    assert path.stat().st_size < 1 << 16
    before = pa.total_allocated_bytes()
    reads = reads_of(source_from_uri(str(path)))
    assert pa.total_allocated_bytes() - before < 16 << 20
    assert len(samples(reads)) == 51
    assert [one.offset for one in letters(reads)] == [50]


_VALUES = st.recursive(
    st.one_of(st.integers(0, 99), st.booleans(), st.text('a\\"{}[],: \n\t\u00e4', max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text('k"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    values=st.lists(_VALUES, max_size=5),
    indent=st.sampled_from([None, 0, 1]),
    chunk=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_an_array_gives_its_elements_one_a_line_wherever_it_is_cut(
    values: list[Any], indent: int | None, chunk: int
) -> None:
    text = json.dumps(values, indent=indent).encode()
    stream = file_bytes._Values(file_bytes._Ahead(io.BytesIO(text)))
    parts = []
    while part := stream.read(chunk):
        parts.append(part)
    lines = [line for line in b"".join(parts).split(b"\n") if line.strip()]
    assert [json.loads(line) for line in lines] == values


@given(data=st.binary(max_size=200), array=st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_a_json_file_raise(data: bytes, array: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.json")
        content = b"[" + data if array else data
        path.write_bytes(content)
        if content.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):  # packed, and cut
            with pytest.raises((OSError, SourceError)):
                reads_of(source_from_uri(str(path)))
            return
        stream = open_json(str(path))
        while stream.read(7):
            pass
        stream.close()
        if content:
            reads_of(source_from_uri(str(path)))


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        ("a.jsonl?timestamp=t", "take no options but format, order, repeats"),
        ("a.jsonl.gz?order=file", "order"),
        ("a.docx.gz", "and behind it"),
    ],
)
def test_an_option_or_suffix_that_is_wrong_names_what_is_allowed(uri: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        source_from_uri(uri)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_times_of_every_unit_are_known_by_their_size(tmp_path: Path, unit: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({**one, "timestamp": one["timestamp"] * unit}) + "\n"
                            for one in RECORDS))  # fmt: skip
    assert samples(reads_of(source_from_uri(str(path)))) == EXPECTED


@pytest.mark.parametrize("name", ["epoch-us.csv", "epoch-ns.csv"])
def test_case_06_is_read_whole(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = f"--output={tmp_path / 'a.jsonl'}"
    assert main(["run", f"--input={CASES / name}", out, "--key_groups=1", RULE]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["scored"], summary["dead_lettered"]) == (12, 0)
    first = samples(reads_of(source_from_uri(str(CASES / name))))[0]
    assert first[1] == 1_767_571_200_000_000


def left_of(path: Path) -> list[Unwatched]:
    """What a job's reader leaves of a file."""
    source = source_from_uri(str(path))
    reader = source.open(source.ranges(), LabelLog(Validate(1 << 20, 10**18), "a"))
    counts = UnwatchedCounts()
    while reads := reader.read(0.1):
        counts.add(one for read in reads for one in read.unwatched)
    reader.close()
    return counts.all()


def test_a_field_of_numbers_that_samples_do_not_have_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    more = {"value2": 1.5, "note": "x", "unit": "s", "flag": True}
    path.write_text("".join(json.dumps({**one, **more}) + "\n" for one in RECORDS))
    (left,) = left_of(path)
    assert (left.what, left.amount, left.numeric) == ("field 'value2'", 5, 5)
    assert left.place == str(path)
    assert "format:" in left.remedy


def test_numbers_within_other_fields_are_counted_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    more = {"samples": [1, 2.5, [3], True, "4"], "stats": {"p99": 5.5, "of": {"n": 7, "x": None}}}
    path.write_text("".join(json.dumps({**one, **more}) + "\n" for one in RECORDS))
    found = {one.what: (one.amount, one.numeric) for one in left_of(path)}
    assert found == {"field 'samples'": (15, 15), "field 'stats'": (10, 10)}


def test_numbers_that_samples_do_not_have_are_counted_in_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [{**RECORDS[i % 5], **({"late": i} if i >= 40_000 else {})} for i in range(100_000)]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    (left,) = left_of(path)
    assert left.what == "field 'late'"
    assert 0.7 * 60_000 <= left.amount <= 1.3 * 60_000  # a sample of the records


def test_names_of_fields_are_bounded_and_arrays_are_looked_into() -> None:
    others = OtherFields()
    record = [{**RECORDS[0], f"x{i}": i} for i in range(80)]
    found = others.count([json.dumps(record).encode(), b"[1", None, b'{"a": 1}'], 4)
    assert len(found) == 51
    assert sum(one.amount for one in found) == 80


def test_a_line_that_is_refused_is_not_counted_as_unwatched_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"ts": 1767571200, "readings": [1, 2]}\n' * 3)
    assert left_of(path) == []


def test_a_type_that_is_unknown_is_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [{**RECORDS[i % 5], "metric_type": "meter"} for i in range(3)]
    lines += [{**RECORDS[0], "metric_type": "latency"}, {**RECORDS[0], "metric_type": None}]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    (left,) = left_of(path)
    assert (left.what, left.amount, left.numeric) == ("metric_type 'meter'", 3, 0)
    assert "series:" in left.remedy
    path = tmp_path / "a.csv"
    rows = [f"{T0 + i},m,{i},{kind}" for i, kind in enumerate(["meter", "latency", "", "meter"])]
    path.write_text("\n".join(["timestamp,metric_name,value,metric_type", *rows]))
    (left,) = left_of(path)
    assert (left.what, left.amount, left.numeric) == ("metric_type 'meter'", 2, 0)
