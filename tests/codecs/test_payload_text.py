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
        ("22.5 °C".encode(), "; `strip_units` would read it"),
        ("22,5 °".encode(), "; `decimal_comma` and `strip_units` would read it"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_the_option_that_would_read_it(
    payload: bytes, remedy: str
) -> None:
    with pytest.raises(ValueError, match="no finite number") as error:
        number_of(payload)
    assert str(error.value).partition(" is no finite number")[2] == remedy
