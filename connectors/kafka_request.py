"""Requests for record batches, and what comes for a partition.

There are no fetch sessions: like librdkafka's, every request names its partitions.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kafka.protocol.consumer import FetchRequest

from padit.codecs.record_batches import Aborted
from padit.connectors.kafka_settings import FetchSettings

__all__ = ["Answer", "Place", "fetch_request"]

_NEWEST = 12  # version of fetches; later ones name topics by an id
_OLDEST = 4  # the first with transactions

_Topic = FetchRequest.FetchTopic
_Partition = _Topic.FetchPartition


class Answer(NamedTuple):
    """What a broker sent of one partition.

    Attributes:
        partition: number, from 0.
        at: the offset that was asked for; the first batch may begin before it.
        data: record batches; the last one may be cut.
        aborted: transactions among them that were given up.
        end: without data: no record is before this offset, however many were removed or aborted.
    """

    partition: int
    at: int
    data: bytes
    aborted: tuple[Aborted, ...]
    end: int = -1


class Place(NamedTuple):
    """Where to go on: an offset, and the leader's epoch of the batch before it, or -1."""

    offset: int
    epoch: int


def fetch_request(settings: FetchSettings, topic: str, places: Mapping[int, Place]) -> Any:
    """Ask for partitions of a topic, those first that are first in `places`."""
    partitions = [
        _Partition(
            partition=number,
            current_leader_epoch=-1,
            fetch_offset=place.offset,
            last_fetched_epoch=place.epoch,
            log_start_offset=-1,
            partition_max_bytes=settings.partition_bytes,
        )
        for number, place in places.items()
    ]
    return FetchRequest(
        replica_id=-1,
        max_wait_ms=settings.wait_ms,
        min_bytes=settings.min_bytes,
        max_bytes=settings.max_bytes,
        isolation_level=int(settings.committed),
        session_id=0,
        session_epoch=-1,
        topics=[_Topic(topic=topic, partitions=partitions)],
        forgotten_topics_data=[],
        rack_id="",
        min_version=_OLDEST,
        max_version=_NEWEST,
    )
