"""Figures of the job and the processes around it, for the view Health.

From what a run left beside its alerts (its audit log), from the `/metrics` of live processes, and
from Flink, whichever there is. A place that does not answer is named; the others are shown.
"""

import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from padit.domain.audit import RunTotals, decode_record, total
from padit.domain.errors import ConfigurationError
from padit.ops import metric_names as names
from padit.ops.background import Background

__all__ = ["Watch", "parsed"]

_LOG = logging.getLogger(__name__)
_EVERY_SECONDS = 5.0
_PATIENCE = 2.0
_MOST_BYTES = 8 << 20
_MOST_AUDIT = 64 << 20
_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_COUNTED = ("read", "scored", "late", "duplicate", "dead_lettered", "waiting")
_FAILURES = (OSError, urllib.error.URLError, http.client.HTTPException, ValueError)
Sample = tuple[str, dict[str, str], float]


def parsed(text: str) -> list[Sample]:
    """Samples of the Prometheus text format: name, labels, value; other lines are left out.

    >>> parsed('padit_job_read_total{a="1"} 7')
    [('padit_job_read_total', {'a': '1'}, 7.0)]
    """
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        try:
            found.append((match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])))
        except ValueError:
            continue
    return found


def _checked(urls: Sequence[str], option: str) -> tuple[str, ...]:
    for one in urls:
        if not one.startswith(("http://", "https://")):
            message = f"{option} {one}: it is written http://host:port"
            raise ConfigurationError(message)
    return tuple(urls)


class Watch:
    """Asks every five seconds.

    Args:
        metrics: addresses of `/metrics`.
        flink: address of a JobManager, or None.
        audit: audit log of a run in a file, or None.

    Raises:
        ConfigurationError: an address is none.
    """

    def __init__(
        self, metrics: Sequence[str] = (), flink: str | None = None, audit: Path | None = None
    ) -> None:
        self._metrics = _checked(metrics, "--metrics")
        self._flink = _checked([flink], "--flink")[0] if flink else None
        self._audit = audit
        self._seen: tuple[int, float] = (-1, 0.0)
        self._before: tuple[float, float] | None = None
        self._thread = Background(self._run, "watch")
        self.figures: dict[str, Any] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._thread.stop()

    def _run(self) -> None:
        while self._thread.running:
            try:
                self.figures = self._look()
            except Exception:  # one fault must not end the thread in silence
                _LOG.exception("figures cannot be read")
            self._thread.wait(_EVERY_SECONDS)

    def _look(self) -> dict[str, Any]:
        away: list[str] = []
        samples: list[Sample] = []
        for url in self._metrics:
            try:
                samples += parsed(_fetched(url).decode("utf-8", "replace"))
            except _FAILURES as error:
                away.append(f"{url}: {_words(error)}")
        found: dict[str, Any] = {"away": away, "watched": len(self._metrics)}
        if samples:
            found["job"] = self._job(samples)
            found["breakers"] = [
                {"name": labels.get("receiver", "?"), "open": value > 0}
                for name, labels, value in samples
                if name == names.ALERTING_BREAKER_OPEN
            ]
        elif self._audit is not None:
            found["job"] = self._recorded() or {}
        if self._flink is not None:
            try:
                found["checkpoints"] = _checkpoints(self._flink)
            except _FAILURES as error:
                away.append(f"{self._flink}: {_words(error)}")
        return found

    def _job(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """The job's own figures; rates between two looks."""
        found: dict[str, Any] = {
            name: _sum(samples, names.job_metric(name))
            for name in (*_COUNTED, names.WINDOWS, names.ANOMALIES, names.ALERTS)
        }
        found = {name: value for name, value in found.items() if value is not None}
        now = time.monotonic()
        if "read" in found:
            if self._before is not None and found["read"] >= self._before[1]:
                found["per_second"] = (found["read"] - self._before[1]) / (now - self._before[0])
            self._before = now, found["read"]
        delays = [v for name, _, v in samples if name == names.JOB_WATERMARK_DELAY]
        if delays:
            found["watermark_delay_seconds"] = max(delays)
        lag = _sum(samples, names.JOB_LAG)
        if lag is not None:
            found["lag_records"] = lag
        return _with_residue(found)

    def _recorded(self) -> dict[str, Any] | None:
        """The totals that a run over a bounded input left in its audit log."""
        path = self._audit
        if path is None or not path.exists():
            return None
        state = path.stat()
        if self._seen == (state.st_size, state.st_mtime):
            return self.figures.get("job")
        with path.open("rb") as file:
            file.seek(max(0, state.st_size - _MOST_AUDIT))
            lines = file.read().split(b"\n")
        records = []
        for line in lines:
            if b'"run_totals"' in line or b'"ledger"' in line:
                try:
                    one = decode_record(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                if isinstance(one, RunTotals):
                    records.append(one)
        self._seen = state.st_size, state.st_mtime
        return _with_residue({**total(records), "ended": True}) if records else None


def _with_residue(found: dict[str, Any]) -> dict[str, Any]:
    """What was read and is in no account: it must be 0 once a run has ended."""
    if "read" in found and "scored" in found:
        found["residue"] = found["read"] - sum(found.get(name, 0) for name in _COUNTED[1:])
    return found


def _sum(samples: Sequence[Sample], name: str) -> float | None:
    values = [value for one, _, value in samples if one == name]
    return sum(values) if values else None


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310  # checked: http(s)
        data: bytes = answer.read(_MOST_BYTES)
    return data


def _checkpoints(flink: str) -> dict[str, Any]:
    """Age and duration of the latest checkpoint of the running jobs, the oldest first."""
    base = flink.rstrip("/")
    jobs = msgspec.json.decode(_fetched(f"{base}/jobs"))["jobs"]
    found = []
    for job in jobs:
        if job.get("status") != "RUNNING":
            continue
        one = msgspec.json.decode(_fetched(f"{base}/jobs/{job['id']}/checkpoints"))
        latest = (one.get("latest") or {}).get("completed")
        found.append({
            "job": job["id"], "failed": one["counts"]["failed"],
            "age_seconds": None if latest is None
            else max(time.time() - latest["latest_ack_timestamp"] / 1000, 0.0),
            "seconds": None if latest is None else latest["end_to_end_duration"] / 1000,
            "bytes": None if latest is None else latest["state_size"],
        })  # fmt: skip
    ages = [one["age_seconds"] for one in found if one["age_seconds"] is not None]
    return {"jobs": found, "age_seconds": max(ages, default=None)}


def _words(error: Exception) -> str:
    return (str(getattr(error, "reason", "")) or str(error) or type(error).__name__)[:200]
