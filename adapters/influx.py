"""InfluxDB line protocol: `POST /api/v2/write` and `/write` of InfluxDB 1, for their many clients.

Every numeric or boolean field of a line (see `codecs.influx_lines`) is one sample; tags become
source and name as in `adapters.series`. A sample is named `measurement_field`, or
`measurement.field` where the measurement has an underscore or one of the two has a dot, so that
`disk`, `io_time` and `disk_io`, `time` are two series: `disk_io_time` and `disk_io.time`. Fields
that hold text are counted as unwatched.

Precision is ns, us, ms or s, by the query. Lines that do not follow the protocol, whose time is not
in the years 2000 to 2199, or that would be mixed into another series are refused with their numbers
and reasons, 400 and `partial write`, which clients do not repeat; the good ones are taken.
A token may also come as the password of a login, as clients of InfluxDB 1 send it.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar
from urllib.parse import parse_qs

from pydantic import Field

from padit.adapters.base import AdapterOptions
from padit.adapters.identities import MixedError, Output, Outputs, Records
from padit.adapters.receiver import Call, ReceiverAdapter, ReceiverOptions, Reply, Route
from padit.adapters.series import Labels, Namer, Naming
from padit.codecs.bodies import BadRequestError
from padit.codecs.influx_lines import MOST_NAMED, PRECISIONS, Line, Lines, parse_lines
from padit.codecs.names import shortened
from padit.domain.metric import Metric

__all__ = ["InfluxAdapter", "InfluxOptions", "name_of"]

_SHORT = {"n": "ns", "u": "us", "\u00b5": "us"}


class InfluxOptions(ReceiverOptions):
    """Options of the `influx` adapter."""

    port: int = Field(default=8086, ge=0, le=65_535, description="Port; 0 takes a free one.")
    naming: Naming = Field(default=Naming(), description="How tags become names.")


class _Head:
    """What is remembered about a measurement with its tags.

    Attributes:
        identity: measurement and tags, sorted.
        metadata: of its samples.
        outputs: series of ours by field.
        used: number of the request that brought it last.
    """

    __slots__ = ("identity", "measurement", "metadata", "outputs", "source_id", "suffix", "used")

    def __init__(
        self,
        identity: Labels,
        measurement: str,
        source_id: str,
        suffix: str,
        metadata: dict[str, str],
    ) -> None:
        self.identity = identity
        self.measurement = measurement
        self.source_id = source_id
        self.suffix = suffix
        self.metadata = metadata
        self.outputs: dict[str, Output] = {}
        self.used = 0


class InfluxAdapter(ReceiverAdapter):
    """InfluxDB line protocol, v2 and v1 write endpoints."""

    Options: ClassVar[type[AdapterOptions]] = InfluxOptions

    def __init__(self, options: InfluxOptions) -> None:
        routes = [
            Route("POST", "/api/v2/write", self.write, logins=True),
            Route("POST", "/write", partial(self.write, answer=_partial_v1), logins=True),
            Route("POST", "/query", _query, logins=True),
            Route("GET", "/query", _query, needs="token", logins=True),
            Route("GET", "/ping", _ping, needs="nothing"),
            Route("GET", "/health", _health, needs="nothing"),
        ]
        super().__init__(options, routes)
        self._namer = Namer(options.naming, options.name)
        self._outputs = Outputs()
        self._records: Records[_Head] = Records(options.naming.max_series, self._outputs)
        self._known: dict[tuple[str, Labels], _Head] = {}
        self._request = 0
        self._lock = threading.Lock()

    def write(self, call: Call, answer: "Callable[[Lines], Reply] | None" = None) -> Reply:
        """Take the lines of one request; raises BadRequestError if the precision is unknown."""
        precision = _precision(call.query)
        found = parse_lines(call.body, precision)
        with self._lock:
            self._request += 1
            samples = self._samples(found, PRECISIONS[precision] / 1e9, time.time())
        if self._emitter is not None:
            self._emitter.emit(samples)
            if found.refused_count:
                self._emitter.fault("malformed", f"line {found.refused[0]}", found.refused_count)
            texts = [(line, name) for line in found.good for name in line.texts]
            if texts:
                line, name = texts[0]
                message = f"field {name} of {line.measurement} holds text; numbers are watched"
                self._emitter.unwatched("text", message, len(texts))
        return (answer or _partial)(found) if found.refused_count else Reply(204)

    def _samples(self, lines: Lines, unit: float, received: float) -> list[Metric]:
        found: list[Metric] = []
        mixed: dict[int, str] = {}
        known, request = self._known, self._request
        for position, line in enumerate(lines.good):
            measurement, tags, fields, stamp, _ = line
            head = known.get((measurement, tags)) or self._learn(line)
            head.used = request
            when = received if stamp is None else stamp * unit
            for field, value in fields:
                output = head.outputs.get(field) or self._output(head, field)
                if output.owner is head.identity and when >= output.last:
                    output.last = when  # what `take` does, without the cost of a call
                else:
                    try:
                        output.take(head.identity, when)
                    except MixedError as error:
                        mixed.setdefault(position, str(error))
                        continue
                found.append(
                    Metric(
                        when, output.source_id, output.metric_name, value, "", "custom", "influx",
                        head.metadata,
                    )
                )  # fmt: skip
        numbers = lines.numbers if mixed else []
        for position, reason in mixed.items():
            lines.refuse(numbers[position], reason)
            lines.taken -= 1
        return found

    def _learn(self, line: Line) -> _Head:
        identity = tuple(sorted((*line.tags, ("__measurement__", line.measurement))))
        head = self._records.get(identity)
        if head is None:
            tags = dict(line.tags)
            source, suffix = self._namer.name(tags)
            edge = self._namer.edge(tags, source)
            head = _Head(identity, line.measurement, source, suffix, edge)
            head.used = self._request
            if self._records.add(head):
                self._known.clear()
        if len(self._known) >= 2 * self.options.naming.max_series:
            self._known.clear()
        self._known[line.measurement, line.tags] = head
        return head

    def _output(self, head: _Head, field: str) -> Output:
        name = shortened(name_of(head.measurement, field) + head.suffix)
        made = head.outputs[field] = self._outputs.of(head.source_id, name)
        return made


def name_of(measurement: str, field: str) -> str:
    r"""One name for both; two pairs never have the same.

    >>> name_of("cpu", "usage_idle"), name_of("disk", "io_time"), name_of("disk_io", "time")
    ('cpu_usage_idle', 'disk_io_time', 'disk_io.time')
    >>> name_of("a.b", "c") == "a\\.b.c"
    True
    """
    if "_" not in measurement and "." not in measurement and "." not in field:
        return f"{measurement}_{field}"
    escaped = measurement.replace("\\", "\\\\").replace(".", "\\.")
    return f"{escaped}.{field}"


def _reasons(found: Lines) -> str:
    more = found.refused_count - MOST_NAMED
    named = "; ".join(f"line {reason}" for reason in found.refused)
    return f"{named}; and {more} more" if more > 0 else named


def _partial(found: Lines) -> Reply:
    """400 as InfluxDB 3 answers a partial write; its clients do not send the lines again."""
    answer = {
        "code": "invalid",
        "message": f"partial write: {found.refused_count} lines were dropped, {found.taken} were "
        f"taken; {_reasons(found)}",
    }
    return Reply(400, json.dumps(answer).encode())


def _partial_v1(found: Lines) -> Reply:
    """400 as InfluxDB 1 answers it."""
    message = f"partial write: {_reasons(found)} dropped={found.refused_count}"
    return Reply(400, json.dumps({"error": message}).encode())


def _precision(query: Mapping[str, str]) -> str:
    given = query.get("precision") or "ns"
    name = _SHORT.get(given, given)
    if name not in PRECISIONS:
        message = f"precision {given[:60]!r}; one of: {', '.join(PRECISIONS)}"
        raise BadRequestError(message)
    return name


def _query(call: Call) -> Reply:
    """Clients of InfluxDB 1 create their database before they write; there is nothing to create."""
    query = call.query.get("q") or parse_qs(call.body.decode("utf-8", "replace")).get("q", [""])[0]
    if query.lstrip(" \t\r\n").upper().startswith("CREATE DATABASE"):
        return Reply(200, b'{"results":[{"statement_id":0}]}')
    return Reply(400, b'{"error":"only CREATE DATABASE is answered; this receiver is written to"}')


def _ping(_call: Call) -> Reply:
    return Reply(204, headers={"X-Influxdb-Version": "v2.7.0", "X-Influxdb-Build": "OSS"})


def _health(_call: Call) -> Reply:
    body = {"name": "influxdb", "status": "pass", "message": "ready for queries and writes"}
    return Reply(200, json.dumps(body).encode())
