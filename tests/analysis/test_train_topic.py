"""`padit train` on a topic of a real broker."""

import json
from pathlib import Path

import pytest

from padit.cli.main import main
from tests.parts import KafkaPart

OPTIONS = ("--machines=3", "--hours=1", "--step=5", "--seed=4")


def test_a_topic_gives_the_model_that_a_file_gives(
    kafka: KafkaPart, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic, file = kafka.uri(kafka.topic("recording", 3)), str(tmp_path / "recording.parquet")
    models = set()
    for place in (topic, file):
        assert main(["simulate", *OPTIONS, f"--output={place}"]) == 0
        capsys.readouterr()
        output = tmp_path / f"{len(place)}.json"
        assert main(["train", f"--input={place}", f"--output={output}",
                     "--out_of_orderness_sec=3600"]) == 0  # fmt: skip
        parsed = json.loads(capsys.readouterr().out)
        assert parsed["rows"] == 3 * 720
        models.add(output.read_bytes())
    assert len(models) == 1
