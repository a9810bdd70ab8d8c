"""Imported first: a process sees the libraries that are shipped, not those of the tests alone."""

import sys
from importlib.abc import MetaPathFinder

__all__ = ["OfTheTests"]


class OfTheTests(MetaPathFinder):
    """Hides pandas, which no image has: where it is, Beam loads it, 41 MB a process."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Of everything else another finder knows."""
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


sys.meta_path.insert(0, OfTheTests())
