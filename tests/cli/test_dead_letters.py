"""`padit dlq letters`: dead letters by reason and partition."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.analysis.alert_files import _letter as _line
from padit.analysis.alert_files import _letter_of
from padit.cli.dead_letters import grouped
from padit.cli.main import main
from padit.connectors.sinks._kafka_once import headers_of
from padit.domain.dead_letter import DeadLetter
from padit.domain.message import Message

REASONS = ("value nan of 'a-1' is not finite", "value nan of 'b-2' is not finite", "no timestamp")


def _letter(reason: str, partition: int, offset: int, lost: int = 1) -> DeadLetter:
    return DeadLetter.of(b"\x00{bad", reason, "metrics", partition, offset, lost)


def test_reasons_are_one_kind_without_their_values_and_partitions_stay_apart() -> None:
    letters = [_letter(REASONS[0], 0, 1), _letter(REASONS[1], 0, 2), _letter(REASONS[0], 3, 7)]
    first, second = grouped(letters)
    assert (first.partition, first.letters, first.kind) == (0, 2, "value … of … is not finite")
    assert (second.partition, second.letters, second.first.offset) == (3, 1, 7)


def test_what_has_lost_most_samples_comes_first() -> None:
    letters = [_letter(REASONS[0], 0, n) for n in range(3)] + [_letter(REASONS[2], 0, 9, lost=50)]
    assert [one.lost for one in grouped(letters)] == [50, 3]


@given(
    st.lists(st.tuples(st.sampled_from(REASONS), st.integers(0, 3), st.integers(0, 20))),
    st.randoms(use_true_random=False),
)
def test_every_letter_counts_once_in_whatever_order_and_however_often_it_comes(
    given_letters: list[tuple[str, int, int]], random: object
) -> None:
    letters = [_letter(*one) for one in given_letters]
    shuffled = [*letters, *letters]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = grouped(shuffled)
    assert sum(one.letters for one in found) == len(set(given_letters))
    key = [(one.partition, one.kind, one.letters) for one in grouped(letters)]
    assert key == [(one.partition, one.kind, one.letters) for one in found]


def test_the_command_shows_kinds_with_an_example_and_no_raw_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "dlq.jsonl"
    place.write_bytes(b"\n".join(_letter(REASONS[0], 1, n).to_json() for n in range(4)) + b"\n")
    assert main(["dlq", "letters", "--input", str(place)]) == 0
    said = capsys.readouterr().out
    assert "4 letters, 4 samples, metrics/1: value … of … is not finite" in said
    assert "for example at offset 0: value nan of 'a-1'" in said
    assert "\x00" not in said
    assert said.endswith("4 dead letters in 1 groups\n")


def test_a_letter_of_a_topic_is_the_one_of_a_file() -> None:
    letter = DeadLetter.of(b"\x00{bad", "5", "metrics", 1, 7, 2, ((0, "no value"), (3, "nan")))
    for one in (letter, _letter(REASONS[0], 1, 7)):
        headers = headers_of(Message.dead_letter(one))
        assert _letter_of(one.original, headers, "x") == one
        assert _line(one.to_json(), "x") == one


@pytest.mark.parametrize(
    ("words", "said"),
    [(["letters"], "needs --input"), (["list"], "needs --data"),
     (["letters", "--input", "alerts.jsonl"], "no dead letter")],
)  # fmt: skip
def test_what_is_missing_or_no_letter_is_named(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alerts.jsonl").write_text('{"specversion":"1.0"}\n')
    assert main(["dlq", *words]) == 2
    assert said in capsys.readouterr().err
