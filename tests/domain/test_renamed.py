"""An old name is taken for the new one, and that is said once a run."""

from __future__ import annotations

import argparse

import pytest

from padit.domain.renamed import RenamedOption, accept_detector, current_detector, new_run


@pytest.fixture(autouse=True)
def of_its_own() -> None:
    new_run()


def test_the_old_name_of_a_detector_is_accepted_and_reported_once_a_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert [accept_detector(name) for name in ("silence", "silence", "rule")] == [
        "no_data", "no_data", "rule",
    ]  # fmt: skip
    line = "padit: detector silence is deprecated, its name is no_data now\n"
    assert capsys.readouterr().err == line
    new_run()
    accept_detector("silence")
    assert capsys.readouterr().err == line
    assert current_detector("silence") == "no_data"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--new", "5"], ""),
        (["--old", "5"], "padit: --old is deprecated, its name is --new now\n"),
        (["--older", "5", "--older", "5"], "padit: --older is deprecated, its name is --new now\n"),
    ],
)  # fmt: skip
def test_the_old_name_of_an_option_sets_the_option_and_is_reported(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--new", "--old", "--older", action=RenamedOption)
    assert parser.parse_args(arguments).new == "5"
    assert capsys.readouterr().err == said


def test_a_value_that_stands_in_no_option_reports_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    action = RenamedOption(["--new", "--old"], "new")
    parser, given = argparse.ArgumentParser(), argparse.Namespace()
    action(parser, given, "5")
    assert given.new == "5"
    assert capsys.readouterr().err == ""
