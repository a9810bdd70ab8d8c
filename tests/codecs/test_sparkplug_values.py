"""Values of Sparkplug B by the tables of its standard: data types, two's complement, arrays."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.sparkplug_proto import Payload
from padit.codecs.sparkplug_values import ARRAYS, MOST_ELEMENTS, TYPES, elements_of, number_of

# Numbers of the data types in the standard, with the bits of those that are whole.
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
PACKED = {22: "<b", 23: "<h", 24: "<i", 25: "<q", 26: "<B", 27: "<H", 28: "<I", 29: "<Q",
          30: "<f", 31: "<d"}  # fmt: skip
BOOLEANS = 32
wholes = st.sampled_from([*SIGNED.items(), *UNSIGNED.items()])


def metric(**fields: Any) -> Any:
    message = Payload()
    return message.metrics.add(**fields)


def limits(datatype: int, bits: int) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if datatype in SIGNED else (0, (1 << bits) - 1)


def field_of(bits: int) -> tuple[str, int]:
    return ("long_value", 64) if bits == 64 else ("int_value", 32)


@given(wholes, st.integers(0, 2**64 - 1))
def test_a_whole_number_of_any_type_comes_out_as_it_went_in(
    kind: tuple[int, int], seed: int
) -> None:
    datatype, bits = kind
    low, high = limits(datatype, bits)
    field, width = field_of(bits)
    for value in (low, low + 1, high, high - 1, 0, low + seed % (high - low + 1)):
        one = metric(**{field: value % (1 << width)})
        assert number_of(one, datatype) == float(value)
        if bits < 32:  # some edge nodes extend the sign to the type's own bits only
            assert number_of(metric(int_value=value % (1 << bits)), datatype) == float(value)


@given(wholes)
def test_a_number_beyond_its_type_is_refused_with_both_named(kind: tuple[int, int]) -> None:
    datatype, bits = kind
    if bits >= 32:
        return
    beyond = [1 << bits]
    if datatype in SIGNED:  # one below the smallest that the type has
        beyond.append((1 << 32) - (1 << bits - 1) - 1)
    for value in beyond:
        found = number_of(metric(int_value=value), datatype)
        assert found == f"{value} is too large for {TYPES[datatype]}"
    assert number_of(metric(long_value=1 << bits), datatype) == (
        f"{1 << bits} is too large for {TYPES[datatype]}"
    )


@pytest.mark.parametrize(
    ("fields", "datatype", "value"),
    [
        ({"double_value": 0.1}, 10, 0.1), ({"float_value": 0.5}, 9, 0.5),
        ({"boolean_value": True}, 11, 1.0), ({"boolean_value": False}, 11, 0.0),
        # A type that is not named is clear where the value says it.
        ({"double_value": -2.5}, 0, -2.5), ({"boolean_value": True}, 0, 1.0),
        ({"string_value": "warm"}, 0, None),
        ({"string_value": "warm"}, 12, None), ({"long_value": 1}, 13, None),
        ({"double_value": 1.0}, 12, None),
        ({}, 10, "a value of the type Double is missing"),
        ({}, 0, "a value of the type Unknown is missing"),
        ({"string_value": "1"}, 3, "a value of the type Int32 is missing"),
        ({"int_value": 5}, 0,
         "neither a birth nor the message names its type, so its sign is unknown"),
    ],
)  # fmt: skip
def test_a_value_is_a_number_no_number_or_a_reason(
    fields: dict[str, Any], datatype: int, value: float | str | None
) -> None:
    assert number_of(metric(**fields), datatype) == value


@pytest.mark.parametrize("datatype", PACKED)
@pytest.mark.parametrize("count", [0, 1, 3, MOST_ELEMENTS, MOST_ELEMENTS + 1, 3 * MOST_ELEMENTS])
def test_the_first_elements_of_an_array_are_read_and_the_others_counted(
    datatype: int, count: int
) -> None:
    form = PACKED[datatype]
    signed = form[1] in "bhiqfd"
    values = [(-1) ** i * (i % 100) if signed else i % 200 for i in range(count)]
    data = b"".join(struct.pack(form, one) for one in values)
    kept = min(count, MOST_ELEMENTS)
    assert elements_of(data, datatype) == ([float(one) for one in values[:kept]], count - kept)
    if struct.calcsize(form) > 1:
        cut = elements_of(data + b"\x00", datatype)
        assert cut == ([], f"{len(data) + 1} bytes are no {TYPES[datatype]}")


@given(st.lists(st.booleans(), max_size=200))
def test_booleans_are_eight_to_a_byte_the_highest_bit_first(values: list[bool]) -> None:
    bits = "".join("1" if one else "0" for one in values)
    packed = bytes(int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8))
    data = struct.pack("<I", len(values)) + packed
    kept = min(len(values), MOST_ELEMENTS)
    assert elements_of(data, BOOLEANS) == (
        [float(one) for one in values[:kept]], len(values) - kept
    )  # fmt: skip
    for wrong in (data + b"\x00", data[:-1], data[:3]):
        found, reason = elements_of(wrong, BOOLEANS)
        assert (found, reason) == ([], f"{len(wrong)} bytes are no BooleanArray")


def test_every_array_of_numbers_is_known_and_no_other() -> None:
    assert {TYPES[number] for number in ARRAYS} == {
        "Int8Array", "Int16Array", "Int32Array", "Int64Array", "UInt8Array", "UInt16Array",
        "UInt32Array", "UInt64Array", "FloatArray", "DoubleArray", "BooleanArray",
    }  # fmt: skip
