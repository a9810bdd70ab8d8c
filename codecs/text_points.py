r"""Lines that senders of metrics write, as files hold them: one or several points in each.

    weather,place=a temperature=21.5,wet=f 1767571200000000000     line protocol of InfluxDB
    servers.web01.load 0.5 1767571200                              Graphite; tags behind `;`
    put sys.cpu.user 1767571200 42.5 host=web01 cpu=0              OpenTSDB; `put` may be missing
    [SERVICEPERFDATA]\t1767571200\tweb01\tLoad\t0.01\t0.1\tload1=0.5;5;10   Nagios, by its templates
    PUTVAL "web01/load/load" interval=10 1767571200:0.5:0.4:0.3    collectd

Times count from 1970 in the unit that their size shows. A line without a time is refused, since a
file says nothing of when it came.
"""

import math
import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from padit.codecs.decimals import DECIMAL
from padit.codecs.influx_lines import LineError, parse_line
from padit.codecs.promtool import SCRAPE_REMEDY, Labels, is_export, is_scraped
from padit.domain.errors import WireFormatError

__all__ = ["KINDS", "Point", "kind_of_lines", "read_points", "told_of"]

Point = tuple[Labels, float, float]
"""Labels of the series with `__name__`, sorted; the value; epoch seconds."""

_NUMBER = re.compile(DECIMAL)
_UNITS = ((1e17, 10**9), (1e14, 10**6), (1e11, 10**3))
_PUTVAL = re.compile(r'PUTVAL\s+("[^"]+"|\S+)((?:\s+\w+=\S+)*)\s+(\S+)')
_PERF = re.compile(r"\s*('[^'=]+'|[^'=\s]+)=([^\s;]*)(?:;[^\s;]*)*")
_PERF_VALUE = re.compile(
    r"([-+]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?|U)[^0-9.,]*"
)
_STATSD = re.compile(r"[^\s:|]+:[-+]?[0-9.]+\|(?:c|g|ms|s|h|d|m)(?:\|[@#T]\S*)*")
_EXPOSITION = re.compile(r"# (?:TYPE|HELP|UNIT) [a-zA-Z_:][a-zA-Z0-9_:]* ?.*")
_SHOWN = 100
_NO_TIME = (
    "it has no time: a database takes that of its arrival, and a file has none; write it with a "
    "time, or send it to the adapter `influx`"
)


def _value(text: str) -> float:
    if len(text) <= 400 and _NUMBER.fullmatch(text):
        return float(text)
    if text.lower() in ("nan", "u", "none", "null"):
        return math.nan
    message = f"{text[:60]!r} is no number"
    raise WireFormatError(message)


def _time(text: str) -> float:
    """Epoch seconds of a number of any unit."""
    if not (len(text) <= 40 and _NUMBER.fullmatch(text)):
        message = f"timestamp {text[:60]!r} is no number"
        raise WireFormatError(message)
    if re.fullmatch("-?[0-9]+", text):
        return _seconds(int(text))
    return _seconds(float(text))


def _seconds(number: float) -> float:
    return next((number / unit for least, unit in _UNITS if abs(number) >= least), float(number))


def _tags(pairs: Sequence[str], name: str) -> Labels:
    found = {"__name__": name}
    for pair in pairs:
        tag, equals, text = pair.partition("=")
        if not (tag and equals and text):
            message = f"{pair[:60]!r} is no tag=value"
            raise WireFormatError(message)
        found[tag] = text
    return tuple(sorted(found.items()))


def _influx(line: str) -> tuple[list[Point], int]:
    try:
        found = parse_line(line)
    except LineError as error:
        raise WireFormatError(str(error)) from error
    if found.time is None:
        raise WireFormatError(_NO_TIME)
    when = _seconds(found.time)
    tags = dict(found.tags)
    points = [
        (tuple(sorted((tags | {"__name__": f"{found.measurement}_{field}"}).items())), value, when)
        for field, value in found.fields
    ]
    return points, len(found.texts)


def _graphite(line: str) -> tuple[list[Point], int]:
    parts = line.split()
    if len(parts) != 3:
        message = "a line of Graphite has a path, a value and a time"
        raise WireFormatError(message)
    path, *tags = parts[0].split(";")
    return [(_tags(tags, path), _value(parts[1]), _time(parts[2]))], 0


def _opentsdb(line: str) -> tuple[list[Point], int]:
    parts = line.removeprefix("put ").split()
    if len(parts) < 4:
        message = "a line of OpenTSDB has a metric, a time, a value and tags"
        raise WireFormatError(message)
    name, when, value, *tags = parts
    return [(_tags(tags, name), _value(value), _time(when))], 0


