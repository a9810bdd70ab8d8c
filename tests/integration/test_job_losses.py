"""On a real cluster: exit code 3, the reasons, and what a mapping leaves, as in one process."""

from pathlib import Path

from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import padit
from tests.pipelines.test_losses_cluster import mapped


def test_a_job_on_flink_that_lost_too_much_ends_with_3_and_the_reasons(
    flink: FlinkCluster, tmp_path: Path
) -> None:
    found = []
    for name, options in (("here", []), ("cluster", flink.options())):
        place = mapped(tmp_path, broken=5)
        alerts = f"--output={tmp_path / name / 'alerts.jsonl'}"
        (tmp_path / name).mkdir()
        run = padit("replay", *place, alerts, "--max_loss_share=0.6", *options, code=3)
        lines = run.err.splitlines()
        start = next(at for at, one in enumerate(lines) if "values (61 %) were lost" in one)
        summary = dict(run.summary)
        summary.pop("seconds")
        found.append((summary, lines[start:]))
    assert found[0] == found[1]
    assert (found[0][0]["dead_lettered"], found[0][0]["unwatched"]) == (5, 9)
