"""Training from the page: 202, one at a time, valid from a time ahead; as the command trains."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from padit.analysis.training import Training, train_model
from padit.domain.timestamps import MICROS, format_utc
from padit.transforms.detectors.artefact import encode
from tests.portal.making import START, Served, append, served, transition, wait_for

_MINUTES = 400


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A run with seven hours of two metrics that belong together."""
    folder = tmp_path_factory.mktemp("training")
    noise = np.random.default_rng(5).normal(size=(2, _MINUTES))
    lines = []
    for at in range(_MINUTES):
        base = float(noise[0, at])
        for metric, value in (("load", 10 + base), ("heat", 40 + 3 * base + noise[1, at] / 5)):
            lines.append(msgspec.json.encode({
                "timestamp": START / MICROS + at * 60, "source_id": "oven-1",
                "metric_name": metric, "value": round(float(value), 4), "unit": "",
            }))  # fmt: skip
    append(folder / "metrics.jsonl", *lines)
    append(folder / "alerts.jsonl", transition("opened", 60 * _MINUTES, source_id="oven-1"))
    with served(folder) as one:
        yield one


def _post(one: Served, role: str = "operator", **body: Any) -> Any:
    return one.client(role).post("/train-model", json=body)


def test_a_model_is_trained_once_at_a_time_and_is_that_of_the_command(
    run: Served, tmp_path: Path
) -> None:
    ahead = run.portal.recorder.now + 7200 * MICROS
    answer = _post(run, source="oven-*", validFrom=format_utc(ahead))
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["state"], job["from"], job["by"]) == ("running", "readings", "key:operator")
    assert _post(run).status_code == 409  # one at a time
    client = run.client("viewer")
    wait_for(lambda: client.get(f"/api/trainings/{job['jobId']}").json()["state"] != "running", 90)
    done = client.get(f"/api/trainings/{job['jobId']}").json()
    assert (done["state"], done["why"]) == ("trained", "")
    assert done["summary"]["metrics"] == ["heat", "load"]
    row = client.get("/api/models").json()["items"][0]
    assert (row["name"], row["digest"]) == (done["summary"]["model"], done["summary"]["digest"])
    assert row["valid_from"] == format_utc(ahead) == done["validFrom"]
    same = train_model(Training(
        input=str(run.portal.places.readings), source="oven-*", valid_from=ahead
    )).model  # fmt: skip
    assert (run.portal.trainer.folder / row["name"]).read_bytes() == encode(same)
    assert [one.name for one in run.portal.trainer.folder.iterdir()] == [row["name"]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"validFrom": "2026-01-05T06:00:00Z"}, "has to lie ahead"),
        ({"from": "sensor_log"}, "there is no 'sensor_log'"),
        ({"from": "../../etc/passwd"}, "there is no '../../etc/passwd'"),
        ({"start": "2026-01-05T08:00:00Z", "end": "2026-01-05T07:00:00Z"}, "lies before"),
        ({"validFrom": "soon"}, "it is no time"),
    ],
)
def test_what_cannot_be_trained_is_refused(run: Served, body: dict[str, str], words: str) -> None:
    answer = _post(run, **body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_too_little_to_learn_from_is_said_and_viewers_may_only_look(run: Served) -> None:
    assert _post(run, "viewer").status_code == 403
    job = _post(run, source="--config=/x").json()["jobId"]  # a pattern, never an option
    client = run.client("viewer")
    wait_for(lambda: client.get(f"/api/trainings/{job}").json()["state"] != "running", 90)
    found = client.get(f"/api/trainings/{job}").json()
    assert found["state"] == "failed"
    assert "train:" in found["why"] or "padit" in found["why"]
    assert client.get("/api/trainings/none").status_code == 404


def test_a_portal_that_ends_ends_its_training(run: Served, tmp_path: Path) -> None:
    before = threading.active_count()
    append(tmp_path / "metrics.jsonl", Path(str(run.portal.places.readings)).read_bytes().rstrip())
    append(tmp_path / "alerts.jsonl", transition("opened", 60 * _MINUTES))
    with served(tmp_path) as one:
        job = _post(one).json()["jobId"]
    assert one.portal.trainer.jobs[job].state in ("stopped", "trained")
    assert threading.active_count() <= before
    assert not list(one.portal.trainer.folder.glob(".training-*"))
