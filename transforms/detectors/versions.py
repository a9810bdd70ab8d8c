"""The trained models of a place: one file, or a folder with the versions of a model.

A folder is looked at again whenever windows close, one of an object store once a minute. Which
version judges a window is decided by event time alone: the one with the latest `valid_from` before
the window's end. So a version has to be there before event time reaches its `valid_from`; a running
job refuses one that comes later, because a replay would use it for windows that were judged without
it.
"""

import logging

from padit.domain.errors import ConfigurationError, PaditError
from padit.transforms.detectors.artefact import Artefact, decode
from padit.transforms.detectors.model_places import Stamp, model_place

__all__ = ["Versions"]

_LOG = logging.getLogger(__name__)


class Versions:
    """Models by digest.

    Args:
        path: a file, or a folder of files that end in `.json`; see `model_places`.

    Raises:
        ConfigurationError: there is no model, or one cannot be read.
        SourceError: the object store does not answer.
    """

    def __init__(self, path: str) -> None:
        self._place = model_place(path)
        self._seen: dict[str, Stamp] = {}
        self.models: dict[str, Artefact] = {}
        for name in self._changed():
            self._take(name)
        if not self.models:
            message = f"there is no trained model in {path}: make one with padit train"
            raise ConfigurationError(message)

    def refresh(self) -> None:
        """Look for new versions; one that cannot be read is logged and left out."""
        if not self._place.grows():
            return
        try:
            changed = self._changed()
        except PaditError as error:
            _LOG.warning("no new models: %s", error)
            return
        for name in changed:
            try:
                self._take(name)
            except PaditError as error:
                _LOG.warning("left out: %s", error)

    def _take(self, name: str) -> None:
        model = decode(self._place.read(name), name)
        asked = self._place.digest
        if asked is not None and model.digest != asked:
            message = f"the model {name} has the digest {model.digest}, and {asked} was asked for"
            raise ConfigurationError(message)
        self.models[model.digest] = model

    def _changed(self) -> list[str]:
        """Files that are new or not what they were."""
        now = self._place.files()
        changed = sorted(name for name, stamp in now.items() if self._seen.get(name) != stamp)
        self._seen = now
        return changed
