"""A file that grows is read whole, line by line, whatever pieces it comes in."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting.entries import Entry, Target
from padit.alerting.follow import GrowingFile, GrowingInput
from padit.alerting.overview import Overview
from padit.alerting.silences import preview_of
from tests.alerting.making import SIMPLE, at, command, event, policy_of, tick

TEXT = st.lists(st.binary(max_size=20).map(lambda one: one.replace(b"\n", b"").replace(b"\r", b"")))


@settings(max_examples=40, deadline=None)
@given(lines=TEXT, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_lines_come_once_and_whole_however_they_are_written(
    lines: list[bytes], cuts: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _read_in_pieces(Path(folder), lines, cuts)


def _read_in_pieces(folder: Path, lines: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    places = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    path, found, begin = folder / "a.jsonl", [], 0
    file = GrowingFile(path)
    for end in places:
        with path.open("ab") as out:
            out.write(whole[begin:end])
        begin = end
        found += file.lines()
    wanted = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    assert found == wanted


def test_a_file_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    file = GrowingFile(path)
    assert file.lines() == []
    path.write_bytes(b"one\ntwo\n")
    assert file.lines() == [(1, b"one"), (2, b"two")]
    (tmp_path / "b").write_bytes(b"two\none\nthree\n")
    (tmp_path / "b").replace(path)
    assert [line for _, line in file.lines()] == [b"two", b"one", b"three"]


def test_what_comes_in_one_look_is_ordered_by_event_time(tmp_path: Path) -> None:
    from tests.portal.making import transition

    late, early = transition("opened", 90, "b"), transition("opened", 60, "a")
    (tmp_path / "a.jsonl").write_bytes(late + b"\n" + b"nonsense\n" + early + b"\n")
    found = GrowingInput([("alert", tmp_path / "a.jsonl")]).poll(0)
    assert [one.data for one in found] == [b"nonsense", early, late]


def _overview() -> Overview:
    return Overview(policy_of(SIMPLE).config)


def test_the_overview_keeps_what_the_engine_forgets() -> None:
    one = _overview()
    one.apply(1, event("opened", 0))
    one.apply(2, event("updated", 1, severity="CRITICAL", score=0.95, opened=at(0)))
    one.apply(3, event("resolved", 5, opened=at(0)))
    one.apply(4, tick(60 * 24))
    assert not one.state.incidents
    (name,) = one.incidents
    view = one.incident(name)
    assert (view["firing"], view["severity"], view["closed"]) == (False, "CRITICAL", at(5))
    assert [step.kind for step in one.alerts["a"].steps] == ["opened", "updated", "resolved"]


def test_what_a_person_resolves_is_closed_in_the_overview() -> None:
    one = _overview()
    one.apply(1, event("opened", 0))
    change = one.apply(2, command("resolve", 0))
    assert change.alerts == ("a",)
    assert (one.alerts["a"].closed, one.alerts["a"].reason) == (at(0), "by ann")
    assert one.missed_since(1) == [change]
    assert one.missed_since(2) == []


def test_a_silence_is_previewed_over_the_last_week_with_what_was_real() -> None:
    past: list[Entry] = [
        event("opened", -60 * 24 * 8, "old"), event("resolved", -60 * 24 * 8 + 1, "old"),
        event("opened", 0, "a"), command("feedback", 1, note="real"), event("resolved", 2, "a"),
        event("opened", 3, "b", source="press-2"),
    ]  # fmt: skip
    found = preview_of([Target(source="press-*")], at(10), past)
    assert ([one.id for one in found.alerts], found.real, found.series) == (["a", "b"], 1, 2)
    assert preview_of([Target(source="x")], at(10), past).alerts == []
