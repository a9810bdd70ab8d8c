"""Registers of Modbus devices to numbers: types, orders, bits, and what stands for no number.

A value of 32 or 64 bits takes several registers of 16. Devices differ in which register and which
byte of a register comes first; with A the highest byte the four forms are ABCD (the standard's),
CDAB (registers swapped), BADC (bytes swapped) and DCBA (both).
"""

import math
import struct
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from padit.adapters.base import Options
from padit.domain.metric import MetricType

__all__ = ["NotAvailableError", "Register", "value_of"]

_FORMATS = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}


class NotAvailableError(ValueError):
    """The register holds what stands for no number."""


class Register(Options):
    """One value of the device."""

    name: str = Field(min_length=1, description="Name of the metric.", examples=["torque_nm"])
    address: int = Field(ge=0, le=65_535, description="Address as on the wire, from 0.")
    table: Literal["holding", "input", "coil", "discrete"] = Field(
        default="holding", description="Which of the four tables."
    )
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"] = (
        Field(default="uint16", description="How registers are read; coils and inputs need none.")
    )
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = Field(
        default="ABCD",
        description="Order of bytes, A the highest: CDAB swaps registers, BADC the bytes of a "
        "register, DCBA both; likewise for 64 bits.",
    )
    word_order: Literal["big", "little"] = Field(
        default="big", description="Older form of `order`: little is CDAB."
    )
    bit: int | None = Field(
        default=None, ge=0, le=63, description="Take one bit, 0 the lowest, as 0 or 1."
    )
    mask: int = Field(
        default=0, ge=0, description="Take the bits that are set in the mask.", examples=[0x0FF0]
    )
    shift: int | None = Field(
        default=None,
        ge=0,
        le=63,
        description="Places by which masked bits are moved down; by default the lowest becomes bit "
        "0.",
    )
    invalid: tuple[int | float, ...] = Field(
        default=(),
        description="Values that stand for no number, as they are before `scale`, signed or as the "
        "bits of the register.",
        examples=[[0x7FFF, -9999]],
    )
    scale: float = Field(default=1.0, description="Factor.")
    offset: float = Field(default=0.0, description="Added after the factor.")
    unit: str = Field(default="", description="Unit.")
    metric_type: MetricType = Field(default="custom", description="Family of the metric.")

    @property
    def is_bit(self) -> bool:
        """Whether its table holds single bits."""
        return self.table in ("coil", "discrete")

    @property
    def length(self) -> int:
        """Registers or bits it takes."""
        return 1 if self.is_bit else struct.calcsize(_FORMATS[self.type]) // 2

    @model_validator(mode="after")
    def _makes_sense(self) -> "Register":
        width, message = 16 * self.length, ""
        picks = self.bit is not None or self.mask > 0
        if self.address + self.length > 65_536:
            message = f"{self.name} at {self.address} runs over the last address"
        elif self.word_order == "little" and self.order != "ABCD":
            message = f"{self.name}: `order` and `word_order` exclude each other"
        elif self.bit is not None and self.mask:
            message = f"{self.name}: `bit` and `mask` exclude each other"
        elif picks and (self.is_bit or self.type.startswith("float")):
            message = f"{self.name}: `bit` and `mask` pick bits of a register with an integer"
        elif (self.bit or 0) >= width or self.mask >= 1 << width:
            message = f"{self.name}: a {self.type} has the bits 0 to {width - 1}"
        if message:
            raise ValueError(message)
        return self


def value_of(register: Register, words: Sequence[int], *, sunspec: bool = False) -> float:
    """The value in `words`, the register's own (or one bit).

    Raises:
        NotAvailableError: it stands for no number.
        ValueError: not finite, as devices answer for a broken sensor.
    """
    if register.is_bit:
        raw: float = int(words[0])
    else:
        data = _ordered(register, words)
        bits = int.from_bytes(data, "big")
        typed = struct.unpack(_FORMATS[register.type], data)[0]
        _check(register, bits, typed, sunspec)
        raw = _picked(register, bits, typed)
    value = float(raw) * register.scale + register.offset
    if not math.isfinite(value):
        message = f"{register.name} reads {value}"
        raise ValueError(message)
    return value


def _ordered(register: Register, words: Sequence[int]) -> bytes:
    """The bytes of a value, the highest first."""
    swap_words = register.order in ("CDAB", "DCBA") or register.word_order == "little"
    endian = "<" if register.order in ("BADC", "DCBA") else ">"
    ordered = list(reversed(words)) if swap_words else words
    return struct.pack(f"{endian}{len(ordered)}H", *ordered)


def _check(register: Register, bits: int, typed: float, sunspec: bool) -> None:
    """Raise NotAvailableError for a value that stands for no number."""
    absent = bits in register.invalid or typed in register.invalid
    remedy = "it is in `invalid`"
    if not absent and sunspec:
        width = 16 * register.length
        if register.type.startswith("float"):
            absent = math.isnan(typed)
        else:
            top = 1 << (width - 1)
            absent = bits == (top if register.type.startswith("int") else 2 * top - 1)
        remedy = "`sunspec` takes it as not implemented"
    if absent:
        message = f"{register.name} reads 0x{bits:X}: not available; {remedy}"
        raise NotAvailableError(message)


def _picked(register: Register, bits: int, typed: float) -> float:
    """The bits that are asked for, or all of the value."""
    if register.bit is not None:
        return bits >> register.bit & 1
    if register.mask:
        lowest = (register.mask & -register.mask).bit_length() - 1
        return (bits & register.mask) >> (lowest if register.shift is None else register.shift)
    return typed
