"""The series of OTLP, and what is remembered about each.

A series is a resource, a scope, an instrument (name, unit, kind) and the attributes of a point. Its
identity holds them all, so two resources, scopes or instruments never share a counter. A request
names resource and scope once for many points; so does the look-up here, in three steps.
"""

import re
from collections.abc import Iterable
from typing import Any

from padit.adapters.histograms import Distribution
from padit.adapters.identities import Output, Outputs, Records
from padit.adapters.otlp_names import (
    IdentityError,
    ResourceName,
    ResourceNamer,
    pairs_of,
    text_of,
)
from padit.adapters.series import Counter, Labels, Namer, Naming
from padit.codecs.names import shortened

__all__ = ["Instrument", "Known", "OtlpSeries", "Scope"]

_CUMULATIVE = 2
_CLIENT = re.compile(r"(^|\.)client\.")  # as in http.client.request.duration
_TEMPORAL = ("sum", "histogram", "exponential_histogram")


class Known:
    """What is remembered about one series.

    Attributes:
        identity: all that tells it apart.
        source_id: of its samples.
        suffix: labels that its names end in.
        metadata: of its samples.
        counter: the last cumulative point.
        distribution: the last cumulative histogram.
        time: nanoseconds of the last delta, 0 before the first.
        total: sum of all deltas.
        outputs: series of ours, by the ending of the name.
        used: number of the request that brought it last.
    """

    __slots__ = ("counter", "distribution", "identity", "metadata", "outputs", "source_id",
                 "suffix", "time", "total", "used")  # fmt: skip

    def __init__(
        self, identity: Labels, source_id: str, suffix: str, metadata: dict[str, str]
    ) -> None:
        self.identity = identity
        self.source_id = source_id
        self.suffix = suffix
        self.metadata = metadata
        self.counter: Counter | None = None
        self.distribution: Distribution | None = None
        self.time = 0
        self.total = 0.0
        self.outputs: dict[str, Output] = {}
        self.used = 0

    def end(self) -> None:
        """The series has ended: another may go on with its names."""
        for output in self.outputs.values():
            output.release(self.identity)


class Scope:
    """A scope of a resource.

    Attributes:
        fault: why none of its points can be used, "" if they can.
        identity: parts of its series' identities.
        resource: what the resource gives to names.
        labels: what the scope does.
        instruments: by name, unit and kind.
    """

    __slots__ = ("fault", "identity", "instruments", "labels", "resource")

    def __init__(self, resource: ResourceName, identity: Labels, labels: dict[str, str]) -> None:
        self.fault = ""
        self.identity = identity
        self.resource = resource
        self.labels = labels
        self.instruments: dict[tuple[str, str, str, bool], Instrument] = {}


class Instrument:
    """A metric of a scope.

    Attributes:
        temporality: of the request's points; 2 where the kind has none.
        known: series by the attributes of their points, as they came.
    """

    __slots__ = ("kind", "known", "monotonic", "name", "scope", "temporality", "unit")

    def __init__(self, scope: Scope, name: str, unit: str, kind: str, monotonic: bool) -> None:
        self.scope = scope
        self.name = name
        self.unit = unit
        self.kind = kind
        self.monotonic = monotonic
        self.temporality = _CUMULATIVE
        self.known: dict[object, Known] = {}

    @staticmethod
    def key(attributes: Iterable[Any]) -> object:
        """Attributes as a key, in the order they came."""
        return tuple([(one.key, one.value.string_value or _key(one.value)) for one in attributes])


