"""Numeric options of the command line, each with its bounds.

A number that is not finite, or out of bounds, is refused where it is read. Bounds are what the
code can compute with, not what is sensible.
"""

import argparse
from typing import Any

__all__ = ["OFFSET", "SECONDS", "SECONDS_OR_NONE", "Number"]


class Number:
    """Type of a numeric option, for `argparse`.

    Args:
        low: the least value; whole numbers only, if it is an int.
        high: the greatest value.
        unit: of both, "" for a mere number.
    """

    def __init__(self, low: float, high: float, unit: str = "") -> None:
        self.low = low
        self.high = high
        self._unit = unit and f" {unit}"

    def __call__(self, given: Any) -> Any:
        """The number, an int or a float as `low` is, that a text or a number stands for.

        Raises:
            argparse.ArgumentTypeError: it is no number, or out of bounds; argparse adds the option.
        """
        whole = isinstance(self.low, int)
        try:
            value: float = int(given) if whole else float(given)
        except (TypeError, ValueError, OverflowError) as error:
            message = f"{given} is not a {'whole ' if whole else ''}number"
            raise argparse.ArgumentTypeError(message) from error
        if isinstance(given, float) and value != given and given == given:
            message = f"{given} is not a whole number"
            raise argparse.ArgumentTypeError(message)
        if not self.low <= value <= self.high:  # of nan neither holds
            message = (
                f"{given} must lie between {_plain(self.low)} and {_plain(self.high)}{self._unit}"
            )
            raise argparse.ArgumentTypeError(message)
        return value


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.12g}"


OFFSET = Number(0, 2**63 - 1)
SECONDS = Number(1e-6, 1e9, "seconds")
SECONDS_OR_NONE = Number(0.0, 1e9, "seconds")
