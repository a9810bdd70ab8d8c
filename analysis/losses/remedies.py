"""The option that mends a kind of loss, with its value guessed from the example."""

import math
import re
from collections.abc import Callable

from padit.codecs.decimals import PERHAPS_COMMA
from padit.connectors.file_options import FileOptions
from padit.domain.losses import LATE_KIND, Loss
from padit.domain.timestamps import MICROS

__all__ = ["remedy_of", "seconds_to_allow", "time_format_of"]

_QUOTED = re.compile(r"'([^']*)'")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE]\+?\d+)?")
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(.*)")
_CLOCK = re.compile(r"([T ]*)(\d{1,2}:\d{2})(:\d{2})?([.,]\d+)?( ?[AP]M)?", re.IGNORECASE)
_TOO_LONG = re.compile(r"(\d+) bytes, more than")
_DECIMAL_COMMA = re.compile(r"[-+]?\d{1,3}(\.?\d{3})*,\d+")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_EPOCHS = ((1e17, "nanoseconds"), (1e14, "microseconds"))
_FORMAT = re.compile(r"set `format: (\w+|\{.+\})` under `input`")
_STATED_FORMAT = re.compile(r": add (time_format=.+)")
_FORM_IS_KNOWN = ("does not exist in", "comes twice in")
_LONGEST_RUN = 366 * 86400
_TABLES = (".csv", ".tsv", ".txt")
_JSON = (".json", ".jsonl", ".ndjson")


def remedy_of(loss: Loss) -> str:
    """What to do about a loss; "" where its reason has to be enough.

    >>> remedy_of(Loss("late", 5, "", "metrics", behind=3 * 3600 * 1_000_000))
    '--out_of_orderness_sec=10800'
    """
    if loss.kind == LATE_KIND:
        return f"--out_of_orderness_sec={seconds_to_allow(loss.behind)}"
    return next((found for rule in _RULES if (found := rule(loss))), "")


