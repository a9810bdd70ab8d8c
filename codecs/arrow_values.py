"""Arrow's values as Python's own, whatever else is installed."""

from typing import Any

import pyarrow as pa

__all__ = ["python_value"]

_NANOS_OF_MICRO = 1000


def python_value(scalar: pa.Scalar) -> Any:
    """The value of a scalar without pandas' types, which `as_py` gives where pandas is installed.

    Raises ValueError, OverflowError, UnicodeDecodeError or pa.ArrowException where Python has no
    form for it: nanoseconds, or a time before the year 1 or after 9999.

    >>> python_value(pa.scalar(1_000, pa.duration("ns")))
    datetime.timedelta(microseconds=1)
    """
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_struct(kind):
        return {name: python_value(one) for name, one in scalar.items()}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [python_value(one) for one in scalar.values]
    if (pa.types.is_timestamp(kind) or pa.types.is_duration(kind)) and kind.unit == "ns":
        if scalar.value % _NANOS_OF_MICRO:
            message = f"{scalar.value} ({kind}) is no whole number of microseconds"
            raise ValueError(message)
        coarse = pa.timestamp("us", kind.tz) if pa.types.is_timestamp(kind) else pa.duration("us")
        return pa.scalar(scalar.value // _NANOS_OF_MICRO, coarse).as_py()
    return scalar.as_py()
