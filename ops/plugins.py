"""Plug-ins of every kind, by one mechanism: a folder of files, or entry points of packages.

| kind | folder | function | entry points |
|---|---|---|---|
| adapter | `protocol_adapters/` | `create_adapter()`, `create_adapter(config)` | `padit.adapters` |
| detector | `detectors/` | `create_detector(parameters)` | `padit.detectors` |
| notifier | `notifiers/` | `create_notifier(config)` | `padit.notifiers` |

In a folder (`--plugins DIR`, or the environment variable PADIT_PLUGINS) a plug-in is a file
`NAME.py` or a package `NAME/`; names that begin with `_` are left out. An entry point has the name
of the plug-in, and refers to the function or to a class. A plug-in is imported when it is used, so
one that is broken stops no other. `padit plugins` imports all of them and names the broken ones.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from padit.domain.errors import ConfigurationError

__all__ = [
    "ENVIRONMENT",
    "KINDS",
    "Kind",
    "Plugin",
    "every_plugin",
    "find_plugins",
    "plugins_folder",
]

_LOG = logging.getLogger(__name__)

ENVIRONMENT = "PADIT_PLUGINS"


class Kind(NamedTuple):
    """Where plug-ins of one kind are found.

    Attributes:
        folder: below the folder of plug-ins.
        group: of entry points.
        function: makes one.
    """

    folder: str
    group: str
    function: str


KINDS: Mapping[str, Kind] = {
    "adapter": Kind("protocol_adapters", "padit.adapters", "create_adapter"),
    "detector": Kind("detectors", "padit.detectors", "create_detector"),
    "notifier": Kind("notifiers", "padit.notifiers", "create_notifier"),
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plug-in; nothing of it has been imported yet.

    Attributes:
        kind: a key of `KINDS`.
        name: by which configurations refer to it.
        place: path of its file or package, or `module:name` of an entry point.
        fault: why it cannot be used, if that is known before it is imported.
    """

    kind: str
    name: str
    place: str
    fault: str = ""

    @property
    def installed(self) -> bool:
        """Whether it belongs to an installed package."""
        return not os.path.isabs(self.place)

    def digest(self) -> str:
        """SHA-256 of its source, in hexadecimal: all .py files of a package, else its file.

        Raises:
            ConfigurationError: there is no source to read.
        """
        try:
            return _digest(self._source())
        except (OSError, ValueError) as error:
            raise self._broken(error) from error

    def load(self) -> Any:
        """The function that makes one, or a class; imported on first use.

        Raises:
            ConfigurationError: it cannot be imported, or lacks the function; names the plug-in.
        """
        function = KINDS[self.kind].function
        if self.fault:
            message = f"{self._label}: {self.fault}"
            raise ConfigurationError(message)
        try:
            if not self.installed:
                found = getattr(_import(self.kind, self.name, self.place, self.digest()), function)
            else:
                module, _, name = self.place.partition(":")
                found = getattr(importlib.import_module(module), name or function)
        except ConfigurationError:
            raise
        except AttributeError as error:
            message = f"{self._label} has no `{function}`"
            raise ConfigurationError(message) from error
        except (Exception, SystemExit) as error:  # whatever a stranger's code does
            raise self._broken(error) from error
        if not callable(found):
            message = f"{self._label}: `{function}` is no function"
            raise ConfigurationError(message)
        return found

    @property
    def _label(self) -> str:
        return f"the plug-in {self.kind} {self.name!r} ({self.place})"

    def _broken(self, error: BaseException) -> ConfigurationError:
        text = f"{type(error).__name__}: {error}"
        return ConfigurationError(f"{self._label} cannot be loaded ({text})")

    def _source(self) -> Path:
        if not self.installed:
            return Path(self.place)
        found = importlib.util.find_spec(self.place.partition(":")[0])
        if found is None or found.origin is None:
            message = "its module is not installed"
            raise ValueError(message)
        origin = Path(found.origin)
        return origin.parent if origin.name == "__init__.py" else origin


def plugins_folder() -> str | None:
    """The folder of plug-ins of this process, absolute; None without one.

    Raises:
        ConfigurationError: it does not exist, or holds no folder of plug-ins.
    """
    given = os.environ.get(ENVIRONMENT)
    if not given:
        return None
    folder = os.path.abspath(given)
    if not any(os.path.isdir(os.path.join(folder, kind.folder)) for kind in KINDS.values()):
        names = ", ".join(f"{kind.folder}/" for kind in KINDS.values())
        message = f"--plugins {given}: there is none of the folders {names}"
        raise ConfigurationError(message)
    return folder


def find_plugins(
    kind: str, built_in: Mapping[str, str] | None = None, folder: str | None = None
) -> dict[str, Plugin]:
    """Usable plug-ins of a kind by name, sorted; nothing is imported. Others are logged.

    Args:
        kind: a key of `KINDS`.
        built_in: what PADIT brings, name to `module:Class`; a plug-in cannot have such a name.
        folder: of plug-ins; None: that of this process.

    Raises:
        ConfigurationError: the folder is wrong.
    """
    found = {}
    for plugin in every_plugin(kind, built_in or {}, folder):
        if plugin.fault:
            _warn(f"{plugin._label} is left out: {plugin.fault}")
        else:
            found[plugin.name] = plugin
    return found


def every_plugin(kind: str, built_in: Mapping[str, str], folder: str | None = None) -> list[Plugin]:
    """All plug-ins of a kind, sorted by name, also those whose name is taken (`fault`)."""
    found: dict[str, str] = {}
    every = []
    for one in (*_installed(kind), *_in_folder(kind, folder or plugins_folder())):
        if built_in.get(one.name) == one.place:
            continue  # PADIT's own entry points
        if one.name in built_in:
            fault = f"its name is that of a built-in {kind}; rename it"
        elif one.name in found:
            fault = f"its name is that of {found[one.name]}; rename one of them"
        else:
            fault = ""
            found[one.name] = one.place
        every.append(Plugin(kind, one.name, one.place, fault))
    return sorted(every, key=lambda one: (one.name, one.place))


@cache
def _warn(text: str) -> None:
    """Once for each text."""
    _LOG.warning(text)


def _installed(kind: str) -> list[Plugin]:
    points = entry_points(group=KINDS[kind].group)
    return [Plugin(kind, point.name, point.value) for point in points]


def _in_folder(kind: str, folder: str | None) -> list[Plugin]:
    place = Path(folder or os.devnull, KINDS[kind].folder)
    if folder is None or not place.is_dir():
        return []
    return [
        Plugin(kind, path.stem if path.is_file() else path.name, str(path))
        for path in sorted(place.iterdir())
        if not path.name.startswith(("_", "."))
        and (path.suffix == ".py" if path.is_file() else (path / "__init__.py").is_file())
    ]


def _digest(source: Path) -> str:
    files = [source] if source.is_file() else sorted(source.rglob("*.py"))
    summed = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        name = file.name if source.is_file() else file.relative_to(source).as_posix()
        summed.update(f"{len(name)} {name} {len(content)} ".encode() + content)
    return summed.hexdigest()


@cache
def _import(kind: str, name: str, place: str, digest: str) -> Any:
    """The module of a file or package in a folder; once for each content."""
    path = Path(place)
    file = path / "__init__.py" if path.is_dir() else path
    inner = [place] if path.is_dir() else None
    module_name = f"padit_plugin_{kind}_{name}_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(
        module_name, file, submodule_search_locations=inner
    )
    if spec is None or spec.loader is None:
        message = f"{place} is no Python file"
        raise ImportError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module
