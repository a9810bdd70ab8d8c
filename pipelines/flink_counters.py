"""Counters of a job that runs on Flink, from Flink's REST interface.

Beam's job server reports the counters only of a job that has ended by itself. While a job runs,
Flink shows its counters as metrics of its steps, as old as `metrics.fetcher.update-interval`
allows.
"""

import json
import urllib.parse
import urllib.request
from typing import Any

__all__ = ["flink_counters"]

_SECONDS = 5.0
_AT_ONCE = 8  # Flink refuses requests of more than 4,096 bytes, and names are long


def flink_counters(rest_url: str, job_id: str, namespace: str) -> dict[str, int]:
    """Sums of the user counters of a namespace by name; empty where Flink has none yet.

    Args:
        rest_url: Flink's REST address, "http://host:port".
        job_id: Flink's id of the job, see `FlinkJob`.
        namespace: of the counters.

    Raises:
        OSError: Flink does not answer.
    """
    job = f"/jobs/{job_id}"
    totals: dict[str, int] = {}
    for vertex in _get(rest_url, job)["vertices"]:
        place = f"{job}/vertices/{vertex['id']}/subtasks/metrics"
        known = [metric["id"] for metric in _get(rest_url, place)]
        wanted = [metric for metric in known if f".{namespace}_" in metric]
        if not wanted:
            continue
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            query = urllib.parse.urlencode({"get": ",".join(some), "agg": "sum"})
            for metric in _get(rest_url, f"{place}?{query}"):
                counter = metric["id"].rpartition(f".{namespace}_")[2]
                totals[counter] = totals.get(counter, 0) + int(metric["sum"])
    return totals


def _get(rest_url: str, path: str) -> Any:
    if not rest_url.startswith(("http://", "https://")):
        rest_url = f"http://{rest_url}"
    with urllib.request.urlopen(rest_url + path, timeout=_SECONDS) as answer:  # noqa: S310
        return json.load(answer)
