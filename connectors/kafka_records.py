"""From a broker's answer to portions of records, and what takes their place where one is damaged.

A damaged batch becomes one dead letter with its place, and reading goes on behind it. Where it
cannot be told where the batch ends, reading stops with an error.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from padit.codecs.contract import Reject
from padit.codecs.dead_letter import DeadRecord
from padit.codecs.record_batches import BatchHeader, Walked, committed, headers_of, walk
from padit.connectors.kafka_request import Answer
from padit.domain.errors import WireFormatError

__all__ = ["Opened", "letter_of", "open_answer", "portions"]

_RECORDS = 10_000  # what `codecs.records` decodes best at a time
_BYTES = 512 << 10  # as they are stored: bounds what is unpacked at a time


class Opened(NamedTuple):
    """The batches of an answer.

    Attributes:
        batches: those that count, in order.
        following: offset behind everything that came.
        epoch: of the leader that wrote the last batch; -1 if none came.
    """

    batches: list[BatchHeader]
    following: int
    epoch: int


def open_answer(answer: Answer, *, checked: bool, stable: bool) -> Opened:
    """Find and check the batches of an answer; nothing is unpacked.

    Args:
        answer: of a broker.
        checked: whether checksums are compared.
        stable: whether records of transactions that were given up are left out.

    Raises:
        WireFormatError: where a batch ends, or whether a transaction was given up, cannot be told.
    """
    every = list(headers_of(memoryview(answer.data), checked=checked))
    if every and every[-1].last < answer.at:  # it lies; reading has to go on behind it
        every[-1] = every[-1]._replace(last=answer.at)
    counting = list(committed(every, answer.aborted)) if stable else every
    following = max(answer.at, answer.end, every[-1].last + 1 if every else 0)
    return Opened(counting, following, every[-1].epoch if every else -1)


def portions(
    batches: Sequence[BatchHeader], start: int, *, headers: bool = False, keys: bool = False
) -> Iterator[Walked | BatchHeader]:
    """The records of batches, about 10,000 at a time; a damaged batch stands for itself."""
    for group in _groups(batches):
        try:
            yield from _parts(walk(group, start, headers=headers, keys=keys))
        except WireFormatError:
            for one in group:
                try:
                    yield from _parts(walk([one], start, headers=headers, keys=keys))
                except WireFormatError as error:
                    yield one._replace(damage=str(error))
        yield from (one for one in group if one.damage)


def _groups(batches: Sequence[BatchHeader]) -> Iterator[list[BatchHeader]]:
    group: list[BatchHeader] = []
    records = size = 0
    for one in batches:
        group.append(one)
        records, size = records + one.records, size + len(one.body)
        if records >= _RECORDS or size >= _BYTES or one.damage:
            yield group
            group, records, size = [], 0, 0
    if group:
        yield group


def _parts(walked: Walked) -> Iterator[Walked]:
    for first in range(0, len(walked.offset), _RECORDS):
        yield walked.part(first, first + _RECORDS)


def letter_of(batch: BatchHeader, topic: str, partition: int) -> DeadRecord:
    """The dead letter of a damaged batch: its bytes, its place, and how many records are lost."""
    span = batch.last - batch.first + 1
    lost = batch.records if 0 < batch.records <= span else 1
    return DeadRecord(
        bytes(batch.body), Reject(0, batch.damage, lost), topic, partition, batch.first
    )
