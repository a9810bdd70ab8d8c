"""InfluxDB line protocol: `POST /api/v2/write` (and the older `/write`), for its many clients.

Every numeric or boolean field of a line (see `codecs.influx_lines`) is one sample, named
`measurement_field`; tags become source and name as in `adapters.series`. Strings give nothing.
Precision is ns, us, ms or s, by the query. Bad lines are answered with 400, their numbers and
reasons, and the good ones of the same request are taken, as InfluxDB 3 does.
"""

import json
import time
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from padit.adapters.base import AdapterOptions
from padit.adapters.receiver import Call, ReceiverAdapter, ReceiverOptions, Reply, Route
from padit.adapters.series import Namer, Naming, shorten
from padit.codecs.bodies import BadRequestError
from padit.codecs.influx_lines import MOST_NAMED, Line, Lines, parse_lines
from padit.domain.metric import Metric

__all__ = ["InfluxAdapter", "InfluxOptions"]

_SECONDS = {"ns": 1e-9, "n": 1e-9, "us": 1e-6, "u": 1e-6, "ms": 1e-3, "s": 1.0}


class InfluxOptions(ReceiverOptions):
    """Options of the `influx` adapter."""

    port: int = Field(default=8086, ge=0, le=65_535, description="Port; 0 takes a free one.")
    naming: Naming = Field(default=Naming(), description="How tags become names.")


class InfluxAdapter(ReceiverAdapter):
    """InfluxDB line protocol, v2 and v1 write endpoints."""

    Options: ClassVar[type[AdapterOptions]] = InfluxOptions

    def __init__(self, options: InfluxOptions) -> None:
        routes = [
            Route("POST", "/api/v2/write", self.write),
            Route("POST", "/write", self.write),
            Route("GET", "/ping", _ping, needs="nothing"),
            Route("GET", "/health", _health, needs="nothing"),
        ]
        super().__init__(options, routes)
        self._namer = Namer(options.naming, options.name)

    def write(self, call: Call) -> Reply:
        """Take the lines of one request; raises BadRequestError if the precision is unknown."""
        unit = _precision(call.query)
        found = parse_lines(call.body)
        if self._emitter is not None:
            self._emitter.emit(self._samples(found.good, unit, time.time()))
            if found.refused_count:
                self._emitter.fault("malformed", f"line {found.refused[0]}", found.refused_count)
        return _partial(found) if found.refused_count else Reply(204)

    def _samples(self, lines: list[Line], unit: float, received: float) -> list[Metric]:
        found: list[Metric] = []
        for line in lines:
            source, suffix = self._namer.split(line.tags)
            when = received if line.time is None else line.time * unit
            for field, value in line.fields:
                name = shorten(f"{line.measurement}_{field}{suffix}")
                found.append(Metric(when, source, name, value, "", "custom", "influx"))
        return found


def _partial(found: Lines) -> Reply:
    """400 as InfluxDB 3 answers a partial write; its clients do not send the lines again."""
    more = found.refused_count - MOST_NAMED
    named = "; ".join(f"line {reason}" for reason in found.refused)
    answer = {
        "code": "invalid",
        "message": f"partial write: {found.refused_count} lines were dropped, {len(found.good)} "
        f"were taken; {named}{f'; and {more} more' if more > 0 else ''}",
    }
    return Reply(400, json.dumps(answer).encode())


def _precision(query: Mapping[str, str]) -> float:
    given = query.get("precision", "ns")
    if given not in _SECONDS:
        message = f"precision {given!r}; one of: ns, us, ms, s"
        raise BadRequestError(message)
    return _SECONDS[given]


def _ping(_call: Call) -> Reply:
    return Reply(204, headers={"X-Influxdb-Version": "v2.7.0", "X-Influxdb-Build": "OSS"})


def _health(_call: Call) -> Reply:
    body = {"name": "influxdb", "status": "pass", "message": "ready for queries and writes"}
    return Reply(200, json.dumps(body).encode())
