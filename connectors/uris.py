"""Sources and sinks by URI: `kafka://host:9092/metrics`, `data.csv?delimiter=;`, `-`.

A module that can read or write something registers itself for schemes (`kafka`), suffixes
(`.csv`) or words (`-`), and is found by its name: `connectors/*_source.py`,
`connectors/sinks/*.py` and `stores/*_output.py`. A new kind of source or sink is one new file.

A secret has no place in a URI, because arguments of a process and job graphs can be read by
others; connectors take them from a file instead.
"""

import importlib
import os
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

from padit.connectors.file_looks import looks_like
from padit.connectors.sink import OnceSink, Sink
from padit.connectors.source import Source
from padit.domain.errors import ConfigurationError

__all__ = [
    "Address",
    "Bounds",
    "absolute",
    "parse_address",
    "read_client_config",
    "sink_for",
    "sink_from_uri",
    "source_for",
    "source_from_uri",
    "takes_several",
]

# A "?" is a wildcard too: options begin where a name and "=" follow it.
_OPTIONS = re.compile(r"\?(?=[A-Za-z][\w.\-]*=)")
_SECRET = re.compile(r"password|passwd|secret|token|jaas|key\.pem", re.IGNORECASE)


class Bounds(NamedTuple):
    """The part of a source to read; None: no bound.

    Attributes:
        start_time: first event time, microseconds.
        stop_time: event time behind the last one, microseconds.
        start: first offset in every partition, "earliest" or "latest"; a file has no latest.
        stop: offset behind the last one in every partition.
        live: whether to read without end, where the source can.
        patience: how long to wait for a service that does not answer, seconds.
        allow_missing: whether to go on where retention has deleted what was asked for.
        decisions: (partition, offset, watermark): what a recorded live run decided by the clock.
    """

    start_time: int | None = None
    stop_time: int | None = None
    start: int | str | None = None
    stop: int | None = None
    live: bool = False
    patience: float = 60.0
    allow_missing: bool = False
    decisions: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URI.

    Attributes:
        uri: as it was given.
        kind: what is looked up in the registry: a scheme, a suffix with its dot, or a word.
        host: "host:port[,host:port]", empty for files.
        path: file, pattern or directory; topic, without its slash, where there is a host.
        options: from the query, as text; a mapping passed in overrides it.
    """

    uri: str
    kind: str
    host: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str] | None:
        """(service, path): equal for two addresses of one place; None where nothing is kept."""
        if self.kind in ("-", "stdout", "null"):
            return None
        if self.host:
            return (f"{self.kind}://{','.join(sorted(self.host.split(',')))}", self.path)
        return ("", os.path.realpath(self.path))

    def beside(self, name: str) -> str:
        """The URI of a place of its own beside this one, named after it.

        >>> parse_address("kafka://alerts:9092/alerts?client_config=a.conf").beside("now")
        'kafka://alerts:9092/alerts.now?client_config=a.conf'
        >>> parse_address("build/alerts.jsonl").beside("now")
        'build/alerts.now.jsonl'
        """
        if not self.host:
            path = PurePath(self.path)
            slash = "/" if self.path.endswith("/") else ""
            return f"{path.with_suffix(f'.{name}{path.suffix}')}{slash}{_query(self.options)}"
        options = dict(self.options)
        if "writer" in options:  # of several sinks each needs its own
            options["writer"] = f"{options['writer']}.{name}"
        return self.at(f"{self.path}.{name}", options)

    def at(self, path: str, options: Mapping[str, Any]) -> str:
        """The URI of another path of the same service."""
        return f"{self.kind}://{self.host}/{quote(path)}{_query(options)}"

    def refuse_options(self) -> None:
        """For places that take no options. Raises ConfigurationError if some are given."""
        if self.options:
            message = f"{self.uri}: {self.kind} takes no options; remove {', '.join(self.options)}"
            raise ConfigurationError(message)


SourceFactory = Callable[[Address, Bounds], Source]
SinkFactory = Callable[[Address], Sink]
_Factory = TypeVar("_Factory", SourceFactory, SinkFactory)

_sources: dict[str, SourceFactory] = {}
_sinks: dict[str, SinkFactory] = {}
_takes_several: set[str] = set()


def source_for(*kinds: str) -> Callable[[SourceFactory], SourceFactory]:
    """Register a factory of sources for schemes, suffixes or words."""
    return _registration(_sources, kinds)


def sink_for(*kinds: str, several: bool = False) -> Callable[[SinkFactory], SinkFactory]:
    """Register a factory of sinks; `several`: one place takes several outputs of a run."""
    if several:
        _takes_several.update(kinds)
    return _registration(_sinks, kinds)


def _registration(
    registry: dict[str, _Factory], kinds: tuple[str, ...]
) -> Callable[[_Factory], _Factory]:
    def register(factory: _Factory) -> _Factory:
        registry.update(dict.fromkeys(kinds, factory))
        return factory

    return register


def source_from_uri(
    uri: str, bounds: Bounds | None = None, mapping: Mapping[str, Any] | None = None
) -> Source:
    """Make the source that a URI names; nothing is opened yet.

    Args:
        uri: address and options.
        bounds: what part of it to read.
        mapping: further options, as from YAML; they override those of the URI.

    Raises:
        ConfigurationError: an unknown scheme or suffix, or an option that is not allowed.
    """
    address = parse_address(uri, mapping)
    return _known("read", address, _sources)(address, bounds or Bounds())


def sink_from_uri(uri: str, *, once: bool = False) -> Sink:
    """Make the sink that a URI names; nothing is opened yet.

    Args:
        uri: address and options.
        once: deliver exactly once, where the sink can do that.

    Raises:
        ConfigurationError: an unknown scheme or suffix, or an option that is not allowed.
    """
    address = parse_address(uri)
    sink = _known("written", address, _sinks)(address)
    return sink.exactly_once() if once and isinstance(sink, OnceSink) else sink


def takes_several(address: Address) -> bool:
    """Whether a place keeps several outputs of a run apart, as a database does."""
    _discover()
    return address.kind in _takes_several


def parse_address(uri: str, mapping: Mapping[str, Any] | None = None) -> Address:
    """Parse a URI.

    Raises:
        ConfigurationError: it is empty, repeats an option or carries a secret.

    >>> parse_address("data?.csv?delimiter=;")
    Address(uri='data?.csv?delimiter=;', kind='.csv', host='', path='data?.csv', \
options={'delimiter': ';'})
    """
    place, query = [*_OPTIONS.split(uri, maxsplit=1), ""][:2]
    options = _options(place, query)
    scheme, separator, rest = place.partition("://")
    if separator and scheme != "file":
        host, _, path = rest.partition("/")
        if "@" in host:
            message = (
                f"{scheme}://: a URI must not carry a user or password; see docs/connectors.md"
            )
            raise ConfigurationError(message)
        return Address(uri, scheme.lower(), host, unquote(path), {**options, **(mapping or {})})
    path = unquote(rest) if separator else place
    if not path:
        message = f"{uri!r} names neither a file nor a service"
        raise ConfigurationError(message)
    kind = path if path in ("-", "stdout", "null") else PurePath(path).suffix.lower()
    every = {**options, **(mapping or {})}
    if path.endswith("/"):
        kind = "/"
    elif every.get("suffix"):
        kind = f".{every['suffix']}".lower()
    return Address(uri, kind, "", path, every)


def read_client_config(path: str | None) -> dict[str, str]:
    """Settings of a client from a properties file: `name=value` lines, `#` comments.

    Args:
        path: of the file; None gives no settings.

    Raises:
        ConfigurationError: it cannot be read, or a line is no setting (its text is left out, it may
            be a secret).
    """
    if path is None:
        return {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"client_config={path} cannot be read: {error}"
        raise ConfigurationError(message) from error
    settings: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith(("#", "!")):
            continue
        if not equals or not name.strip():
            message = f"client_config={path}: line {number} does not read name=value"
            raise ConfigurationError(message)
        settings[name.strip()] = value.strip()
    return settings


def absolute(path: str | None) -> str | None:
    """A path from a URI or an option, for workers, which may start in another directory."""
    return None if path is None else os.path.abspath(path)


def _query(options: Mapping[str, Any]) -> str:
    return f"?{urlencode(options, quote_via=quote, safe='/:,;')}" if options else ""


def _options(place: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            message = f"{place}: the option {name} is given twice"
            raise ConfigurationError(message)
        if _SECRET.search(name):
            message = (
                f"{place}: {name} must not stand in a URI, others can read it there; "
                "put it into a properties file and name that with client_config=FILE"
            )
            raise ConfigurationError(message)
        options[name] = value
    return options


def _known(verb: str, address: Address, registry: dict[str, _Factory]) -> _Factory:
    _discover()
    if address.kind not in registry:
        known = ", ".join(
            f"{kind}://" if kind.isalpha() and kind not in ("stdout", "null") else kind
            for kind in sorted(registry)
        )
        message = (
            f"{address.uri!r}: nothing known by {address.kind or 'a name without a suffix'!r} "
            f"can be {verb}; known are: {known}"
        )
        if verb == "read" and not address.host:
            message += looks_like(address.path)
        raise ConfigurationError(message)
    return registry[address.kind]


@cache
def _discover() -> None:
    """Import the modules that register themselves."""
    for package, chosen in (
        ("padit.connectors", "_source"),
        ("padit.connectors.sinks", ""),
        ("padit.stores", "_output"),
    ):
        place = importlib.import_module(package)
        for module in pkgutil.iter_modules(place.__path__):
            if module.name.endswith(chosen):
                importlib.import_module(f"{package}.{module.name}")
