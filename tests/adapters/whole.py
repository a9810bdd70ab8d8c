"""All adapters at once into a real Kafka, and the job over it; runs inside a namespace.

`python -m tests.adapters.whole DIRECTORY PEER_MAC`: starts a broker, an HTTP server, mosquitto
and the adapters; prints "normal" when all is measured well, waits for a line on standard input
(the caller has made the link bad by then), lets the HTTP server stall, prints "done" after the
time of trouble, and then the alerts of the job as one line of JSON.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from aiohttp import web

from padit.devcluster.broker import start_broker
from tests.adapters.live import until
from tests.adapters.test_can import DBC
from tests.adapters.test_mqtt import Mosquitto, send
from tests.limits import allowed

HTTP, HEALTH, INFLUX = 28_180, 29_464, 28_086
TROUBLE_AFTER_SEC = 12.0
RULES: dict[str, tuple[float, float]] = {  # metric: p99 and cusum that nothing normal reaches
    "ecpri_delay_us": (8_000.0, 20_000.0),
    "http_response_ms": (600.0, 1_500.0),
}


def adapters(directory: Path, mac: str, mqtt_port: int) -> list[dict[str, Any]]:
    local = {"port": 0}
    log = {"path": str(directory / "app.log")}
    away = {"name": "x", "address": 0}
    return [
        {
            "type": "oran-cfm",
            "interval_sec": 0.5,
            "source_id": "cell-7",
            "train": {"count": 3, "reply_timeout_ms": 400},
            "ecpri": [{"transport": "ethernet", "interface": "link0", "mac": mac}],
            "cfm": [{"interface": "link0", "mac": mac, "level": 4}],
        },
        {
            "type": "http",
            "interval_sec": 0.5,
            "request_timeout_sec": 2,
            "targets": [{"url": f"http://127.0.0.1:{HTTP}/", "source_id": "shop"}],
        },
        {
            "type": "factory",
            "machines": 3,
            "interval_sec": 0.5,
            "faults": [
                {
                    "machine": 2,
                    "kind": "overstrain",
                    "after_sec": TROUBLE_AFTER_SEC,
                    "duration_sec": 600,
                    "onset_sec": 4,
                }
            ],
        },
        {"type": "host", "interval_sec": 1},
        {"type": "mqtt", "port": mqtt_port, "subscriptions": [{"topic": "plant/#"}]},
        {"type": "modbus", "host": "127.0.0.1", "port": 9, "registers": [away]},
        {"type": "can", "interface": "virtual", "channel": "v", "dbc": str(directory / "m.dbc")},
        {"type": "logs", **local, "files": [log], "interval_sec": 1, "store_dir": str(directory)},
        {"type": "otlp", **local, "grpc_port": 0},
        {"type": "prometheus", **local},
        {"type": "influx", "port": INFLUX},
    ]  # fmt: skip


class Shop:
    """An HTTP server that can start to stall."""

    def __init__(self) -> None:
        self.delay = 0.0
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()

    async def _serve(self) -> None:
        async def answer(_request: web.Request) -> web.Response:
            await asyncio.sleep(self.delay)
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", HTTP).start()
        await asyncio.Event().wait()


def job_config(directory: Path) -> Path:
    rules = [
        {
            "metric": metric,
            "conditions": [
                {"feature": "p99", "limit": p99, "adds": 0.5},
                {"feature": "cusum", "limit": cusum, "adds": 0.5},
            ],
        }
        for metric, (p99, cusum) in RULES.items()
    ]
    strained = {"feature": "median", "limit": 61.5, "adds": 0.7}
    rules.append({"metric": "torque_nm", "conditions": [strained]})
    rules.append({"metric": "*", "conditions": [{"feature": "count", "limit": 1e9}]})
    path = directory / "job.yaml"
    path.write_text(
        yaml.safe_dump({"detectors": [{"name": "rule", "parameters": {"rules": rules}}]})
    )
    return path


def healthy() -> bool:
    try:
        found = httpx.get(f"http://127.0.0.1:{HEALTH}/health").json()["adapters"]
    except httpx.HTTPError:
        return False
    # The Modbus device is away on purpose.
    return all(one["state"] == "up" for name, one in found.items() if name != "modbus")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def trouble(directory: Path, shop: Shop, mosquitto: Mosquitto) -> None:
    """What happens while the adapters run."""
    until(healthy, "all adapters are up", 90)
    begin = time.monotonic()
    while time.monotonic() - begin < TROUBLE_AFTER_SEC:
        send(mosquitto, "plant/press/torque", "41.5")
        httpx.post(f"http://127.0.0.1:{INFLUX}/api/v2/write", content="oven,host=o1 t=200.5")
        with (directory / "app.log").open("a") as log:
            log.write("INFO order 7 took 12 ms\n")
        time.sleep(1)
    say("normal")
    sys.stdin.readline()
    shop.delay = 0.9
    time.sleep(18)
    say("done")


def main() -> None:
    """Run all of it."""
    directory, mac = Path(sys.argv[1]), sys.argv[2]
    (directory / "m.dbc").write_text(DBC)
    (directory / "app.log").touch()
    shop = Shop()
    mosquitto = Mosquitto(directory)
    mosquitto.start()
    broker = start_broker(directory / "kafka")
    topic = broker.create_topic("metrics", 2)
    broker.create_topic("logs.ingestion")
    config = {
        "kafka": {"bootstrap": broker.bootstrap, "topic": topic},
        "buffer": {"directory": str(directory / "buffer")},
        "health": {"port": HEALTH},
        "adapters": adapters(directory, mac, mosquitto.port),
    }
    path = directory / "adapters.yaml"
    path.write_text(yaml.safe_dump(config))
    padit = [sys.executable, "-m", "padit.cli.main"]
    with (directory / "adapters.log").open("wb") as log:
        process = subprocess.Popen(
            [*padit, "adapters", "--config", str(path)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        trouble(directory, shop, mosquitto)
        os.kill(process.pid, signal.SIGTERM)
        summary = json.loads(process.communicate(timeout=allowed(60))[0])
        alerts = directory / "alerts.jsonl"
        windows = ["--window_size_sec=10", "--extract_interval_sec=2", "--out_of_orderness_sec=5"]
        places = ["--input", f"kafka://{broker.bootstrap}/{topic}", "--output", str(alerts)]
        command = [*padit, "replay", *places, "--config", str(job_config(directory)), *windows]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=allowed(200), check=False
        )
        lines = alerts.read_text().splitlines() if alerts.exists() else [done.stderr]
        say(json.dumps({"summary": summary, "alerts": lines, "job": done.stdout + done.stderr}))
    finally:
        if process.poll() is None:
            process.kill()
        mosquitto.stop()
        broker.stop()


if __name__ == "__main__":
    main()
