"""Prometheus exposition formats: the text of a scrape to samples with their types.

In: a body in the text format 0.0.4 or in OpenMetrics 1.0. Out: its samples, each with the type
and unit that the metadata gives to its family, and which lines were refused and why; one line
never costs another. At most `most` samples are read, and whatever the bytes are, `parse` does
not raise. Exemplars are passed over.
"""

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from padit.codecs.decimals import DECIMAL

__all__ = ["MOST_NAMED", "Exposition", "Family", "Labels", "LineError", "Sample", "parse"]

MOST_NAMED = 100
"""Refused lines that are named; beyond that they are counted only."""

Labels = tuple[tuple[str, str], ...]

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(
    rf'({_NAME}(?:[ \t]*\{{(?:[^"}}]|"[^"\\]*(?:\\.[^"\\]*)*")*\}})?)'
    r"[ \t]*(?<=[ \t}])([^ \t\r{}]+)(?:[ \t]+([^ \t\r#]+))?(?:[ \t]+(#.*))?[ \t\r]*"
)
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*')
_NUMBER = re.compile(DECIMAL)
_MILLIS = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_WORDS = {"nan": math.nan, "inf": math.inf, "infinity": math.inf}
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_ESCAPE = re.compile(r"\\.")
_END = b"# EOF"
_LONGEST_REMEMBERED = 1_000
_LONGEST_LINE = 65_536

_TEXT_TYPES = frozenset(("counter", "gauge", "histogram", "summary", "untyped"))
_OPEN_TYPES = frozenset(
    ("counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown")
)
# Endings of a sample's name, and the types whose families have such samples.
_ENDINGS = {
    "_total": frozenset(("counter",)),
    "_bucket": frozenset(("histogram", "gaugehistogram")),
    "_count": frozenset(("histogram", "summary")),
    "_sum": frozenset(("histogram", "summary")),
    "_gcount": frozenset(("gaugehistogram",)),
    "_gsum": frozenset(("gaugehistogram",)),
    "_created": frozenset(("counter", "histogram", "summary")),
    "_info": frozenset(("info",)),
}


class LineError(ValueError):
    """A line does not follow the format."""


class Family(NamedTuple):
    """What the metadata says about the samples of one metric.

    Attributes:
        kind: the type as in `# TYPE`; "untyped" where nothing is said.
    """

    name: str
    kind: str = "untyped"
    unit: str = ""


class Sample(NamedTuple):
    """One sample.

    Attributes:
        ending: what the name has beyond the family's, such as `_bucket`; "" for most.
        labels: as they stand, without `__name__`.
        value: may be NaN or infinite.
        time: epoch seconds, None: the time of the scrape.
    """

    name: str
    family: Family
    ending: str
    labels: Labels
    value: float
    time: float | None


@dataclass(slots=True)
class Exposition:
    """What a body holds.

    Attributes:
        samples: in their order.
        refused: "number: reason" of the first `MOST_NAMED` bad lines; lines count from 1.
        refused_count: all bad lines.
        complete: False where `# EOF` of OpenMetrics is missing: the body may be cut.
        over: there are more samples than may be read; the rest was not.
    """

    samples: list[Sample] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_count: int = 0
    complete: bool = True
    over: bool = False

    def refuse(self, number: int, reason: str) -> None:
        """Count a line, and name it while there are few."""
        self.refused_count += 1
        if len(self.refused) < MOST_NAMED:
            self.refused.append(f"{number}: {reason}")


def parse(body: bytes, *, openmetrics: bool = False, most: int = 1_000_000) -> Exposition:
    r"""Read a body.

    >>> found = parse(b'# TYPE a counter\na{b="c"} 3\na{b="d"} x\n')
    >>> found.samples[0].family.kind, found.samples[0].labels, found.samples[0].value
    ('counter', (('b', 'c'),), 3.0)
    >>> found.refused
    ["3: 'x' is no number"]
    """
    reader = _Reader(openmetrics)
    found = Exposition(complete=not openmetrics)
    lines = body.split(b"\n")
    if openmetrics and lines[-1] and lines[-1] != _END:
        found.refuse(len(lines), "the line has no end: the body may be cut")
        lines.pop()
    for number, line in enumerate(lines, 1):
        if openmetrics and line.rstrip(b"\r") == _END:
            found.complete = True
            break
        try:
            sample = reader.read(line.decode())
        except UnicodeDecodeError as error:
            found.refuse(number, f"no UTF-8 at byte {error.start}")
            continue
        except LineError as error:
            found.refuse(number, str(error))
            continue
        if sample is not None:
            found.samples.append(sample)
            if len(found.samples) > most:
                found.over = True
                found.samples.pop()
                break
    return found


