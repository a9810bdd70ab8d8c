r"""Lines of `promtool tsdb dump`, `tsdb dump-openmetrics`, `query range` and `query instant`.

    {__name__="up", instance="a:9090", job="x"} 1 1767571200000        tsdb dump, milliseconds
    up{instance="a:9090", job="x"} 1 1767571200.000                    dump-openmetrics, seconds
    up{instance="a:9090", job="x"} =>                                  query range: a series,
    1 @[1767571200]                                                    and its points
    up{instance="a:9090", job="x"} => 1 @[1767571200]                  query instant

Source: cmd/promtool of Prometheus 3.5, and `String` of its `model.Vector` and `model.Matrix`.
"""

import math
import re
from functools import lru_cache
from typing import NamedTuple

from padit.codecs.decimals import DECIMAL
from padit.domain.errors import WireFormatError

__all__ = ["SCRAPE_REMEDY", "Labels", "Line", "is_export", "is_scraped", "read_line"]

SCRAPE_REMEDY = (
    "nothing says when it was; let the adapter fetch the page itself, as in padit adapters try "
    """prometheus-scrape --set urls='["http://HOST:PORT/metrics"]'"""
)
"""What helps with a sample without a time."""

Labels = tuple[tuple[str, str], ...]

_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_LABEL = re.compile(rf"\s*(?:([a-zA-Z_][a-zA-Z0-9_.:]*|{_QUOTED})\s*=\s*)?{_QUOTED}\s*(?:,|$)")
_HEAD = rf"((?:[a-zA-Z_:][a-zA-Z0-9_:.]*)?(?:\{{(?:[^\"}}]|{_QUOTED})*\}})?)"
_SERIES = re.compile(rf"{_HEAD}\s*=>\s*(?:(\S+)\s+@\[([^\]]*)\])?\s*")
_SAMPLE = re.compile(rf"{_HEAD}\s+(\S+)\s+(\S+)\s*(?:#.*)?")
_SCRAPED = re.compile(rf"(?=[^\s=]){_HEAD}\s+[-+]?(?:[0-9][0-9.eE+-]*|NaN|Inf)\s*(?:#.*)?")
_POINT = re.compile(r"(\S+)\s+@\[([^\]]*)\]\s*")
_EXPORT = re.compile(rf"{_HEAD}\s*(?:=>|\s\S+\s+[0-9.]{{10,17}}\s*$)")
_NUMBER = re.compile(DECIMAL)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_LONGEST = 65_536


class Line(NamedTuple):
    """What a line holds.

    Attributes:
        labels: of the series it is of, sorted, with `__name__`; None: that of the lines above.
        value: None where the line only names a series; NaN where the series has none there.
        time: epoch seconds or milliseconds, by its size.
    """

    labels: Labels | None
    value: float | None = None
    time: float = 0.0


def is_scraped(line: str) -> bool:
    """Whether a line is a sample without a time, as a scrape has it.

    >>> is_scraped('up{job="x"} 1'), is_scraped('up{job="x"} 1 1767571200000')
    (True, False)
    """
    return len(line) <= _LONGEST and bool(_SCRAPED.fullmatch(line))


def is_export(line: str) -> bool:
    """Whether a line is the first one of such an export.

    >>> is_export('{__name__="up"} 1 1767571200000'), is_export("up =>"), is_export("a,b")
    (True, True, False)
    """
    return len(line) <= _LONGEST and ("{" in line or "=>" in line) and bool(_EXPORT.match(line))


def read_line(line: str) -> Line | None:
    """Read a line; None for an empty one or a comment.

    Raises:
        WireFormatError: it is none of these.
    """
    if not line or line[0] == "#" or not line.strip():
        return None
    if len(line) > _LONGEST:
        message = f"{len(line)} characters; a line has {_LONGEST} at most"
        raise WireFormatError(message)
    found = _POINT.fullmatch(line)
    if found is not None:
        return Line(None, _number(found[1]), _time(found[2]))
    found = _SERIES.fullmatch(line)
    if found is not None and found[1]:
        number, stamp = found[found.re.groups - 1], found[found.re.groups]
        if number is None:
            return Line(_labels(found[1]))
        return Line(_labels(found[1]), _number(number), _time(stamp))
    found = _SAMPLE.fullmatch(line)
    if found is None or not found[1]:
        message = "no series, sample or point of promtool"
        if _SCRAPED.fullmatch(line):
            message = f"a sample without a time, as a scrape has it: {SCRAPE_REMEDY}"
        raise WireFormatError(message)
    return Line(
        _labels(found[1]), _number(found[found.re.groups - 1]), _time(found[found.re.groups])
    )


def _number(text: str) -> float:
    if len(text) <= 400 and _NUMBER.fullmatch(text):
        return float(text)
    word = text.lower().lstrip("+-")
    if word == "nan":
        return math.nan
    if word in ("inf", "infinity"):
        return math.inf
    message = f"{text[:60]!r} is no number" + ("; histograms are not read" if "{" in text else "")
    raise WireFormatError(message)


def _time(text: str) -> float:
    if len(text) <= 40 and _NUMBER.fullmatch(text):
        return float(text)
    message = f"timestamp {text[:60]!r} is no number"
    raise WireFormatError(message)


@lru_cache(maxsize=50_000)
def _labels(head: str) -> Labels:
    """Labels of a series, sorted; raises WireFormatError."""
    name, _, rest = head.partition("{")
    found: dict[str, str] = {"__name__": name} if name else {}
    rest, place = rest.removesuffix("}").rstrip(), 0
    while place < len(rest):
        match = _LABEL.match(rest, place)
        if match is None:
            message = f"{rest[place : place + 60]!r} are no labels"
            raise WireFormatError(message)
        label = match[2] if match[2] is not None else match[1]
        found[_unescaped(label) if label else "__name__"] = _unescaped(match[3])
        place = match.end()
    if not found.get("__name__"):
        found["__name__"] = "value"  # the result of an expression has no name
    return tuple(sorted(found.items()))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\.", lambda match: _ESCAPES.get(match[0], match[0]), text)
