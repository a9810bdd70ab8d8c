"""Numbers as text: what looks like one, and the option that would read what is none."""

import pytest

from padit.codecs.payload_text import LONGEST, looks_numeric, read_text
from padit.codecs.payloads import number_of


@pytest.mark.parametrize("digits", [1, LONGEST - 1, LONGEST, LONGEST + 1])
def test_texts_are_looked_at_up_to_their_bound(digits: int) -> None:
    text = "7" * digits
    assert looks_numeric(text) == (digits <= LONGEST)
    found = read_text(text)
    assert (found is not None) == (digits <= LONGEST)


@pytest.mark.parametrize(
    ("payload", "remedy"),
    [
        (b"running", "; `states` turns words into numbers"), (b"RUN 7", ""), (b"null", ""),
        (b"nan", ""), (b"a-b", ""), (b"22,5", "; `decimal_comma` would read it"),
        (b"-12,345", "; `decimal_comma` would read it, if the comma is a decimal mark"),
        (b"0,345", "; `decimal_comma` would read it"),
        ("22.5 °C".encode(), "; `strip_units` would read it"),
        ("22,5 °".encode(), "; `decimal_comma` and `strip_units` would read it"),
        (b"21.5,40.2", ""), (b"1,234.5", ""), (b"21.5\xb0C", ""), (b"1,2,3 kW", ""),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_the_option_that_would_read_it(
    payload: bytes, remedy: str
) -> None:
    with pytest.raises(ValueError, match="no finite number") as error:
        number_of(payload)
    assert str(error.value).partition(" is no finite number")[2] == remedy


@pytest.mark.parametrize(
    "payload",
    [b"cpu,host=web1 usage_idle=98.1,usage_user=1.2 1767571200000000000\n", b"m v=1i",
     b'weather,city=a\\ b temp=21.5,sky="clear"', b"door open=true 5"],
)  # fmt: skip
def test_line_protocol_is_recognised_and_named_with_who_reads_it(payload: bytes) -> None:
    with pytest.raises(ValueError, match="the adapter `influx` receives that"):
        number_of(payload)


@pytest.mark.parametrize("payload", [b"temp=21.5 hum=40", b"a b c", b"x, y=1", b"21.5 kW"])
def test_other_texts_are_no_line_protocol(payload: bytes) -> None:
    with pytest.raises(ValueError, match="no finite number") as error:
        number_of(payload)
    assert "influx" not in str(error.value)
