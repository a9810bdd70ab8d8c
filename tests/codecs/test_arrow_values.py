"""A value of Arrow is the same text whether pandas is installed or not."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from padit.codecs.arrow_values import python_value

_SECOND = 1_767_600_000
_TIME = datetime.fromtimestamp(_SECOND, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        (pa.scalar(_SECOND * 10**9, pa.timestamp("ns", "UTC")), _TIME),
        (pa.scalar(5_000, pa.duration("ns")), timedelta(microseconds=5)),
        (pa.scalar(None, pa.timestamp("ns")), None),
        (pa.scalar("text"), "text"),
    ],
)  # fmt: skip
def test_values_are_of_pythons_own_types(scalar: pa.Scalar, value: object) -> None:
    found = python_value(scalar)
    assert found == value
    assert type(found) is type(value)
    assert repr(python_value(pa.scalar([found], pa.list_(scalar.type)))) == repr([value])
    nested = pa.scalar({"a": found}, pa.struct([("a", scalar.type)]))
    assert repr(python_value(nested)) == repr({"a": value})


def test_nanoseconds_have_no_form_in_python() -> None:
    for kind in (pa.timestamp("ns"), pa.duration("ns")):
        with pytest.raises(ValueError, match="no whole number of microseconds"):
            python_value(pa.scalar(7, kind))
