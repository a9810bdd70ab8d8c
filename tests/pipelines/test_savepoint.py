"""Where a job goes on from, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from padit.domain.errors import ConfigurationError
from padit.pipelines.runners import choose_runner
from padit.pipelines.savepoint import find_savepoint


def complete(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "_metadata").write_bytes(b"")
    return place


def test_a_savepoint_is_taken_as_it_is(tmp_path: Path) -> None:
    place = complete(tmp_path / "savepoint-1")
    assert find_savepoint(str(place)) == str(place)
    assert find_savepoint(f"file://{place}") == str(place)
    assert find_savepoint(f"file:{place}") == str(place)


def test_of_a_lost_jobs_checkpoints_the_newest_that_is_complete_is_taken(tmp_path: Path) -> None:
    for number in (9, 10):
        complete(tmp_path / f"chk-{number}")
    (tmp_path / "chk-11").mkdir()
    assert find_savepoint(str(tmp_path)) == str(tmp_path / "chk-10")


def test_a_place_on_another_file_system_is_for_flink_to_judge() -> None:
    assert find_savepoint("s3://bucket/savepoint-1") == "s3://bucket/savepoint-1"


def test_a_place_without_a_savepoint_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"{tmp_path}.*_metadata.*operations"):
        find_savepoint(str(tmp_path))


@pytest.mark.parametrize("runner", ["DirectRunner", "PrismRunner"])
def test_a_runner_that_keeps_no_state_refuses_a_savepoint(runner: str, tmp_path: Path) -> None:
    place = complete(tmp_path / "savepoint-1")
    with pytest.raises(ConfigurationError, match=f"FlinkRunner.*{runner}"):
        choose_runner([f"--runner={runner}", f"--savepoint_path={place}"], bounded=True)


def test_a_run_from_a_savepoint_goes_on_in_its_places(tmp_path: Path) -> None:
    place = complete(tmp_path / "job" / "chk-3")
    argv = ["--runner=FlinkRunner", f"--savepoint_path={place.parent}"]
    runner = choose_runner(argv, bounded=True)
    assert runner.restores
    given = runner.options.get_all_options(retain_unknown_options=True)
    assert given["savepoint_path"] == str(place)


@pytest.mark.parametrize(
    ("more", "detach", "drained"),
    [
        (["--flink_master=127.0.0.1:8081"], False, True),
        (["--flink_master=127.0.0.1:8081"], True, False),
        (["--flink_master=127.0.0.1:8081", "--shutdown_sources_after_idle_ms=9"], False, False),
        ([], False, False),
    ],
    ids=["watched", "detached", "the user decides", "address of Flink unknown"],
)
def test_a_bounded_job_is_ended_by_the_command_that_watches_it(
    more: list[str], detach: bool, drained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADIT_STATE_DIR", "nowhere")
    runner = choose_runner(["--runner=FlinkRunner", *more], bounded=True, detach=detach)
    shut = runner.options.get_all_options(retain_unknown_options=True).get(
        "shutdown_sources_after_idle_ms"
    )
    assert runner.drained is drained
    assert (shut is None) is drained
