"""Settings behind an alert, as a tree of plain values, and the differences of two trees."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from padit.analysis.explain.alert_record import DecidingDetector, ParsedAlert
from padit.domain.config import NEVER_ACCEPT, AlertSettings, JobConfig, Levels
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS
from padit.transforms.detect import Detection

__all__ = [
    "conditions_of",
    "looking_at",
    "settings_of",
    "settings_of_config",
]

Tree = dict[str, Any]


def settings_of(parsed: ParsedAlert) -> Tree:
    """Windows, thresholds and every detector with its version and parameters."""
    evidence = parsed.evidence
    start, end = parsed.window
    return {
        "window": {
            "size_sec": (end - start) / MICROS,
            "interval_sec": evidence.window.interval_sec,
            "max_samples": evidence.window.max_samples,
        },
        "alerts": {
            **_levels(evidence.thresholds.alerts),
            "resolve_after_sec": evidence.thresholds.resolve_after_sec,
        },
        "severity": {
            "anomaly_above": evidence.thresholds.anomaly_above,
            "warning_from": evidence.thresholds.warning_from,
            "critical_from": evidence.thresholds.critical_from,
        },
        **_named(parsed.detectors),
    }


def looking_at(config: JobConfig, series: Series) -> list[DecidingDetector]:
    """The detectors of a configuration that look at a series."""
    resolved = zip(config.detectors, Detection(config.detectors).resolved, strict=True)
    return [
        DecidingDetector(one["name"], one["version"], one["parameters"])
        for setting, one in resolved
        if fnmatchcase(series.source_id, setting.source)
        and fnmatchcase(series.metric_name, setting.metric)
    ]


def conditions_of(detectors: Sequence[DecidingDetector], series: Series) -> list[dict[str, Any]]:
    """Limits for a series from the rules among the detectors."""
    for one in detectors:
        for rule in one.parameters.get("rules") or ():
            if fnmatchcase(series.source_id, rule["source"]) and fnmatchcase(
                series.metric_name, rule["metric"]
            ):
                return list(rule["conditions"])
    return []


def settings_of_config(config: JobConfig, series: Series, size_sec: float) -> Tree:
    """The part of a configuration file that a series' alerts depend on.

    Args:
        config: the present one.
        series: of the alert.
        size_sec: length of a window, after which an alert resolves by default.
    """
    after = config.alerts.resolve_after_sec
    return {
        "alerts": {
            **_levels(config.alerts),
            "resolve_after_sec": size_sec if after is None else after,
        },
        **_named(looking_at(config, series)),
    }


def _levels(settings: AlertSettings) -> Tree:
    levels = Levels.of(settings)
    never = levels.accept_after == NEVER_ACCEPT
    return {
        "open_at": levels.open_at,
        "close_at": levels.close_at,
        "accept_after_sec": None if never else levels.accept_after / MICROS,
        "budget": settings.budget,
        "critical_budget": None if settings.budget is None else settings.critical_budget,
    }


def _named(detectors: list[DecidingDetector]) -> Tree:
    """By name; the second of a name is `name 2`."""
    tree: Tree = {}
    for one in detectors:
        number = 1 + sum(name == one.name or name.startswith(f"{one.name} ") for name in tree)
        name = one.name if number == 1 else f"{one.name} {number}"
        tree[name] = {"version": one.version, **one.parameters}
    return tree
