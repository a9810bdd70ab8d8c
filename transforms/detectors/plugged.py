"""Detectors from plug-ins (see `ops.plugins`): a class like the built-in ones, or a function.

`create_detector(parameters)` takes a mapping and returns a detector of `transforms.detectors.base`;
it checks its parameters by itself. What it returns must have the plug-in's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from padit.domain.errors import ConfigurationError
from padit.ops.plugins import Plugin
from padit.transforms.detectors.base import Detector, Parameters

__all__ = ["AnyParameters", "PluggedDetector"]


class AnyParameters(Parameters):
    """Whatever a plug-in takes."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class PluggedDetector:
    """Makes the detectors of a plug-in, like a detector's class.

    Attributes:
        plugin: the plug-in.
        create: its class or function.
        Parameters: the model of its parameters.
    """

    plugin: Plugin
    create: Callable[[Any], Any]
    Parameters: type[BaseModel]

    @classmethod
    def of(cls, plugin: Plugin) -> "PluggedDetector":
        """Load a plug-in. Raises ConfigurationError."""
        create = plugin.load()
        model = getattr(create, "Parameters", AnyParameters)
        return cls(plugin, create, model)

    @property
    def name(self) -> str:
        """Name of the detector."""
        return self.plugin.name

    @property
    def version(self) -> int | None:
        """Version of a class; None of a function, which has only the digest of its source."""
        return getattr(self.create, "version", None)

    def __call__(self, parameters: BaseModel) -> Detector[Any]:
        """Make one.

        Raises:
            ConfigurationError: the plug-in failed, or made something else.
        """
        plain = self.Parameters is AnyParameters
        try:
            made = self.create(parameters.model_dump() if plain else parameters)
        except (Exception, SystemExit) as error:  # whatever a stranger's code does
            text = f"{type(error).__name__}: {error}"
            message = f"detector {self.plugin.name!r} refuses its parameters: {text}"
            raise ConfigurationError(message) from error
        self._check(made)
        return made  # type: ignore[no-any-return]

    def _check(self, made: Any) -> None:
        wanted = [name for name in ("initial", "step", "explain", "confidence", "dump", "load")
                  if not callable(getattr(made, name, None))]  # fmt: skip
        if wanted or not isinstance(getattr(made, "version", None), int):
            lacks = ", ".join(wanted) or "an integer `version`"
            message = f"detector {self.plugin.name!r} ({self.plugin.place}) lacks {lacks}"
            raise ConfigurationError(message)
        if getattr(made, "name", None) != self.plugin.name:
            message = (
                f"the plug-in detector {self.plugin.name!r} ({self.plugin.place}) made one with "
                f"the name {getattr(made, 'name', None)!r}; give both the same name"
            )
            raise ConfigurationError(message)
