"""What a decimal number looks like as text, and the doubt that a comma leaves."""

__all__ = ["DECIMAL", "PERHAPS_COMMA", "THOUSANDS"]

DECIMAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
"""A decimal number as text, as a regular expression."""

THOUSANDS = r"[-+]?[1-9][0-9]{0,2},[0-9]{3}"
"""One whose comma may stand between thousands, as in English, or be a decimal mark."""

PERHAPS_COMMA = "if the comma is a decimal mark"
"""What a remedy says of such a one: it is certain only for those who wrote it."""
