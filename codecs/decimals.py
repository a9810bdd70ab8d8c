"""What a decimal number looks like as text."""

__all__ = ["DECIMAL"]

DECIMAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
"""A decimal number as text, as a regular expression."""
