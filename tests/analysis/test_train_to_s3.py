"""Models in object storage: `padit train --output s3://...`, `path: s3://...`; a real S3 server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from padit.analysis.training import Training, save
from padit.analysis.training.train import model_of
from padit.cli.main import main
from padit.domain.errors import ConfigurationError, PaditError
from padit.transforms.detectors import create_detector
from padit.transforms.detectors.artefact import Artefact, decode, encode
from padit.transforms.detectors.model_places import model_place
from padit.transforms.detectors.versions import Versions
from tests.detectors.test_model import _normal, _rows
from tests.gcs import GcsServer
from tests.s3 import S3Server


def _model(valid_from: int = 0) -> Artefact:
    training = Training(input="test", valid_from=valid_from)
    return decode(encode(model_of([_rows(_normal(2000))], training).model), "here")


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> str:
    name = str(request.node.name).replace("_", "-")[:50]
    s3.bucket(name)
    return name


def test_a_model_is_trained_into_a_bucket_and_found_there(
    s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.bucket("trained")
    place = s3.uri("trained/models")
    normal = str(tmp_path / "normal.parquet")
    simulated = ["simulate", "--machines=2", "--hours=1", "--step=5", f"--output={normal}"]
    assert main(simulated) == 0
    capsys.readouterr()
    assert main(["train", f"--input={normal}", f"--output={place}"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["model"].startswith("s3://trained/models/model-")
    assert list(Versions(place).models) == [summary["digest"]]
    one = s3.uri(summary["model"].removeprefix("s3://"))
    assert list(Versions(f"{one}&digest={summary['digest']}").models) == [summary["digest"]]
    detector = create_detector("model", {"path": place})
    assert detector.name == "model"


def test_versions_that_come_into_a_bucket_are_found_within_a_minute(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = s3.uri(f"{bucket}/models")
    first, second = _model(), _model(valid_from=10**15)
    save(first, place)
    versions = Versions(place)
    save(second, place)
    versions.refresh()  # not looked at again so soon: looking is a request
    assert list(versions.models) == [first.digest]
    monkeypatch.setattr("padit.transforms.detectors.model_places._LOOK_SECONDS", 0.0)
    versions.refresh()
    assert set(versions.models) == {first.digest, second.digest}


def test_a_model_whose_digest_does_not_fit_is_refused(s3: S3Server, bucket: str) -> None:
    model = _model()
    folder = s3.bucket(bucket) / "models"
    save(model, s3.uri(f"{bucket}/models"))
    (file,) = folder.glob("*.json")
    text = file.read_text().replace('"span":32', '"span":31', 1)
    changed = text if text != file.read_text() else file.read_text().replace("32", "31", 1)
    (folder / "model.json").write_text(changed)
    with pytest.raises(ConfigurationError, match="digest does not fit"):
        Versions(s3.uri(f"{bucket}/models/model.json"))
    other = "0" * 64
    (folder / "model.json").write_bytes(encode(model))
    with pytest.raises(ConfigurationError, match=f"{model.digest}, and {other} was asked for"):
        Versions(s3.uri(f"{bucket}/models/model.json") + f"&digest={other}")


def test_what_is_wrong_with_a_remote_place_is_named(
    s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="there is no trained model in s3://"):
        Versions(s3.uri(f"{bucket}/models"))
    with pytest.raises(ConfigurationError, match=r"none\.json of s3://.* cannot be read"):
        Versions(s3.uri(f"{bucket}/models/none.json"))
    wrong = tmp_path / "wrong.conf"
    wrong.write_text("access_key=padit-test\nsecret_key=not-it\n")
    with pytest.raises(ConfigurationError, match=r"wrong\.conf"):
        Versions(s3.uri(f"{bucket}/models").replace(str(s3.secrets), str(wrong)))
    with pytest.raises(PaditError, match="s3://nowhere"):
        save(_model(), s3.uri("nowhere/models"))
    with pytest.raises(ConfigurationError, match="colour"):
        Versions(s3.uri(f"{bucket}/models") + "&colour=red")


def test_google_cloud_storage_goes_the_same_way(gcs: GcsServer) -> None:
    gcs.bucket("models")
    model = _model()
    save(model, gcs.uri("models/plant"))
    versions = Versions(gcs.uri("models/plant"))
    assert list(versions.models) == [model.digest]
    (name,) = model_place(gcs.uri("models/plant")).files()
    one = gcs.uri(f"models/plant/{name}")
    assert list(Versions(f"{one}&digest={model.digest}").models) == [model.digest]
    with pytest.raises(ConfigurationError, match="digest"):
        Versions(f"{one}&digest={'0' * 64}")
    with pytest.raises(ConfigurationError, match="no such bucket"):
        save(model, gcs.uri("nowhere/plant"))
