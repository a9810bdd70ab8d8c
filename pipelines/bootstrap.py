"""`--bootstrap_from`: state from history, before a job goes live.

The job reads from there on like any live job, and computes the same results. Results of event times
before the *go-live point* (`--live_from`) only build the state and are not written. Results from
that point on are written; if the sink writes each id once, results that another job has already
written are not repeated.
"""

import re
from typing import Any

from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import MICROS, parse_timestamp

__all__ = ["with_bootstrap"]

_AGO = re.compile(r"-(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def with_bootstrap(raw: dict[str, Any], now: float) -> tuple[dict[str, Any], int | None]:
    """Options by name, with the start that `bootstrap_from` stands for, and the go-live point.

    Args:
        raw: as they come from the command line.
        now: the clock, seconds; read once, before the job starts.

    Raises:
        ConfigurationError: one cannot be read, or contradicts another.
    """
    start = raw["bootstrap_from"]
    if start is None:
        if raw["live_from"] is not None:
            message = "--live_from needs --bootstrap_from, the beginning of the history"
            raise ConfigurationError(message)
        return raw, None
    for name in ("start_time", "start_offset"):
        if raw[name] is not None:
            message = f"--bootstrap_from and --{name} both set where to begin; give one of them"
            raise ConfigurationError(message)
    live_from = _moment("live_from", raw["live_from"] or "now", now)
    offset = start.removeprefix("offset:")
    if start == "earliest" or (offset != start and offset.isdecimal()):
        return {**raw, "start_offset": offset}, live_from
    begin = _moment("bootstrap_from", start, now)
    if begin >= live_from:
        message = f"--bootstrap_from={start} is not before --live_from={raw['live_from'] or 'now'}"
        raise ConfigurationError(message)
    return {**raw, "start_time": str(begin / MICROS)}, live_from


def _moment(name: str, text: str, now: float) -> int:
    """Microseconds."""
    ago = _AGO.fullmatch(text)
    if ago or text == "now":
        seconds = float(ago[1]) * _UNITS[ago[2]] if ago else 0.0
        return round((now - seconds) * MICROS)
    try:
        return parse_timestamp(float(text) if re.fullmatch(r"[\d.]+", text) else text)
    except ValueError as error:
        also = ", earliest or offset:N" if name == "bootstrap_from" else " or now"
        message = f"--{name}={text} is none of -6h (s, m, h, d), a timestamp{also}"
        raise ConfigurationError(message) from error
