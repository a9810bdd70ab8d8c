"""Labels and families of mapped payloads: of the mapping itself, and of presets."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.presets import PRESETS
from padit.codecs.records import Decoded
from padit.codecs.validate import Validate
from padit.connectors.payloads import payload_of
from padit.connectors.side_outputs import LabelLog
from padit.domain.attributes import LONGEST_LABEL, UNSTATED, Attributes
from padit.domain.errors import ConfigurationError
from tests.codecs.payloads import MESSAGES
from tests.codecs.samples import MAX_BYTES, T, attributes, plain, steady

FORM = {
    "each": "points[*]", "source": "$.site", "metric": "n", "value": "v", "time": "$.t",
    "metric_type": "kind", "labels": {"site": "$.site", "line": "place.line"},
}  # fmt: skip


def read(form: Any, *messages: Any, labels: tuple[str, ...] = ()) -> Decoded:
    """Messages through a mapping."""
    mapping = Mapping(format_of("test", form), None, labels)
    return mapping.decode([json.dumps(one).encode() for one in messages], 1 << 20)


def point(line: Any = None, kind: Any = None, value: Any = 1, name: str = "m") -> dict[str, Any]:
    """An element."""
    return {"n": name, "v": value, "kind": kind, "place": {"line": line}}


def test_labels_and_family_of_a_mapping_reach_the_rows() -> None:
    decoded = read(
        FORM,
        {"t": T, "site": "s1", "points": [point("L1", "latency"), point("L2", "meter", name="k")]},
        {"t": T + 1, "site": "s2", "points": [point("L1", "latency", "x"), point(None, 5)]},
    )
    assert attributes(decoded.rows) == [
        Attributes("latency", (("line", "L1"), ("site", "s1"))),
        Attributes("custom", (("line", "L2"), ("site", "s1"))),
        Attributes("custom", (("site", "s2"),)),
    ]
    assert decoded.left_out.samples == 0
    assert len(decoded.rejects) == 1


@pytest.mark.parametrize(
    ("value", "text", "fault"),
    [
        ("a", "a", ""), ("", "", ""), (None, "", ""), (7, "7", ""), (1.5, "1.5", ""),
        (True, "true", ""), (1, "1", ""), (1.0, "1.0", ""),
        ("x" * LONGEST_LABEL, "x" * LONGEST_LABEL, ""),
        ("x" * (LONGEST_LABEL + 1), "", "label line has 257 characters, at most 256"),
        ({"a": 1}, "", "label line is an object, it must be text, a number or a boolean"),
        ([1], "", "label line is a list"),
    ],
)  # fmt: skip
def test_what_a_value_becomes(value: Any, text: str, fault: str) -> None:
    decoded = read(FORM, {"t": T, "site": "s", "points": [point(value), point("ok")]})
    lines = [dict(one.labels).get("line", "") for one in attributes(decoded.rows)]
    assert lines == [text, "ok"]
    assert decoded.left_out.samples == bool(fault)
    assert decoded.left_out.reason.startswith(fault)


@pytest.mark.parametrize("value", [Decimal("1.50"), b"x", 10**400, float("nan"), object()])
def test_values_that_only_a_schema_has_never_raise(value: Any) -> None:
    message = {"t": T, "site": "s", "points": [point(value)]}
    decoded = Mapping(format_of("test", FORM), lambda _: message).decode([b"x"], 1 << 20)
    [one] = attributes(decoded.rows)
    known = dict(one.labels).get("line")
    assert known == ("1.50" if isinstance(value, Decimal) else None)
    assert decoded.left_out.samples == (known is None)


def test_only_samples_that_are_used_count_as_without_a_label() -> None:
    points = [point([1]), point([2], value="x"), {**point([3]), "n": "y" * 600}]
    decoded = read(FORM, {"t": T, "site": "s", "points": points})
    assert (len(decoded.rows), decoded.left_out.samples) == (1, 1)


def test_a_record_that_is_given_up_leaves_no_labels_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from padit.codecs import mapping_reading

    def number_from(value: Any) -> Any:
        raise RuntimeError(value)

    monkeypatch.setattr(mapping_reading, "number_from", number_from)
    good = {"t": T, "site": "s1", "points": [point("L1")]}
    bad = {"t": T, "site": "s2", "points": [point("L2"), point([1]), point("L3", value="x")]}
    decoded = read(FORM, good, bad, {**good, "site": "s3"})
    assert [dict(one.labels)["site"] for one in attributes(decoded.rows)] == ["s1", "s3"]
    assert decoded.left_out.samples == 0


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["a", "b", "", None, 1, 1.0, True, [], {}, "x" * 300]
)
MESSAGE = st.lists(
    st.tuples(VALUES, st.sampled_from(["latency", "gauge", None, 3]), st.sampled_from([1, "x"]),
              st.sampled_from("pq")),
    max_size=4,
)  # fmt: skip


@given(messages=st.lists(MESSAGE, min_size=1, max_size=5))
@steady
def test_a_message_gives_the_same_labels_alone_and_among_others(messages: list[Any]) -> None:
    whole = [
        {"t": T, "site": f"s{i % 2}", "points": [point(*one) for one in points]}
        for i, points in enumerate(messages)
    ]
    together = read(FORM, *whole)
    alone = [read(FORM, one) for one in whole]
    assert plain(together.rows) == [one for part in alone for one in plain(part.rows)]
    assert attributes(together.rows) == [one for part in alone for one in attributes(part.rows)]
    assert together.left_out.samples == sum(part.left_out.samples for part in alone)
    column = together.rows.attributes
    assert column is None or len({*column.table}) == len(column.table)


TELEGRAF = {"fields": {"a": 1, "b": 2}, "name": "cpu", "timestamp": T,
            "tags": {"host": "h", "cpu": "cpu0", "site": "north", "app.role": "db"}}  # fmt: skip


def test_of_tags_only_those_that_the_configuration_names_travel() -> None:
    bare = read("telegraf", TELEGRAF)
    assert bare.rows.attributes is None
    named = read("telegraf", TELEGRAF, labels=("app.role", "cluster", "site"))
    assert attributes(named.rows) == [
        Attributes("custom", (("app.role", "db"), ("site", "north")))
    ] * 2  # fmt: skip
    assert plain(named.rows) == plain(bare.rows)


@pytest.mark.parametrize(
    ("preset", "message", "expected"),
    [
        ("opentsdb", {"metric": "m", "timestamp": T, "value": 1, "tags": {"site": "x"}}, "x"),
        ("connect", {"schema": {}, "payload": {"ts": T, "host": "h", "m": 1, "site": "x"}}, "x"),
        ("connect", {"ts": T, "host": "h", "metric": "m", "value": 1,
                     "metadata": {"site": 7}, "site": "y"}, "7"),
        ("debezium", {"op": "c", "after": {"ts": T, "host": "h", "m": 1, "site": "x"}}, "x"),
        ("cloudevents", {"specversion": "1.0", "time": T, "source": "s", "site": "out",
                         "data": {"m": 1}}, "out"),
        ("metricbeat", {"@timestamp": T, "host": {"name": "h"}, "labels": {"site": "x"},
                        "system": {"load": 1}}, "x"),
        ("factory", {"ts": T, "machine_id": "m", "rpm": 1, "site": "x"}, "x"),
    ],
)  # fmt: skip
def test_every_preset_has_a_place_for_labels(preset: str, message: Any, expected: str) -> None:
    decoded = read(preset, message, labels=("site",))
    assert decoded.rejects == []
    assert attributes(decoded.rows)[0].labels == (("site", expected),)


def test_a_dotted_label_is_also_a_path() -> None:
    message = {"@timestamp": T, "host": {"name": "h", "os": {"name": "linux"}}, "x": {"load": 1}}
    decoded = read("metricbeat", message, labels=("host.os.name",))
    assert attributes(decoded.rows) == [Attributes("custom", (("host.os.name", "linux"),))]


@pytest.mark.parametrize("preset", PRESETS)
def test_labels_of_the_configuration_change_no_sample(preset: str) -> None:
    names = ("host", "metric_name", "name", "site", "value")
    bare = read(preset, *MESSAGES[preset])
    named = read(preset, *MESSAGES[preset], labels=names)
    assert plain(named.rows) == plain(bare.rows)
    assert named.rejects == bare.rejects


def test_a_number_that_becomes_a_label_is_not_left() -> None:
    message = {"ts": T, "host": "h", "metric": "m", "value": 1, "metadata": {"line": 7, "bay": 8}}
    decoded = read("connect", message, labels=("line",))
    assert attributes(decoded.rows) == [Attributes("custom", (("line", "7"),))]
    assert [one.what for one in decoded.unwatched] == ["field 'metadata.bay'"]


def test_a_reader_hands_the_names_of_the_configuration_to_the_mapping() -> None:
    body = json.dumps(TELEGRAF | {"tags": {"host": "h", "site": "n", "rack": [1]}}).encode()
    validate = Validate(MAX_BYTES, 1 << 60, ("rack", "site"))
    log = LabelLog(validate, "t")
    for decode in (validate, log):
        decoded = payload_of("t", "telegraf", None).decoder(decode)([body], None)
        assert attributes(decoded.rows) == [Attributes("custom", (("site", "n"),))] * 2
    assert log.news() == 2


def test_a_mapping_without_labels_states_nothing() -> None:
    form = {name: one for name, one in FORM.items() if name not in ("labels", "metric_type")}
    decoded = read(form, {"t": T, "site": "s", "points": [point("L1", "latency")]})
    assert decoded.rows.attributes is None
    assert attributes(decoded.rows) == [UNSTATED]


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ({f"l{i}": "a" for i in range(17)}, "at most 16"),
        ({"": "a"}, "must have 1 to 128 characters"),
        ({"a": "b[["}, "is no path"),
    ],
)
def test_labels_that_no_configuration_may_have_are_refused(labels: Any, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        format_of("test", {**FORM, "labels": labels})
