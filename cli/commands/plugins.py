"""`padit plugins`: which plug-ins there are, and which of them are broken."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from padit.domain.errors import ConfigurationError
from padit.ops.plugins import KINDS, Plugin, every_plugin, plugins_folder

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "List and check plug-ins: adapters, detectors, notifiers."
EXAMPLES = """\
  # Plug-ins of installed packages, and those in a folder with detectors/, protocol_adapters/ ...
  padit plugins
  padit plugins --plugins ./plugins

  # Use them: --plugins goes with every command, or set PADIT_PLUGINS
  padit run --plugins ./plugins --input metrics.jsonl --config job.yaml

Exit code 1: at least one plug-in is broken; the others can be used.
"""


class _Found(NamedTuple):
    plugin: Plugin
    digest: str
    fault: str
    about: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON object for each plug-in")


def run(args: argparse.Namespace) -> int:
    """Import and check every plug-in; the exit code is 1 if one is broken.

    Raises:
        ConfigurationError: the folder of plug-ins is wrong.
    """
    folder = plugins_folder()
    found = [
        _check(plugin, check)
        for kind, (built_in, check) in _kinds().items()
        for plugin in every_plugin(kind, built_in)
    ]
    if args.json:
        for one in found:
            line = {**_plain(one.plugin), "digest": one.digest, "about": one.about}
            print(json.dumps({**line, "fault": one.fault or None}))
    else:
        for one in found:
            print(_line(one))
        if not found:
            where = f"in {folder} and in" if folder else "(no --plugins DIR was given) in"
            print(f"no plug-ins {where} installed packages")
    return 1 if any(one.fault for one in found) else 0


def _kinds() -> dict[str, tuple[Mapping[str, str], Callable[[Plugin], Any]]]:
    """For each kind the built-in names, and what loads a plug-in of it and checks its form."""
    from padit.adapters.registry import BUILT_IN, class_of
    from padit.transforms.detectors import registry
    from padit.transforms.detectors.plugged import PluggedDetector

    checks: dict[str, tuple[Mapping[str, str], Callable[[Plugin], Any]]] = {
        "adapter": (BUILT_IN, class_of),
        "detector": (dict.fromkeys(registry(), ""), lambda one: PluggedDetector.of(one).create),
    }
    return {kind: checks.get(kind, ({}, Plugin.load)) for kind in KINDS}


def _check(plugin: Plugin, check: Callable[[Plugin], Any]) -> _Found:
    try:
        loaded = check(plugin)
        about = (getattr(loaded, "__doc__", None) or "").strip().partition("\n")[0]
        return _Found(plugin, plugin.digest(), "", about)
    except ConfigurationError as error:
        return _Found(plugin, "", str(error), "")


def _plain(plugin: Plugin) -> dict[str, str]:
    return {"kind": plugin.kind, "name": plugin.name, "place": plugin.place}


def _line(one: _Found) -> str:
    kind, name, place = _plain(one.plugin).values()
    if one.fault:
        return f"{kind:<9} {name:<20} broken        {one.fault}"
    return f"{kind:<9} {name:<20} {one.digest[:12]}  {one.about or '-'}  [{place}]"
