"""Where trained models lie: a file or a folder of this machine, or of S3 or Google Cloud Storage.

What is read is checked by the model's own digest, wherever it comes from (`artefact.decode`).
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Protocol

from padit.domain.errors import ConfigurationError, PaditError

__all__ = ["ModelPlace", "Stamp", "model_place"]

_LOOK_SECONDS = 60.0  # between two looks at a remote folder, which are requests that cost something
Stamp = tuple[int, ...]


class ModelPlace(Protocol):
    """A place of models."""

    digest: str | None
    """The digest that every model has to have, if one was asked for."""

    def grows(self) -> bool:
        """Whether versions may have come since `files` was asked."""

    def files(self) -> dict[str, Stamp]:
        """What tells each file from what it was before, by name. Raises PaditError."""

    def read(self, name: str) -> bytes:
        """All of a file. Raises PaditError."""


def model_place(path: str) -> ModelPlace:
    """The place that a detector's `path` names; nothing is read yet.

    Raises:
        ConfigurationError: it is no place, or an option of its URI is not known.
    """
    return _Remote(path) if "://" in path else _Local(path)


class _Local:
    digest: str | None = None

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def grows(self) -> bool:
        return self._path.is_dir()  # a single file is read once: what it held would be gone

    def files(self) -> dict[str, Stamp]:
        try:
            if self._path.is_dir():
                names = [e.path for e in os.scandir(self._path) if e.name.endswith(".json")]
            else:
                names = [str(self._path)]
            found: dict[str, Stamp] = {}
            for name in names:
                stat = Path(name).stat()
                found[name] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        except OSError as error:
            raise _unreadable(str(self._path), error) from error
        return found

    def read(self, name: str) -> bytes:
        try:
            return Path(name).read_bytes()
        except OSError as error:
            raise _unreadable(name, error) from error


class _Remote:
    """Objects below a folder, or one object that ends in `.json`."""

    def __init__(self, uri: str) -> None:
        from padit.connectors.archive_place import place_of
        from padit.connectors.uris import parse_address

        self._uri = uri
        address = parse_address(uri)
        self.digest = address.options.get("digest")
        folder, _, name = address.path.rpartition("/")
        self._one = name if name.endswith(".json") else None
        if self._one is not None:
            address = replace(address, path=folder)
        self._place = place_of(address, frozenset({"digest"}))
        self._looked = monotonic()

    def grows(self) -> bool:
        return self._one is None and monotonic() - self._looked >= _LOOK_SECONDS

    def files(self) -> dict[str, Stamp]:
        self._looked = monotonic()
        if self._one is not None:
            return {self._one: ()}
        found: Mapping[str, Stamp] = self._place.stamps()
        return {name: stamp for name, stamp in found.items() if name.endswith(".json")}

    def read(self, name: str) -> bytes:
        try:
            return self._place.read(name)
        except FileNotFoundError as error:
            place = f"{name} of {self._uri}"
            raise _unreadable(place, error) from error


def _unreadable(name: str, error: OSError) -> PaditError:
    return ConfigurationError(f"the model {name} cannot be read: {error.strerror or error}")
