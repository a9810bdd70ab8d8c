"""PADIT: real-time anomaly detection for metric streams.

    import padit

    found = padit.detect(table)  # pandas, Polars, Arrow: the alerts of `padit run`, to the byte
    found.alerts, found.scores, found.features, found.plot()

    watched = metrics | padit.WatchMetrics(config="detectors.yaml")  # in a Beam pipeline

`import padit` loads nothing else; Beam and numba come with the first use of a name. docs/python.md
describes both. The rooms lie at the top of the repository; each is a link here, so that one name,
`padit`, stands in front of all of them wherever the project is installed.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from padit.pipelines.detect_table import Detected, Plot, detect
    from padit.pipelines.watch_metrics import Watched, WatchMetrics

__all__ = ["Detected", "Plot", "Watched", "WatchMetrics", "__version__", "detect"]

try:
    __version__ = version("padit")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0"

_PLACES = {
    "Detected": "padit.pipelines.detect_table",
    "Plot": "padit.pipelines.detect_table",
    "Watched": "padit.pipelines.watch_metrics",
    "WatchMetrics": "padit.pipelines.watch_metrics",
    "detect": "padit.pipelines.detect_table",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module 'padit' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
