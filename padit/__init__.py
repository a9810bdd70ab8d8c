"""PADIT: real-time anomaly detection for metric streams.

The rooms lie at the top of the repository; each is a link here, so that one name, `padit`, stands
in front of all of them wherever the project is installed.
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("padit")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0"
