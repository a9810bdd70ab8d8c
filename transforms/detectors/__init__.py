"""Detectors by name; every module of this folder that has a `DETECTOR` is one."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from padit.domain.errors import ConfigurationError
from padit.domain.renamed import current_detector
from padit.transforms.detectors.base import Detector, Forgetting, Parameters, Scores, TimeDriven

__all__ = [
    "Detector",
    "Forgetting",
    "Parameters",
    "Scores",
    "TimeDriven",
    "create_detector",
    "registry",
]


@cache
def registry() -> Mapping[str, type[Detector[Any]]]:
    """All detectors by name, in the order of their names."""
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        detector = getattr(importlib.import_module(f"{__name__}.{module}"), "DETECTOR", None)
        if detector is not None:
            found[detector.name] = detector
    return found


def create_detector(name: str, parameters: Mapping[str, Any]) -> Detector[Any]:
    """A detector with the given parameters, by its name or an old name of it.

    Raises:
        ConfigurationError: no such detector, or a parameter it does not take.
    """
    name = current_detector(name)
    if name not in registry():
        message = f"there is no detector {name!r}; there are: {', '.join(registry())}"
        raise ConfigurationError(message)
    kind: Any = registry()[name]
    try:
        return kind(kind.Parameters(**parameters))  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(kind.Parameters.model_fields)
        message = f"detector {name}: {where}: {first['msg']}; its parameters are: {allowed}"
        raise ConfigurationError(message) from error
