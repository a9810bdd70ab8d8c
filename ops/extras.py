"""What to install where a library of an extra is missing: `pip install 'padit[stores]'`.

The base installs what a job, its files and topics need. Libraries of adapters, stores, alerting and
the portal come with extras; a module that the base needs imports them only where it uses them.
"""

import re
from importlib.metadata import PackageNotFoundError, requires

__all__ = ["remedy"]

_PACKAGES = {
    "can": "python-can",
    "google": "googleapis-common-protos",
    "httpcore": "httpx",
    "interlock": "interlock-cb",
    "opentelemetry": "opentelemetry-sdk",
    "paho": "paho-mqtt",
    "starlette": "fastapi",
}
"""Modules whose package, or the package that brings it, has another name."""
_REQUIREMENT = re.compile(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]")
_OF_DEVELOPERS = ("dev", "docs", "fuzz", "mutants", "profile")


def remedy(module: str | None, command: str = "") -> str | None:
    """How to get a module that is missing; None: no extra of PADIT holds it.

    Args:
        module: as a `ModuleNotFoundError` names it.
        command: of `padit`; an extra of its name is preferred to others.

    >>> remedy("redis.exceptions"), remedy("interlock", "alerting"), remedy("nowhere")
    ("pip install 'padit[stores]'", "pip install 'padit[alerting]'", None)
    """
    top = (module or "").partition(".")[0]
    package = _PACKAGES.get(top, top).replace("_", "-").lower()
    found = [extra for name, extra in _by_extra() if name == package]
    found.sort(key=lambda extra: (extra != command, extra != "stores", extra))
    if not found:
        return None
    return f"pip install 'padit[{found[0]}]'"


def _by_extra() -> list[tuple[str, str]]:
    """Packages with the extras of PADIT that need them."""
    try:
        lines = requires("padit") or []
    except PackageNotFoundError:  # run from a folder, without being installed
        return []
    found = filter(None, map(_REQUIREMENT.match, lines))
    pairs = [(one[1].replace("_", "-").lower(), one[2]) for one in found]
    return [pair for pair in pairs if pair[1] not in _OF_DEVELOPERS]
