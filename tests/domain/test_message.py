"""Messages: two things never share an id or a key, whatever their names hold."""

import ast
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.dead_letter import DeadLetter
from padit.domain.message import Kind, Message, digest_of, key_of
from padit.domain.metric import Series

ROOT = Path(__file__).parents[2]
NAMES = st.text(st.sampled_from([*"ab:%3A/|0", "é", "\0"]), max_size=4)
SERIES = st.builds(Series, NAMES, NAMES, NAMES)
RESULTS = st.tuples(st.sampled_from(Kind), SERIES, st.integers(-11, 11))


def made(kind: Kind, series: Series, end: int) -> Message:
    return Message.of(kind, series.key, end, b"{}", *series, str(end))


@given(st.lists(RESULTS, unique=True, min_size=2, max_size=30))
def test_different_results_have_different_ids(results: list[tuple[Kind, Series, int]]) -> None:
    assert len({made(*one).id for one in results}) == len(results)


@given(st.lists(SERIES, min_size=2, max_size=30))
def test_different_series_have_different_keys(series: list[Series]) -> None:
    keys = {key_of(*one.key) for one in series}
    assert len(keys) == len({one.key for one in series})


def test_features_of_two_sources_with_colons_in_their_names_are_two() -> None:
    one, other = Series("edge", "job:rate"), Series("edge:job", "rate")
    first, second = (made(Kind.FEATURE, series, 60) for series in (one, other))
    assert first.id != second.id
    assert (first.key, second.key) == ("edge:job%3Arate", "edge%3Ajob:rate")


def test_kinds_of_one_window_have_ids_of_their_own() -> None:
    ids = {made(kind, Series("a", "b"), 1).id for kind in Kind}
    assert len(ids) == len(Kind)


def test_an_id_is_the_same_in_every_run() -> None:
    assert digest_of("feature", "a", "b") == "b96d0a07904f58da4ef6e4f3798dc655"


def test_dead_letters_of_a_partition_stand_in_the_order_of_its_log() -> None:
    letters = [
        (DeadLetter.of(b"x", "bad", "t", 0, offset), n) for offset in (9, 10, 700) for n in (0, 1)
    ]
    messages = [Message.dead_letter(letter, n) for letter, n in letters]
    assert sorted(messages, key=lambda one: (one.time, one.key, one.id)) == messages


@given(st.binary(max_size=50), st.text(max_size=9), st.integers(0, 2**60))
def test_a_dead_letter_is_the_same_as_json_and_as_headers(
    value: bytes, reason: str, offset: int
) -> None:
    letter = DeadLetter.of(value, reason, "t:1", 3, offset)
    message = Message.dead_letter(letter)
    assert message.value == value
    assert msgspec.json.decode(message.json, type=DeadLetter) == letter


def test_messages_are_made_in_one_place() -> None:
    """A message that is put together elsewhere might take an id that is not its own."""
    found = [
        path.relative_to(ROOT).as_posix()
        for package in ("adapters", "connectors", "transforms", "pipelines")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Message"
    ]
    assert found == []
