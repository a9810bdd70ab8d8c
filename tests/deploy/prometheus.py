"""A real Prometheus with the rules of `deploy/`."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from padit.devcluster.ports import free_port
from tests.limits import allowed
from tests.parts import required_program

__all__ = ["DEPLOY", "Prometheus"]

DEPLOY = Path(__file__).parents[2] / "deploy"


class Prometheus:
    """A running Prometheus that scrapes some addresses each second, with our rules.

    Args:
        place: folder of its data and log.
        targets: `host:port` by the name of the job.
    """

    def __init__(self, place: Path, targets: dict[str, str]) -> None:
        self._program = required_program("prometheus")
        self._place = place
        self._port = free_port()
        scraped = [
            {"job_name": job, "static_configs": [{"targets": [address]}]}
            for job, address in targets.items()
        ]
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DEPLOY / "prometheus" / "rules.yml")],
            "scrape_configs": scraped,
        }
        (place / "prometheus.yml").write_text(yaml.safe_dump(settings))

    def __enter__(self) -> Self:
        command = [
            self._program.path,
            f"--config.file={self._place}/prometheus.yml",
            f"--storage.tsdb.path={self._place}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        self._log = (self._place / "log").open("wb")
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, env=self._program.environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(allowed(20))
        self._log.close()

    def query(self, expression: str) -> list[Any]:
        """The result of an instant query; [] while Prometheus does not answer yet."""
        return self._ask("query", query=expression)

    def over(self, expression: str, begin: float, end: float, step_s: float = 1.0) -> list[Any]:
        """The result of a query over a time, seconds since 1970."""
        return self._ask("query_range", query=expression, start=begin, end=end, step=step_s)

    def _ask(self, kind: str, **given: str | float) -> list[Any]:
        url = f"http://127.0.0.1:{self._port}/api/v1/{kind}?{urllib.parse.urlencode(given)}"
        try:
            with urllib.request.urlopen(url, timeout=allowed(5)) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it reads its log first
                return []
            message = f"{given}: {error.read().decode()[:300]}"
            raise AssertionError(message) from error
        except OSError:
            return []
