"""What a decimal number looks like as text, and the doubt that a comma leaves."""

import math

__all__ = ["DECIMAL", "PERHAPS_COMMA", "THOUSANDS", "whole_number"]

DECIMAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
"""A decimal number as text, as a regular expression."""

THOUSANDS = r"[-+]?[1-9][0-9]{0,2},[0-9]{3}"
"""One whose comma may stand between thousands, as in English, or be a decimal mark."""

PERHAPS_COMMA = "if the comma is a decimal mark"
"""What a remedy says of such a one: it is certain only for those who wrote it."""


def whole_number(text: str) -> int | float:
    """The integer in a text of JSON; infinity where Python refuses that many digits.

    Python's parser of JSON gives up the whole text for one such number, unless this is its
    `parse_int`.

    >>> whole_number("-12"), whole_number("-1" + 5_000 * "0")
    (-12, -inf)
    """
    try:
        return int(text)
    except ValueError:  # more digits than sys.get_int_max_str_digits()
        return -math.inf if text.startswith("-") else math.inf