def seconds_to_allow(behind: int) -> int:
    """Whole seconds that allow for samples so far behind, rounded up to minutes and hours.

    >>> [seconds_to_allow(seconds * 1_000_000) for seconds in (7, 660, 661, 39_000)]
    [7, 660, 720, 39600]
    """
    seconds = math.ceil(behind / MICROS)
    step = 1 if seconds <= 600 else 60 if seconds <= 36_000 else 3600
    return -(-seconds // step) * step


def time_format_of(text: str) -> str:
    """The `time_format` of a date in the order of days or months; "" where it is none.

    >>> time_format_of("05.01.2026 00:01:00"), time_format_of("1/31/2026 1:05 PM")
    ('%d.%m.%Y %H:%M:%S', '%m/%d/%Y %I:%M %p')
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return ""
    first, mark, _, third, rest = found.groups()
    year = "%Y" if len(third) == 4 else "%y"
    if len(first) == 4:
        date = f"%Y{mark}%m{mark}%d"
    elif mark != "/" or int(first) > 12:
        date = f"%d{mark}%m{mark}{year}"
    else:
        date = f"%m{mark}%d{mark}{year}"
    clock = _CLOCK.fullmatch(rest)
    if clock is None:
        return date if not rest else ""
    between, _, seconds, part, half = clock.groups()
    form = "%I:%M" if half else "%H:%M"
    form += ":%S" if seconds else ""
    form += f"{part[0]}%f" if part else ""
    form += " %p" if half and half.startswith(" ") else "%p" if half else ""
    return f"{date}{between}{form}"


def _time_format(loss: Loss) -> str:
    known = any(words in loss.reason for words in _FORM_IS_KNOWN)
    if not loss.kind.startswith("timestamp") or known:
        return ""
    stated = _STATED_FORMAT.search(loss.reason)
    if stated and " or " not in stated[1]:
        return stated[1]
    found = _QUOTED.search(loss.reason)
    form = time_format_of(found[1]) if found else ""
    if not form or "time_format" not in FileOptions.model_fields:
        return ""
    if _is_json(loss.place):  # takes it in a mapping only
        return f'time_format: "{form}" in `format` under `input`, see docs/payloads.md'
    return f"time_format={form}"


def _epoch(loss: Loss) -> str:
    if not loss.kind.startswith("timestamp"):
        return ""
    found = _NUMBER.search(loss.reason.removeprefix("timestamp "))
    size = abs(float(found[0])) if found else 0.0
    unit = next((name for least, name in _EPOCHS if size >= least), None)
    return f"the times look like epoch {unit}: give seconds or milliseconds" if unit else ""


def _number_format(loss: Loss) -> str:
    found = _QUOTED.search(loss.reason)
    if found is None or "number" not in loss.reason or not _is_table(loss.place):
        return ""
    if _THOUSANDS.fullmatch(found[1]) and "thousands" in FileOptions.model_fields:
        return "thousands=,"
    if _DECIMAL_COMMA.fullmatch(found[1]) and "decimal" in FileOptions.model_fields:
        return "decimal=,"
    if re.fullmatch(r"[A-Za-z#*?][^,&']{0,40}", found[1]) and "missing" in FileOptions.model_fields:
        return f"missing={found[1]}, if it stands for no value"
    return ""


def _is_table(place: str) -> bool:
    return place.removesuffix(".gz").removesuffix(".zst").lower().endswith(_TABLES)


def _is_json(place: str) -> bool:
    """Whether a place is a file of JSON, or a topic without a dot in its name."""
    name = place.removesuffix(".gz").removesuffix(".zst").lower()
    return name.endswith(_JSON) or "." not in name


def _ahead(loss: Loss) -> str:
    if "--max_ahead_sec" not in loss.reason:
        return ""
    found = _NUMBER.search(loss.reason)
    seconds = math.ceil(float(found[0])) if found else 0
    return f"--max_ahead_sec={seconds_to_allow(seconds * MICROS)}, or set the producer's clock"


def _too_long(loss: Loss) -> str:
    found = _TOO_LONG.search(loss.reason) if "--max_record_bytes" in loss.reason else None
    return f"--max_record_bytes={found[1]}" if found else ""


def _envelope(loss: Loss) -> str:
    """A preset of `format`, for a record that looks like another system's."""
    found = _FORMAT.search(loss.reason)
    if not found:
        return ""
    address = "" if found[1].startswith("{") else f", or format={found[1]} in the address"
    doubt = f", {PERHAPS_COMMA}" if PERHAPS_COMMA in loss.reason else ""
    return f"`input: {{format: {found[1]}}}` in the file of --config{address}{doubt}"


def _day_number(loss: Loss) -> str:
    """Excel's count of days, which lies in the years 2000 to 2199 from 36526 to 109571."""
    found = _QUOTED.search(loss.reason) if loss.kind.startswith("timestamp") else None
    if found is None or not re.fullmatch(r"\d{5,6}([.,]\d+)?", found[1]):
        return ""
    if not 36_526 <= float(found[1].replace(",", ".")) <= 109_571:
        return ""
    return "the times look like Excel's numbers of days: give the column a date format there"


def _from_a_beginning(loss: Loss) -> str:
    """Seconds of a recording, an experiment or a simulation."""
    found = _QUOTED.search(loss.reason) if loss.kind.startswith("timestamp") else None
    if found is None or not _NUMBER.fullmatch(found[1]) or not 0 <= float(found[1]) < _LONGEST_RUN:
        return ""
    return (
        "if the times count seconds from a beginning, name it, as in start=2026-01-05T08:00:00Z"
        if _is_table(loss.place)
        else ""
    )


_RULES: tuple[Callable[[Loss], str], ...] = (
    _time_format,
    _epoch,
    _day_number,
    _from_a_beginning,
    _number_format,
    _ahead,
    _too_long,
    _envelope,
)
