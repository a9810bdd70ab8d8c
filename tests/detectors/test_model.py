"""The detector that judges by a trained model: what it finds, refuses, and how it is renewed."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from padit.analysis.training import Training, save
from padit.analysis.training.train import model_of
from padit.domain.errors import ConfigurationError, StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.detectors import create_detector
from padit.transforms.detectors.artefact import Artefact, encode, read
from tests.detectors.tables import MODEL, SECOND, Array, cut, samples, table_of

HEAT, SPEED, TORQUE, AIR = (
    Series("m", "heat", "K"),
    Series("m", "speed", "1/min"),
    Series("m", "torque", "Nm"),
    Series("m", "air", "K"),
)


def _normal(rows: int, seed: int = 1) -> dict[Series, Array]:
    """Power stays between 4 and 8; it is never slow while heat can hardly leave."""
    chance = np.random.default_rng(seed)
    torque = chance.uniform(2, 4, rows)
    speed = chance.uniform(4, 8, rows) / torque
    air = chance.normal(300, 2, rows)
    gap = chance.uniform(8, 12, rows)
    gap = np.where((gap < 9) & (speed < 1.4), chance.uniform(9, 12, rows), gap)
    return {SPEED: speed, TORQUE: torque, AIR: air, HEAT: air + gap}


def _rows(values: dict[Series, Array]) -> Rows:
    keys = list(values)
    size = len(values[keys[0]])
    return Rows(
        tuple(keys),
        np.repeat(np.arange(len(keys), dtype=np.int32), size),
        np.tile(np.arange(size) * SECOND, len(keys)),
        np.concatenate([values[key] for key in keys]),
    )


def _model(seed: int = 1, valid_from: int = 0, rows: int = 20_000) -> Artefact:
    training = Training(input="test", valid_from=valid_from)
    return model_of([_rows(_normal(rows, seed))], training).model


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save(_model(), str(tmp_path_factory.mktemp("model") / "model.json")))


def _highest(path: str, values: dict[Series, Array]) -> Array:
    found = samples(create_detector("model", {"path": path}), [table_of(values)])
    highest: Array = np.fmax.reduce(list(found.values()), axis=0)
    return highest


def _told(path: str, **changes: float) -> dict[str, Any]:
    """Evidence of the highest score after a change of the last sample of ordinary rows."""
    values = {key: value[-40:].copy() for key, value in _normal(20_000).items()}
    for key in values:
        values[key][-1] = changes.get(key.metric_name, values[key][-1])
    detector = create_detector("model", {"path": path})
    state = detector.initial()
    for table in cut(values, [39]):
        state, scores = detector.step(state, table)
    best = int(np.nanargmax(scores.score))
    assert scores.score[best] >= 0.7
    evidence = detector.explain(table, scores, best)
    msgspec.json.encode(evidence)
    return evidence


def test_other_normal_rows_give_hardly_an_alarm(path: str) -> None:
    alarm = _highest(path, _normal(20_000, seed=2)) >= 0.7
    assert alarm.sum() <= 4


def test_a_value_beyond_the_recorded_range_is_reported(path: str) -> None:
    text = _told(path, torque=5.0)["text"]
    assert text.startswith("torque 5 Nm is above 4, the highest recorded")


def test_a_product_beyond_the_recorded_range_is_reported(path: str) -> None:
    evidence = _told(path, torque=3.9, speed=2.5)  # each is usual, the power of 9.75 is not
    assert evidence["text"].startswith("speed x torque 9.75 is above 8")
    assert evidence["channel"] == "feature"


def test_a_sample_in_a_corner_that_was_always_empty_is_reported(path: str) -> None:
    evidence = _told(path, torque=3.5, speed=1.2, air=300.0, heat=308.2)
    assert evidence["channel"] == "corner"
    assert "so low a speed with so low a heat - air was never recorded" in evidence["text"]


def test_evidence_names_the_model_by_its_digest(path: str) -> None:
    assert _told(path, torque=5.0)["model"] == read(Path(path)).digest


def test_a_source_without_all_metrics_gets_no_score(path: str) -> None:
    values = _normal(500)
    del values[HEAT]
    assert np.isnan(_highest(path, values)).all()


def test_a_metric_in_another_unit_is_another_metric(path: str) -> None:
    values = _normal(500)
    values[HEAT._replace(unit="C")] = values.pop(HEAT)
    assert np.isnan(_highest(path, values)).all()


def test_absurd_and_constant_values_give_scores_between_0_and_1(path: str) -> None:
    values = _normal(500)
    values[TORQUE][100], values[AIR][200], values[SPEED][300:] = 1e300, -1e300, 0.0
    score = _highest(path, values)
    assert ((score >= 0) & (score <= 1)).all()
    assert (score[[100, 200, 400]] >= 0.9).all()


def test_a_place_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="path: Field required"):
        create_detector("model", {})
    with pytest.raises(ConfigurationError, match=r"there is no trained model in .* padit train"):
        create_detector("model", {"path": str(tmp_path)})
    with pytest.raises(ConfigurationError, match=r"none.json cannot be read: No such file"):
        create_detector("model", {"path": str(tmp_path / "none.json")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-200], "is damaged"),
        (lambda text: text.replace('"version": 1', '"version": 7'), "version 7, this code reads 1"),
        (lambda text: text.replace("padit-model", "other"), "is no trained model"),
        (lambda text: text.replace('"span": 32', '"span": 31', 1), "digest does not fit"),
        (lambda text: "[]", "is damaged"),
        (lambda text: "\x00\x01", "is damaged"),
    ],
)
def test_a_file_that_is_no_model_is_an_error(change: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(change(Path(MODEL).read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        create_detector("model", {"path": str(file)})


def test_a_model_that_contradicts_itself_is_an_error(tmp_path: Path) -> None:
    good = _model(rows=2000)
    bad = msgspec.structs.replace(good, metrics=good.metrics[:2])
    (tmp_path / "model.json").write_bytes(encode(bad))
    with pytest.raises(ConfigurationError, match="contradicts itself"):
        create_detector("model", {"path": str(tmp_path)})


@pytest.mark.parametrize("change", [{"low_tail": 0.0}, {"high_tail": 0.0}, {"low_tail": -1.0},
                                    {"high_tail": -0.5}, {"span": 3}])  # fmt: skip
def test_a_channel_without_a_width_or_of_another_span_is_an_error(
    change: dict[str, Any], tmp_path: Path
) -> None:
    good = _model(rows=2000)
    for at in (0, len(good.channels) - 1):
        channels = list(good.channels)
        channels[at] = msgspec.structs.replace(channels[at], **change)
        bad = msgspec.structs.replace(good, channels=tuple(channels))
        (tmp_path / "model.json").write_bytes(encode(bad))
        with pytest.raises(ConfigurationError, match="contradicts itself"):
            create_detector("model", {"path": str(tmp_path)})


def _windows() -> list[FeatureTable]:
    """Six windows of 100 s in which torque is too high for the first model."""
    values = _normal(600, seed=3)
    values[TORQUE] = values[TORQUE] + 3
    return list(cut(values, [100, 200, 300, 400, 500]))


def _second(valid_from: int) -> Artefact:
    values = _normal(5000)
    values[TORQUE] = values[TORQUE] + 3
    return model_of([_rows(values)], Training(input="test", valid_from=valid_from)).model


def test_a_new_version_takes_over_at_its_time_and_a_replay_repeats_it(tmp_path: Path) -> None:
    save(_model(), str(tmp_path))
    detector = create_detector("model", {"path": str(tmp_path)})
    state, live = detector.initial(), []
    for number, table in enumerate(_windows()):
        if number == 2:  # event time is 200 s
            save(_second(300 * SECOND), str(tmp_path))
        state, scores = detector.step(detector.load(detector.dump(state)), table)
        live.append(scores.score)
    assert [bool((score >= 0.7).any()) for score in live] == [True] * 3 + [False] * 3
    again = create_detector("model", {"path": str(tmp_path)})
    state = again.initial()
    for table, expected in zip(_windows(), live, strict=True):
        state, scores = again.step(state, table)
        assert scores.score.tobytes() == expected.tobytes()


def test_a_version_that_comes_after_its_time_is_never_used(tmp_path: Path) -> None:
    save(_model(), str(tmp_path))
    detector = create_detector("model", {"path": str(tmp_path)})
    state = detector.initial()
    for number, table in enumerate(_windows()):
        if number == 4:
            save(_second(200 * SECOND), str(tmp_path))
            detector = create_detector("model", {"path": str(tmp_path)})  # also after a restart
        state, scores = detector.step(detector.load(detector.dump(state)), table)
        assert (scores.score >= 0.7).any()


def test_a_damaged_version_is_left_out_while_the_job_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(_model(), str(tmp_path))
    detector = create_detector("model", {"path": str(tmp_path)})
    (tmp_path / "model-z.json").write_text("{", encoding="utf-8")
    _, scores = detector.step(detector.initial(), _windows()[0])
    assert (scores.score >= 0.7).any()
    assert "left out" in caplog.text


def test_state_without_its_model_is_an_error(tmp_path: Path) -> None:
    file = save(_model(), str(tmp_path))
    detector = create_detector("model", {"path": str(tmp_path)})
    state, _ = detector.step(detector.initial(), _windows()[0])
    saved = detector.dump(state)
    Path(file).unlink()
    save(_second(0), str(tmp_path))
    with pytest.raises(StateError, match="put it back"):
        create_detector("model", {"path": str(tmp_path)}).load(saved)


def test_the_file_is_plain_json_that_another_program_can_read() -> None:
    model = json.loads(Path(MODEL).read_text(encoding="utf-8"))
    assert model["kind"] == "padit-model"
    assert [one["name"] for one in model["metrics"]] == ["x", "y"]
    assert {one["what"]["kind"] for one in model["channels"]} <= {"feature", "relation", "corner"}
