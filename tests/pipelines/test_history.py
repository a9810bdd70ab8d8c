"""History before a job goes live: refused where nothing comes behind it."""

from pathlib import Path

import pytest

from padit.domain.errors import ConfigurationError
from padit.pipelines.job import make_plan
from padit.pipelines.options import JobOptions, parse_options
from tests.pipelines.seed import seed_lines, write


def _job(path: str, *argv: str) -> JobOptions:
    return JobOptions.of(parse_options([f"--input={path}", *argv]))


@pytest.mark.parametrize(
    "begin", [["--bootstrap_from=earliest"], ["--bootstrap_from=-90000d", "--live_from=now"]]
)
def test_a_file_that_would_all_be_history_is_refused(tmp_path: Path, begin: list[str]) -> None:
    job = _job(write(tmp_path / "a.jsonl", seed_lines()), *begin)
    with pytest.raises(ConfigurationError, match=r"a\.jsonl has an end, .* leave out --bootstrap_"):
        make_plan(job, live=True)


def test_with_a_stated_end_of_history_a_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", seed_lines())
    job = _job(path, "--bootstrap_from=earliest", "--live_from=2026-01-05T00:00:02Z")
    plan, _ = make_plan(job, live=True)
    assert plan.live_from == 1_767_571_202_000_000
