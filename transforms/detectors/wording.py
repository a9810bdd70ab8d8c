"""Numbers and spans of time as a person writes them."""

__all__ = ["number", "span"]

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def number(value: float) -> str:
    """Four digits, whatever the magnitude.

    >>> number(48.3), number(1523.4), number(0.000123456), number(-2e9)
    ('48.3', '1523', '0.0001235', '-2e+09')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def span(microseconds: int) -> str:
    """The largest unit of which there are at least two.

    >>> span(14 * 86_400_000_000), span(90_000_000), span(1_000_000)
    ('14 days', '90 seconds', '1 second')
    """
    seconds = microseconds / 1e6
    for name, size in _UNITS:
        if seconds >= 2 * size or size == 1:
            count = int(seconds // size)
            return f"{count} {name}" + ("" if count == 1 else "s")
    return "no time"