class _Reader:
    """Reads lines one after another and keeps what the metadata before them said."""

    def __init__(self, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._kinds: dict[str, str] = {}
        self._units: dict[str, str] = {}
        self._families: dict[str, tuple[Family, str]] = {}
        self._seen: set[tuple[str, Labels, float | None]] = set()

    def read(self, line: str) -> Sample | None:
        """A sample, or None for a comment; raises LineError."""
        if line.startswith("#"):
            self._comment(line)
            return None
        if not line.strip():
            return None
        if len(line) > _LONGEST_LINE:
            message = f"{len(line)} characters; a line has {_LONGEST_LINE} at most"
            raise LineError(message)
        found = _SAMPLE.fullmatch(line)
        if found is None:
            message = f"{line[:100]!r} is no sample"
            raise LineError(message)
        head, number, stamp, exemplar = found.groups()
        name, labels = _remembered(head) if len(head) <= _LONGEST_REMEMBERED else _series(head)
        if exemplar is not None and not self._openmetrics:
            message = f"{exemplar[:60]!r} stands after the sample; only OpenMetrics has exemplars"
            raise LineError(message)
        value, time = _number(number), None if stamp is None else self._time(stamp)
        key = (name, tuple(sorted(labels)), time)
        if key in self._seen:
            message = f"{head[:100]!r} stands there twice"
            raise LineError(message)
        self._seen.add(key)
        family, ending = self._families.get(name) or self._family(name)
        return Sample(name, family, ending, labels, value, time)

    def _comment(self, line: str) -> None:
        words = line[1:].split(None, 2)
        if len(words) < 2 or words[0] not in ("TYPE", "UNIT"):
            return  # HELP, and comments
        name, text = words[1], words[2].strip() if len(words) == 3 else ""
        known = self._kinds if words[0] == "TYPE" else self._units
        allowed = _OPEN_TYPES if self._openmetrics else _TEXT_TYPES | _OPEN_TYPES
        if not re.fullmatch(_NAME, name) or (known is self._kinds and text not in allowed):
            message = f"{line[:100]!r}: the type is one of {', '.join(sorted(allowed))}"
            raise LineError(message)
        if known.get(name, text) != text:
            message = f"{line[:100]!r}: {name} is {known[name]!r} further up"
            raise LineError(message)
        known[name] = text
        self._families.clear()

    def _family(self, name: str) -> tuple[Family, str]:
        """The family of a sample, and the ending of the sample's name."""
        found = Family(name, self._kinds.get(name, "untyped"), self._units.get(name, "")), ""
        if name not in self._kinds:
            for ending, kinds in _ENDINGS.items():
                head = name.removesuffix(ending)
                kind = self._kinds.get(head, "")
                if head != name and kind in kinds:
                    found = Family(head, kind, self._units.get(head, "")), ending
        self._families[name] = found
        return found

    def _time(self, text: str) -> float:
        """Epoch seconds; milliseconds in the text format, seconds in OpenMetrics."""
        if self._openmetrics:
            time = _number(text)
            if math.isfinite(time):
                return time
        elif _MILLIS.fullmatch(text):
            return int(text) / 1000
        unit = "seconds" if self._openmetrics else "whole milliseconds"
        message = f"{text[:60]!r} is no time in {unit}"
        raise LineError(message)


def _number(text: str) -> float:
    if len(text) <= 400 and _NUMBER.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
    else:
        word = text.lower()
        sign = -1.0 if word.startswith("-") else 1.0
        value = _WORDS.get(word[1:] if word[:1] in ("-", "+") else word, 0.0)
        if value != 0:
            return sign * value
    message = f"{text[:60]!r} is no number"
    raise LineError(message)


def _series(head: str) -> tuple[str, Labels]:
    """(name, labels) of what stands before the value; raises LineError."""
    name, brace, rest = head.partition("{")
    name = name.rstrip(" \t")
    if not brace:
        return name, ()
    labels: list[tuple[str, str]] = []
    place, end = 0, len(rest) - 1
    while rest[place:end].strip(" \t"):
        found = _LABEL.match(rest, place, end)
        if found is None or (found.end() < end and rest[found.end()] != ","):
            message = f"{rest[place:end][:100]!r} are no labels"
            raise LineError(message)
        label, text = found.groups()
        if any(label == other for other, _ in labels):
            message = f"the label {label} stands there twice"
            raise LineError(message)
        if "\\" in text:
            text = _ESCAPE.sub(lambda match: _ESCAPES.get(match[0], match[0]), text)
        labels.append((label, text))
        place = found.end() + 1
    return name, tuple(labels)


_remembered = lru_cache(maxsize=50_000)(_series)
