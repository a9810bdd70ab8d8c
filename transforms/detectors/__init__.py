"""Detectors by name: every module of this folder that has a `DETECTOR`, and the plug-ins."""

import importlib
import pkgutil
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from padit.domain.config import explain
from padit.domain.errors import ConfigurationError
from padit.domain.renamed import current_detector
from padit.ops.plugins import ENVIRONMENT, Plugin, find_plugins
from padit.transforms.detectors.base import (
    Detector,
    Forgetting,
    Levelled,
    Parameters,
    Scores,
    TimeDriven,
)
from padit.transforms.detectors.plugged import PluggedDetector

__all__ = [
    "Detector",
    "Forgetting",
    "Levelled",
    "Parameters",
    "Scores",
    "TimeDriven",
    "create_detector",
    "detector_class",
    "plugged",
    "plugin_digests",
    "registry",
    "require_plugins",
]


@cache
def registry() -> Mapping[str, type[Detector[Any]]]:
    """The built-in detectors by name, in the order of their names."""
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        detector = getattr(importlib.import_module(f"{__name__}.{module}"), "DETECTOR", None)
        if detector is not None:
            found[detector.name] = detector
    return found


def plugged(folder: str | None = None) -> dict[str, Plugin]:
    """Detectors of plug-ins by name; nothing is imported.

    Args:
        folder: of plug-ins; None: that of this process.
    """
    return find_plugins("detector", dict.fromkeys(registry(), ""), folder)


def detector_class(name: str, folder: str | None = None) -> Any:
    """What makes a detector from its parameters, with `Parameters` (a pydantic model).

    Raises:
        ConfigurationError: no such detector, or a plug-in that cannot be loaded.
    """
    name = current_detector(name)
    if name in registry():
        return registry()[name]
    plugins = plugged(folder)
    if name not in plugins:
        known = ", ".join([*registry(), *plugins])
        message = f"there is no detector {name!r}; there are: {known}"
        raise ConfigurationError(message)
    return PluggedDetector.of(plugins[name])


def create_detector(
    name: str, parameters: Mapping[str, Any], folder: str | None = None
) -> Detector[Any]:
    """A detector with the given parameters, by its name or an old name of it.

    Args:
        name: of the detector.
        parameters: by name.
        folder: of plug-ins; None: that of this process.

    Raises:
        ConfigurationError: no such detector, or a parameter it does not take.
    """
    kind = detector_class(name, folder)
    try:
        return kind(kind.Parameters(**parameters))  # type: ignore[no-any-return]
    except ValidationError as error:
        raise ConfigurationError(explain(f"detector {name}", kind.Parameters, error)) from error


def plugin_digests(names: Iterable[str]) -> dict[str, str]:
    """Digest of each of these detectors that is a plug-in, in the order of their names.

    Raises:
        ConfigurationError: the source of one cannot be read.
    """
    plugins = plugged()
    return {name: plugins[name].digest() for name in sorted({*names} & {*plugins})}


def require_plugins(digests: Mapping[str, str], folder: str | None) -> None:
    """Check on a worker that it has the plug-ins that the job was submitted with.

    Raises:
        ConfigurationError: one is missing, or another one.
    """
    plugins = plugged(folder) if digests else {}
    for name, digest in digests.items():
        found = plugins[name].digest() if name in plugins else None
        if found != digest:
            what = "is missing" if found is None else f"has the digest {found[:12]}"
            message = (
                f"the plug-in detector {name!r} of this job has the digest {digest[:12]} and "
                f"{what} on the worker {platform.node()}: copy the folder of plug-ins "
                f"({folder or 'none was given'}) there, or set {ENVIRONMENT} for its workers"
            )
            raise ConfigurationError(message)
