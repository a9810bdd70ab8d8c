"""`usual` on several processors: how many there are changes no bit."""

import numpy as np
import pytest

from padit.domain.metric import Series
from padit.ops import parts
from padit.transforms.detectors import create_detector
from tests.detectors.tables import cut


@pytest.mark.parametrize("processors", [2, 3, 4])
def test_scores_and_state_are_the_same_bytes_on_any_number_of_processors(
    processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(5)
    values = {Series(f"s{n}", "rtt"): chance.normal(size=1500 + 100 * n) for n in range(7)}
    values[Series("s3", "rtt")][1400:1500] += 30
    tables = list(cut(values, [700, 1300, 1450]))
    found = []
    for count in (1, processors):
        monkeypatch.setattr(parts, "_processors", lambda count=count: count)
        detector = create_detector("usual", {})
        state, scores = detector.initial(), []
        for table in tables:
            state, one = detector.step(state, table)
            assert one.sample is not None
            scores += [one.score.tobytes(), one.sample.tobytes()]
        found.append((detector.dump(state), scores))
    assert found[0] == found[1]
    assert len(tables[0].value) > parts._WORTH
