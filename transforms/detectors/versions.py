"""The trained models of a place: one file, or a folder with the versions of a model.

A folder is looked at again whenever windows close. Which version judges a window is decided by
event time alone: the one with the latest `valid_from` before the window's end. So a version has to
be there before event time reaches its `valid_from`; a running job refuses one that comes later,
because a replay would use it for windows that were judged without it.
"""

import logging
import os
from pathlib import Path

from padit.domain.errors import ConfigurationError
from padit.transforms.detectors.artefact import Artefact, read

__all__ = ["Versions"]

_LOG = logging.getLogger(__name__)


class Versions:
    """Models by digest.

    Args:
        path: a file, or a folder of files that end in `.json`.

    Raises:
        ConfigurationError: there is no model, or one cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._seen: dict[str, tuple[int, int, int]] = {}
        self.models: dict[str, Artefact] = {}
        for name in self._changed():
            self._take(read(Path(name)))
        if not self.models:
            message = f"there is no trained model in {path}: make one with padit train"
            raise ConfigurationError(message)

    def refresh(self) -> None:
        """Look for new versions; one that cannot be read is logged and left out."""
        if not self._path.is_dir():
            return  # a single file is read once: what it held before would be gone
        try:
            changed = self._changed()
        except ConfigurationError as error:
            _LOG.warning("no new models: %s", error)
            return
        for name in changed:
            try:
                self._take(read(Path(name)))
            except ConfigurationError as error:
                _LOG.warning("left out: %s", error)

    def _take(self, model: Artefact) -> None:
        self.models[model.digest] = model

    def _changed(self) -> list[str]:
        """Files that are new or not what they were."""
        try:
            if self._path.is_dir():
                names = [e.path for e in os.scandir(self._path) if e.name.endswith(".json")]
            else:
                names = [str(self._path)]
            now = {}
            for name in names:
                stat = Path(name).stat()
                now[name] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        except OSError as error:
            message = f"the model {self._path} cannot be read: {error.strerror or error}"
            raise ConfigurationError(message) from error
        changed = sorted(
            name for name, watermark in now.items() if self._seen.get(name) != watermark
        )
        self._seen = now
        return changed
