"""Dead letters keep what is needed to look at a record again."""

import base64
import hashlib
import json

from padit.codecs.contract import Reject
from padit.codecs.dead_letter import DeadRecord
from padit.domain.dead_letter import LARGEST_ORIGINAL


def test_a_dead_letter_keeps_the_original_bytes() -> None:
    letter = DeadRecord(b"\xff\x00bad", Reject(0, "no JSON"), "metrics", 3, 42).letter()
    content = json.loads(letter.to_json())
    assert base64.b64decode(content["original"]) == b"\xff\x00bad"
    assert content["digest"] == hashlib.sha256(b"\xff\x00bad").hexdigest()
    assert (content["reason"], content["topic"]) == ("no JSON", "metrics")
    assert (content["partition"], content["offset"], content["size"]) == (3, 42, 5)


def test_a_tombstone_has_no_bytes() -> None:
    letter = DeadRecord(None, Reject(0, "tombstone"), "metrics", 0, 0).letter()
    assert (letter.original, letter.size) == (b"", 0)


def test_a_huge_record_is_cut_but_its_size_and_digest_are_of_the_whole() -> None:
    whole = b"x" * 5_000_000
    letter = DeadRecord(whole, Reject(0, "too large " * 1000), "metrics", 0, 0).letter()
    assert len(letter.original) == LARGEST_ORIGINAL
    assert (letter.size, letter.digest) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert len(letter.to_json()) < 1 << 20  # a broker's default limit
