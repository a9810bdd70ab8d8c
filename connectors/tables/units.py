"""Units as they stand in cells ("20.5 ms", "3 GiB"), and which can be converted into each other."""

from collections.abc import Mapping
from fractions import Fraction

__all__ = ["FAMILIES", "factor", "family"]

_SI = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_SMALL = {"n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3}  # micro sign and Greek mu
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}


def _decimal(base: str, powers: Mapping[str, int]) -> dict[str, Fraction]:
    return {prefix + base: Fraction(10) ** power for prefix, power in powers.items()}


def _bytes(suffix: str = "") -> dict[str, Fraction]:
    binary = {f"{prefix}B{suffix}": Fraction(2) ** power for prefix, power in _BINARY.items()}
    words = {"byte": Fraction(1), "bytes": Fraction(1)} if not suffix else {}
    return {**_decimal("B" + suffix, _SI), **binary, **words}


def _bits(suffix: str) -> dict[str, Fraction]:
    return {**_decimal("b" + suffix, _SI), **_decimal("bit" + suffix, _SI)}


def _seconds() -> dict[str, Fraction]:
    words = {
        1: ("sec", "secs", "second", "seconds"),
        60: ("min", "mins", "minute", "minutes"),
        3600: ("h", "hr", "hrs", "hour", "hours"),
        86_400: ("d", "day", "days"),
        604_800: ("week", "weeks"),
    }
    scales = {name: Fraction(size) for size, names in words.items() for name in names}
    return {**_decimal("s", {**_SMALL, "": 0}), **scales, "msec": Fraction(1, 1000)}


FAMILIES: Mapping[str, Mapping[str, Fraction]] = {
    "time": _seconds(),
    "bytes": _bytes(),
    "bytes per second": {**_bytes("/s"), **_decimal("Bps", _SI)},
    "bits": {**_decimal("b", _SI), **_decimal("bit", _SI), "bits": Fraction(1)},
    "bits per second": {**_bits("/s"), **_decimal("bps", _SI)},
    "hertz": _decimal("Hz", {**_SI, "m": -3}),
    "watts": _decimal("W", {**_SMALL, **_SI}),
    "watt-hours": _decimal("Wh", {**_SI, "m": -3}),
    "volts": _decimal("V", {**_SMALL, **_SI}),
    "amperes": _decimal("A", {**_SMALL, **_SI}),
    "pascals": {
        **_decimal("Pa", {**_SI, "h": 2}),
        "bar": Fraction(100_000),
        "mbar": Fraction(100),
    },
    "metres": {**_decimal("m", {"n": -9, "µ": -6, "": 0, "k": 3}), "mm": Fraction(1, 1000),
               "cm": Fraction(1, 100)},
    "grams": {**_decimal("g", {"m": -3, "µ": -6, "": 0, "k": 3})},
    "counts": {  # as Grafana shortens numbers: they have no unit
        "": Fraction(1), "K": Fraction(1000), "k": Fraction(1000), "Mil": Fraction(10**6),
        "Bil": Fraction(10**9), "Tri": Fraction(10**12), "mil": Fraction(10**6),
    },
}  # fmt: skip
"""By family: unit to its size in the family's base."""

_BY_UNIT = {unit: name for name, units in FAMILIES.items() for unit in units}


def family(unit: str) -> str | None:
    """The family of a unit; None if nothing is known of it.

    >>> family("ms"), family("GiB"), family("errors")
    ('time', 'bytes', None)
    """
    return _BY_UNIT.get(unit)


def factor(unit: str, into: str) -> Fraction | None:
    """What a value in a unit is multiplied by to stand in another; None if it cannot be.

    >>> factor("ms", "s"), factor("KiB", "B"), factor("ms", "MB")
    (Fraction(1, 1000), Fraction(1024, 1), None)
    """
    if unit == into:
        return Fraction(1)
    name = _BY_UNIT.get(unit)
    if name is None or into not in FAMILIES[name]:
        return None
    return FAMILIES[name][unit] / FAMILIES[name][into]
