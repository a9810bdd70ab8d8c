"""Which stores there are: one module of `stores.kinds` for each.

A module has `SCHEMES` (of its URIs), `Settings` (a `Section`; keys of the YAML file and options of
the URI) and `create(address, settings) -> Store`. It imports its client library only in `open`, so
a missing library affects only the store that needs it.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import ValidationError

import padit.stores.kinds
from padit.connectors.uris import Address, parse_address
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError
from padit.stores.base import Store

__all__ = ["store_from_uri", "stores"]


def stores() -> dict[str, ModuleType]:
    """Modules by the scheme of their URIs."""
    found: dict[str, ModuleType] = {}
    for info in pkgutil.iter_modules(padit.stores.kinds.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"padit.stores.kinds.{info.name}")
        found |= dict.fromkeys(module.SCHEMES, module)
    return dict(sorted(found.items()))


def store_from_uri(uri: str, config: Mapping[str, Any] | None = None) -> Store:
    """The store that a URI names; nothing is opened yet.

    Args:
        uri: address and options.
        config: settings; options of the URI override them.

    Raises:
        ConfigurationError: an unknown scheme, or a setting that is not allowed.
    """
    address: Address = parse_address(uri)
    known = stores()
    if address.kind not in known:
        message = f"{uri!r}: no store is known by {address.kind!r}; known are: " + ", ".join(
            f"{one}://" for one in known
        )
        raise ConfigurationError(message)
    module = known[address.kind]
    try:
        settings = module.Settings.model_validate({**(config or {}), **address.options})
    except ValidationError as error:
        raise ConfigurationError(explain(uri, module.Settings, error)) from error
    made: Store = module.create(address, settings)
    return made