def _key(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind in (None, "string_value"):
        return kind
    if kind in ("array_value", "kvlist_value"):
        return kind, value.SerializeToString(deterministic=True)
    return kind, getattr(value, kind)


class OtlpSeries:
    """All series of a receiver; bounded.

    Args:
        naming: how attributes become names.
        fallback: source of points whose attributes name none.

    Attributes:
        request: number of the current request.
    """

    def __init__(self, naming: Naming, fallback: str) -> None:
        self._namer = Namer(naming, fallback)
        self._resources = ResourceNamer(naming, self._namer)
        self._outputs = Outputs()
        self._records: Records[Known] = Records(naming.max_series, self._outputs)
        self._scopes: dict[object, Scope] = {}
        self._most = naming.max_series
        self._keys = 0
        self.request = 0

    def begin(self) -> None:
        """A new request."""
        self.request += 1
        if self._keys > 2 * self._most:
            self._forget()

    def scope(self, resource: Any, within: Any) -> Scope:
        """The scope of a `ScopeMetrics` in a `ResourceMetrics`."""
        scope = within.scope
        key = (
            Instrument.key(resource.resource.attributes),
            scope.name,
            scope.version,
            within.schema_url,
            Instrument.key(scope.attributes),
        )
        found = self._scopes.get(key)
        if found is None:
            self._keys += 1
            found = self._scopes[key] = self._make_scope(resource.resource, within)
        return found

    def _make_scope(self, resource: Any, within: Any) -> Scope:
        scope = within.scope
        try:
            identity = (
                *pairs_of(resource.attributes, "resource:"),
                ("otel_scope_name", scope.name),
                ("otel_scope_version", scope.version),
                ("otel_scope_schema_url", within.schema_url),
                *pairs_of(scope.attributes, "otel_scope:"),
            )
        except IdentityError as error:
            refused = Scope(ResourceName("", {}, {}, {}), (), {})
            refused.fault = str(error)
            return refused
        name = self._resources.name({p.key: text_of(p.value) for p in resource.attributes})
        labels = {f"otel_scope_{p.key}": text_of(p.value) for p in scope.attributes}
        labels |= {"otel_scope_name": scope.name, "otel_scope_version": scope.version}
        return Scope(name, identity, labels)

    def instrument(self, scope: Scope, metric: Any, kind: str, data: Any) -> Instrument:
        """The instrument of a `Metric` with data of this kind."""
        monotonic = kind == "sum" and data.is_monotonic
        key = (metric.name, metric.unit, kind, monotonic)
        found = scope.instruments.get(key)
        if found is None:
            self._keys += 1
            found = scope.instruments[key] = Instrument(scope, *key)
        if kind in _TEMPORAL:
            found.temporality = data.aggregation_temporality
        return found

    def learn(self, of: Instrument, key: object, point: Any) -> Known:
        """What is remembered of a point's series; raises IdentityError if it cannot be one."""
        scope = of.scope
        own = (("__name__", of.name), ("__unit__", of.unit), ("__kind__", _kind(of)))
        identity = tuple(sorted((*scope.identity, *own, *pairs_of(point.attributes))))
        known = self._records.get(identity)
        if known is None:
            labels = dict(scope.labels)
            attributes = {pair.key: text_of(pair.value) for pair in point.attributes}
            for name, text in scope.resource.labels.items():
                labels[f"resource.{name}" if name in attributes else name] = text
            labels |= attributes
            if scope.resource.source:
                source, suffix = scope.resource.source, self._namer.suffix(labels)
            else:
                source, suffix = self._namer.name(labels)
            edge = self._namer.edge(_facts(of, attributes), source)
            known = Known(identity, source, suffix, scope.resource.metadata | edge)
            known.used = self.request
            if self._records.add(known):
                self._forget()
        of.known[key] = known
        self._keys += 1
        return known

    def output(self, known: Known, of: Instrument, ending: str) -> Output:
        """The series of ours whose name has this ending."""
        # What a sum counts has its unit; observations of a distribution have none.
        counted = of.unit if of.kind == "sum" else ""
        unit = f"{counted or 1}/s" if ending == "_per_s" else of.unit
        name = shortened(f"{of.name}{ending}{known.suffix}")
        made = known.outputs[ending] = self._outputs.of(known.source_id, name, shortened(unit))
        return made

    def _forget(self) -> None:
        """Forget the keys, not what they led to."""
        self._scopes.clear()
        self._keys = 0


def _facts(of: Instrument, attributes: dict[str, str]) -> dict[str, str]:
    """What a point says of its surroundings; the server's address is the other end of a client."""
    facts = of.scope.resource.facts | attributes
    address = attributes.get("server.address", "")
    if address and _CLIENT.search(of.name):
        facts.setdefault("peer.service", address)
    return facts


def _kind(of: Instrument) -> str:
    return f"{of.kind}, monotonic" if of.monotonic else of.kind
