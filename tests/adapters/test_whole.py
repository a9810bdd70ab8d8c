"""All adapters at once into a real Kafka, through the job, to alerts."""

import json
from pathlib import Path

from padit.devcluster.jars import kafka as kafka_jars
from tests.adapters.net import Lab
from tests.limits import allowed
from tests.parts import required, required_program


def test_trouble_of_three_kinds_becomes_alerts_and_nothing_else_does(tmp_path: Path) -> None:
    required(kafka_jars)
    required_program("mosquitto")
    with Lab() as lab:
        lab.impair(delay_us=500)
        lab.respond("b", "ecpri", "--interface", "link0")
        lab.respond("b", "cfm", "--interface", "link0", "--level", "4")
        whole = lab.start("a", "-m", "tests.adapters.whole", str(tmp_path), lab.mac["b"])
        assert whole.stdout is not None
        assert whole.stdin is not None
        assert whole.stdout.readline() == "normal\n", whole.communicate(timeout=allowed(60))[1]
        lab.impair(delay_us=12_000)
        whole.stdin.write("go\n")
        whole.stdin.flush()
        assert whole.stdout.readline() == "done\n"
        found = json.loads(whole.stdout.readline())
        whole.communicate(timeout=allowed(60))
    assert found["summary"]["dropped"] == found["summary"]["left_on_disk"] == 0
    assert found["summary"]["sent"] == found["summary"]["emitted"]
    alerts = [json.loads(line) for line in found["alerts"]]
    opened = {
        (alert["data"]["source_id"], alert["data"]["metric_name"]): alert["data"]["severity"]
        for alert in alerts
    }
    assert opened[("cell-7", "ecpri_delay_us")] == "CRITICAL"
    assert opened[("shop", "http_response_ms")] in ("WARNING", "CRITICAL")
    assert opened[("machine-02", "torque_nm")] in ("WARNING", "CRITICAL")
    assert len(opened) == 3, opened
