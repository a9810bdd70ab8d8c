"""Event times of a mapping: any of the forms that JSON and Avro have, to microseconds."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from padit.codecs.contract import shorten
from padit.codecs.mapping_paths import MISSING
from padit.domain.timestamps import (
    EARLIEST_US,
    LATEST_US,
    micros_from_numbers,
    parse_timestamp,
    zone_of,
)

__all__ = ["UNITS", "Times"]

UNITS: Final = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
"""Microseconds in one of each unit of epoch time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]+)?")
_DIGITS = 9  # fewer are no epoch time, but may be a date such as 20260102
_LONGEST = 64
_NAMED_UTC = (" UTC", " GMT")
_MOST_WHOLE = 1 << 62


class Times:
    """Reads the times of one mapping.

    Args:
        form: "auto", a unit of `UNITS`, or a pattern of `datetime.strptime`.
        timezone: of times without an offset, a name of the tz database.

    Raises:
        ValueError: one of them is unknown.
    """

    def __init__(self, form: str, timezone: str) -> None:
        self._scale = UNITS.get(form)
        self._pattern = form if "%" in form else ""
        if form != "auto" and self._scale is None and not self._pattern:
            message = f"time_format {form!r} is none of auto, {', '.join(UNITS)}, or a pattern"
            raise ValueError(message)
        zone = UTC if timezone == "UTC" else zone_of(timezone)
        if zone is None:
            message = f"timezone {timezone!r} is unknown; a known one is Europe/Berlin"
            raise ValueError(message)
        self._zone = zone

    def convert(self, stamps: Sequence[Any]) -> tuple[NDArray[np.int64], dict[int, str]]:
        """Times in microseconds, and by position why others cannot be used."""
        kinds = set(map(type, stamps))
        found: NDArray[np.int64] | None = None
        if not self._pattern:
            if kinds == {int}:
                found = self._whole(stamps)
            elif kinds == {float}:
                found = self._numbers(stamps)
        faults: dict[int, str] = {}
        if found is None:
            found = np.zeros(len(stamps), np.int64)
            for i, stamp in enumerate(stamps):
                try:
                    found[i] = self._one(stamp)
                except (ValueError, OverflowError) as error:
                    faults[i] = f"{error}"
        outside = np.flatnonzero((found < EARLIEST_US) | (found >= LATEST_US))
        for i in outside.tolist():
            faults.setdefault(
                i, f"timestamp {shorten(stamps[i])} lies outside the years 2000 to 2199"
            )
        return found, faults

    def _whole(self, stamps: Sequence[int]) -> NDArray[np.int64] | None:
        """Whole numbers exactly; None where one has more than 64 bits."""
        try:
            whole = np.array(stamps, np.int64)
        except OverflowError:
            return None
        size = np.abs(np.clip(whole, -_MOST_WHOLE, _MOST_WHOLE))
        if self._scale is not None:
            form = np.full(len(whole), list(UNITS.values()).index(self._scale))
        else:
            form = np.searchsorted(np.array([10**11, 10**14, 10**17]), size, "right")
        fits = size < np.array([10**13, 10**16, 1 << 62, 1 << 62])[form]
        factor = np.array([1_000_000, 1000, 1, 1])[form]
        exact = np.where(fits, whole, 0) * factor
        return np.asarray(np.where(form == 3, exact // 1000, exact), np.int64)

    def _numbers(self, stamps: Sequence[float]) -> NDArray[np.int64] | None:
        try:
            numbers = np.array(stamps, np.float64)
        except OverflowError:
            return None
        if self._scale is None:
            return micros_from_numbers(numbers)
        with np.errstate(over="ignore"):
            scaled = numbers * self._scale
        usable = np.abs(scaled) < 9e18
        return np.rint(np.where(usable, scaled, 0.0)).astype(np.int64)

    def _one(self, stamp: Any) -> int:
        """One time of any type. Raises ValueError with the reason, or OverflowError."""
        if type(stamp) is int or type(stamp) is float:
            return self._number(stamp)
        if isinstance(stamp, datetime):
            return self._moment(stamp)
        if isinstance(stamp, date):
            return self._moment(datetime(stamp.year, stamp.month, stamp.day))  # noqa: DTZ001
        if type(stamp) is not str:
            what = "nothing is there" if stamp is MISSING or stamp is None else shorten(stamp)
            message = f"no time: {what}"
            raise ValueError(message)
        return self._text(stamp.strip())

    def _number(self, stamp: float) -> int:
        if type(stamp) is int and abs(stamp) < _MOST_WHOLE:
            found = self._whole([stamp])
            if found is not None:
                return int(found[0])
        number = float(stamp)
        if not math.isfinite(number):
            message = f"timestamp {stamp} is not a finite number"
            raise ValueError(message)
        found = self._numbers([number])
        return 0 if found is None else int(found[0])

    def _text(self, text: str) -> int:
        if len(text) > _LONGEST:
            message = f"timestamp {shorten(text)} has {len(text)} characters, at most {_LONGEST}"
            raise ValueError(message)
        if self._pattern:
            try:
                return self._moment(datetime.strptime(text, self._pattern))  # noqa: DTZ007
            except ValueError as error:
                message = f"timestamp {shorten(text)} does not read {self._pattern!r}: {error}"
                raise ValueError(message) from error
        if _NUMBER.fullmatch(text) and (self._scale is not None or len(text) >= _DIGITS):
            return self._number(float(text) if "." in text else int(text))
        if text[-4:] in _NAMED_UTC:
            text = f"{text[:-4]}+00:00"
        try:
            if self._zone is UTC:
                return parse_timestamp(text)
            return self._moment(datetime.fromisoformat(text))
        except ValueError as error:
            message = f"{error}" if "clock" in f"{error}" else (
                f"timestamp {shorten(text)} is neither an epoch time nor RFC 3339; "
                "give its pattern with time_format"
            )  # fmt: skip
            raise ValueError(message) from error

    def _moment(self, moment: datetime) -> int:
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
            again = moment.replace(fold=1).utcoffset()
            if moment.utcoffset() != again:
                message = (
                    f"timestamp {moment.replace(tzinfo=None)} comes twice or not at all when the "
                    f"clock of {self._zone} changes; use times with an offset"
                )
                raise ValueError(message)
        return (moment - _EPOCH) // _MICROSECOND
