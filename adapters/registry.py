"""Which adapters there are: the built-in ones and the plug-ins (see `ops.plugins`).

A module is imported only when its adapter is used, so a missing library affects only adapters
that need it.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from padit.adapters.base import Adapter
from padit.adapters.plugged import plugged
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError
from padit.ops.plugins import Plugin, find_plugins

__all__ = ["BUILT_IN", "adapter_class", "adapter_types", "class_of", "create_adapter", "create_all"]

BUILT_IN: Mapping[str, str] = {
    "can": "padit.adapters.can:CanAdapter",
    "canary": "padit.adapters.canary:CanaryAdapter",
    "factory": "padit.adapters.factory_live:FactoryAdapter",
    "host": "padit.adapters.host:HostAdapter",
    "http": "padit.adapters.http_probe:HttpAdapter",
    "influx": "padit.adapters.influx:InfluxAdapter",
    "logs": "padit.adapters.logs:LogsAdapter",
    "modbus": "padit.adapters.modbus:ModbusAdapter",
    "mqtt": "padit.adapters.mqtt:MqttAdapter",
    "opcua": "padit.adapters.opcua:OpcUaAdapter",
    "oran-cfm": "padit.adapters.oran_cfm:OranCfmAdapter",
    "otlp": "padit.adapters.otlp:OtlpAdapter",
    "prometheus": "padit.adapters.prometheus:PrometheusAdapter",
    "prometheus-scrape": "padit.adapters.prometheus_scrape:PrometheusScrapeAdapter",
    "snmp": "padit.adapters.snmp:SnmpAdapter",
    "syslog": "padit.adapters.syslog:SyslogAdapter",
}


def adapter_types() -> dict[str, str]:
    """Type to where it is: `module:Class` or a path. Raises ConfigurationError as plug-ins do."""
    found = {name: plugin.place for name, plugin in find_plugins("adapter", BUILT_IN).items()}
    return dict(sorted({**BUILT_IN, **found}.items()))


def adapter_class(kind: str) -> type[Adapter]:
    """The class of an adapter type.

    Raises:
        ConfigurationError: no such type, or a library it needs is not installed.
    """
    plugins = find_plugins("adapter", BUILT_IN)
    if kind in plugins:
        return class_of(plugins[kind])
    if kind not in BUILT_IN:
        known = ", ".join(sorted({*BUILT_IN, *plugins}))
        message = f"unknown adapter type {kind!r}; there are: {known}"
        raise ConfigurationError(message)
    module, _, name = BUILT_IN[kind].partition(":")
    try:
        found: type[Adapter] = getattr(import_module(module), name)
    except ImportError as error:
        message = f"adapter {kind!r} cannot be loaded ({error}): pip install 'padit[adapters]'"
        raise ConfigurationError(message) from error
    return found


def class_of(plugin: Plugin) -> type[Adapter]:
    """The class of a plug-in.

    Raises:
        ConfigurationError: it cannot be loaded, or is no adapter.
    """
    found = plugin.load()
    if not isinstance(found, type):
        return plugged(plugin.name, found)
    if not hasattr(found, "Options"):
        message = f"adapter {plugin.name!r}: {plugin.place} is no adapter class"
        raise ConfigurationError(message)
    return found


def create_adapter(config: Mapping[str, Any], place: str = "adapter") -> Adapter:
    """Make an adapter from its section of the configuration.

    Args:
        config: `type` and the options of that type.
        place: where the section stands, for messages.

    Raises:
        ConfigurationError: unknown type, or an option that is not allowed.
    """
    kind = config.get("type")
    if not isinstance(kind, str):
        message = f"{place}: the key `type` is missing; one of: {', '.join(adapter_types())}"
        raise ConfigurationError(message)
    chosen = adapter_class(kind)
    try:
        options = chosen.Options.model_validate({"name": kind, **config})
    except ValidationError as error:
        raise ConfigurationError(explain(place, chosen.Options, error)) from error
    maker: Any = chosen
    made: Adapter = maker(options)
    return made


def create_all(sections: Sequence[Mapping[str, Any]]) -> list[Adapter]:
    """All adapters of a configuration's list.

    Raises:
        ConfigurationError: one is wrong, or two have the same name.
    """
    made = [
        create_adapter(section, f"adapters.{position}") for position, section in enumerate(sections)
    ]
    names: set[str] = set()
    for position, adapter in enumerate(made):
        name = adapter.options.name
        if name in names:
            message = f"adapters.{position}.name: {name!r} is taken; give each adapter its own"
            raise ConfigurationError(message)
        names.add(name)
    return made