def _perfdata(line: str) -> tuple[list[Point], int]:
    cells = line.split("\t")
    pairs = {one.partition("::")[0]: one.partition("::")[2] for one in cells if "::" in one}
    if pairs:
        when, host = pairs.get("TIMET", ""), pairs.get("HOSTNAME", "")
        service = pairs.get("SERVICEDESC", "host")
        data = pairs.get("SERVICEPERFDATA", pairs.get("HOSTPERFDATA", ""))
    elif len(cells) >= 6 and cells[0] in ("[SERVICEPERFDATA]", "[HOSTPERFDATA]"):
        _, when, host, service, *_ = cells
        service = service if cells[0] == "[SERVICEPERFDATA]" else "host"
        data = cells[-1]
    else:
        message = "a line of Nagios has a time, a host, a service and performance data"
        raise WireFormatError(message)
    time, found, texts = _time(when), [], 0
    for one in _PERF.finditer(data):
        name = one[1].strip().strip("'")
        value = _PERF_VALUE.fullmatch(one[2])
        if value is None:
            texts += 1
            continue
        number = _value(value[1].replace(",", "."))
        found.append((_tags([f"host={host}"], f"{service}.{name}"), number, time))
    return found, texts


def _collectd(line: str) -> tuple[list[Point], int]:
    found = _PUTVAL.fullmatch(line)
    if found is None:
        message = "a line of collectd is PUTVAL host/plugin/type and time:value"
        raise WireFormatError(message)
    host, slash, rest = found[1].strip('"').partition("/")
    when, *values = found[3].split(":")
    if not (slash and rest and values):
        message = f"{line[:60]!r} has no host/plugin/type and time:value"
        raise WireFormatError(message)
    names = [rest] if len(values) == 1 else [f"{rest}.{at}" for at in range(len(values))]
    pairs = zip(names, values, strict=True)
    return [(_tags([f"host={host}"], name), _value(one), _time(when)) for name, one in pairs], 0


KINDS: dict[str, tuple[str, Callable[[str], tuple[list[Point], int]]]] = {
    "lp": ("line protocol of InfluxDB", _influx),
    "graphite": ("Graphite's plaintext", _graphite),
    "opentsdb": ("OpenTSDB's lines", _opentsdb),
    "perfdata": ("performance data of Nagios", _perfdata),
    "collectd": ("collectd's PUTVAL lines", _collectd),
}
"""By suffix: what the lines are, and the points of one with the number of its fields of text."""


def read_points(kind: str, line: str) -> tuple[list[Point], int]:
    """The points of a line, none of an empty one or a comment, and its fields of text.

    Raises:
        WireFormatError: it is no such line.

    >>> read_points("graphite", "a.b;host=x 1.5 1767571200")
    ([((('__name__', 'a.b'), ('host', 'x')), 1.5, 1767571200.0)], 0)
    """
    text = line.strip()
    if not text or text[0] == "#":
        return [], 0
    return KINDS[kind][1](text)


def kind_of_lines(lines: Sequence[str]) -> str:
    """The suffix that reads such lines: one of `KINDS`, "prom", "scrape" or "statsd"; "".

    >>> kind_of_lines(["put a.b 1767571200 1 host=x"]), kind_of_lines(["time,a", "1,2"])
    ('opentsdb', '')
    """
    shown = [line.strip() for line in lines if line.strip()][:_SHOWN]
    text = [line for line in shown if line[0] != "#"]
    if not text:
        return ""
    if any(map(_EXPOSITION.fullmatch, shown[:20])) or is_export(text[0]):
        return "scrape" if all(map(is_scraped, text)) else "prom"
    if all(map(is_scraped, text)) and any("{" in line for line in text):
        return "scrape"
    if all(map(_STATSD.fullmatch, text)):
        return "statsd"
    if all(line.startswith("PUTVAL ") for line in text):
        return "collectd"
    if all("PERFDATA]\t" in line or "PERFDATA::" in line for line in text):
        return "perfdata"
    return next((kind for kind in ("lp", "graphite", "opentsdb") if _all_fit(kind, text)), "")


def _all_fit(kind: str, text: Sequence[str]) -> bool:
    """Whether nearly all lines are of a kind; a row of a table is none, nor is its header."""
    fits = list(_fit(kind, text))
    header = not fits[0] and not re.search("[0-9]", text[0])
    return not header and sum(fits) >= 0.9 * len(text)


def _fit(kind: str, text: Sequence[str]) -> Iterator[bool]:
    for line in text:
        try:
            if kind == "lp":
                found = parse_line(line)
                yield bool(found.fields or found.texts)
                continue
            points, _ = KINDS[kind][1](line)
        except (WireFormatError, LineError):
            yield False
        else:
            labels, _, when = points[0]
            name = dict(labels)["__name__"]
            yield when >= 9e8 and bool(re.search("[A-Za-z]", name))


def told_of(kind: str, path: str) -> str:
    """What to do about a file of such lines, as the end of a message."""
    if kind == "statsd":
        return (
            "lines of statsd, which hold no times: let Telegraf's inputs.statsd take them, and its "
            "outputs.influxdb write to the adapter `influx`"
        )
    if kind == "scrape":
        return f"a page of Prometheus, whose samples have no times: {SCRAPE_REMEDY}"
    address = shlex.quote(f"{path}?suffix={kind}")
    if kind == "prom":
        what = "Prometheus text (an export of promtool, or an exposition with times)"
    else:
        what = KINDS[kind][0]
    return f"{what}: add suffix={kind}, as in {address}"
