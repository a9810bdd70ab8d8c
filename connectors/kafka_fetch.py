"""Fetches from Kafka's brokers: the bytes of record batches as they lie in the log.

kafka-python keeps metadata, connections, TLS and SASL, in a thread of its own; requests and answers
are made here, because its consumer makes Python objects of records. A partition is asked for again
once its last answer was taken and `go_on` says where it ends: so at most one answer of each
partition waits, partitions stay in step, and brokers are asked while records are decoded.

The partition that got records the longest time ago is the first of a request, which a broker
serves even if its batch is larger than the limits.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from kafka import errors
from kafka.net.selector import NetworkSelector
from kafka.structs import TopicPartition

from padit.codecs.record_batches import Aborted
from padit.connectors.kafka_connections import Connections
from padit.connectors.kafka_request import Answer, Place, fetch_request
from padit.connectors.kafka_settings import FetchSettings
from padit.domain.errors import SourceError

__all__ = ["Fetcher"]

_LOG = logging.getLogger(__name__)
_TICK_SECONDS = 0.1
_SMALL = 64 << 10  # an answer of fewer bytes is not followed by the next request at once
_PAUSE_SECONDS = 0.01
_METADATA_SECONDS = 0.5  # between two requests for metadata that are due to missing leaders
_LOST_SECONDS = 10.0  # without any answer: begin again with the brokers that were given
_FRESH_SECONDS = 2.0  # an end of a log that is older says nothing about now
_AT_WORK_SECONDS = 1.0  # of more than that between two calls nobody read
_SAY_AGAIN_SECONDS = 30.0
_MOVED = (
    errors.NotLeaderForPartitionError,
    errors.ReplicaNotAvailableError,
    errors.KafkaStorageError,
    errors.FencedLeaderEpochError,
    errors.UnknownLeaderEpochError,
    errors.LeaderNotAvailableError,
    errors.OffsetNotAvailableError,
)


class Fetcher:
    """Fetches some partitions of a topic; used by one thread.

    Args:
        settings: how to connect and to fetch.
        topic: name of the topic.
        patience: seconds in which a broker may answer that it does not know a partition or refuse
            the login, as happens briefly after its restart.
        look_every: seconds between two looks for added partitions; None: none.
    """

    def __init__(
        self, settings: FetchSettings, topic: str, patience: float, look_every: float | None
    ) -> None:
        for name in ("kafka.net", "kafka.cluster", "kafka.protocol"):  # what matters is said here
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._settings, self._topic, self._patience = settings, topic, patience
        self._news = threading.Condition()
        self._wanted: dict[int, Place] = {}
        self._paused: frozenset[int] = frozenset()
        self._answers: deque[Answer] = deque()
        self._ends: dict[int, tuple[int, float, float]] = {}  # when, and when by `_read_clock`
        self._failure: SourceError | None = None
        self._closed = False
        self._busy: set[int] = set()
        self._not_before: dict[int, float] = {}  # by broker
        self._held: dict[int, float] = {}  # by partition
        self._turn: dict[int, int] = {}
        self._turns = 0
        self._unknown: dict[int, float] = {}
        self._said: dict[str, float] = {}
        self._metadata_at = self._asked = 0.0
        self._heard = self._left = time.monotonic()
        self._away = 0.0
        age = 300.0 if look_every is None else look_every
        self._net = NetworkSelector(client_id=settings.connection["client_id"])
        self._manager = Connections(
            self._net, metadata_max_age_ms=round(age * 1000), **settings.connection
        )
        self._cluster = self._manager.cluster
        self._cluster.config["allow_auto_create_topics"] = False
        self._cluster.add_listener(self._refreshed)
        self._net.start()
        self._cluster.set_topics([topic])
        self._net.call_soon_threadsafe(self._tick)

    def go_on(self, partition: int, offset: int, epoch: int = -1) -> None:
        """Fetch a partition from an offset on, once.

        Args:
            partition: its number.
            offset: of the next record.
            epoch: of the leader that wrote the batch before it, to notice a log that was cut.
        """
        with self._news:
            self._wanted[partition] = Place(offset, epoch)
        self._nudge()

    def forget(self, partition: int) -> None:
        """Fetch a partition no more, and drop what is there of it."""
        with self._news:
            self._wanted.pop(partition, None)
            self._unknown.pop(partition, None)
            self._answers = deque(one for one in self._answers if one.partition != partition)

    def pause(self, partitions: frozenset[int]) -> None:
        """Neither fetch nor hand out these partitions until the next call."""
        with self._news:
            # What was known of their ends is old when they go on.
            self._ends = {n: end for n, end in self._ends.items() if n not in partitions}
            self._paused = partitions
        self._nudge()

    def take(self, seconds: float) -> Answer | None:
        """Wait at most so long for an answer.

        Raises:
            SourceError: reading cannot go on.
        """
        try:
            return self._taken(seconds)
        finally:
            self._left = time.monotonic()

    def _taken(self, seconds: float) -> Answer | None:
        with self._news:
            now = time.monotonic()
            self._away += now - min(now, self._left + _AT_WORK_SECONDS)
            self._left = now
            self._news.wait_for(lambda: self._first() is not None or self._failure, seconds)
            found = self._first()
            if found is not None:
                self._answers.remove(found)
                return found
            if self._failure is not None:
                raise self._failure
        if self._net._exception is not None:
            message = f"{self._topic}: the connection to Kafka broke down"
            raise SourceError(message) from self._net._exception
        return None

    def _first(self) -> Answer | None:
        return next((one for one in self._answers if one.partition not in self._paused), None)

    def ends(self, *, lately: bool = False) -> Mapping[int, int]:
        """Where logs end (high watermarks), by partition, as far as their brokers said so now.

        Args:
            lately: time in which nobody took answers makes what they said no older.
        """
        with self._news:
            now = time.monotonic()
            read = self._read_clock(now)
            ages = {n: read - b if lately else now - a for n, (_, a, b) in self._ends.items()}
            return {n: self._ends[n][0] for n, age in ages.items() if age <= _FRESH_SECONDS}

    def _read_clock(self, now: float) -> float:
        """A clock that stands while the reader is at other work for long."""
        return min(now, self._left + _AT_WORK_SECONDS) - self._away

    def partitions(self) -> frozenset[int]:
        """The topic's partitions as they were last heard of; none before that."""
        return frozenset(self._cluster.partitions_for_topic(self._topic) or ())

    def close(self) -> None:
        """Leave the brokers."""
        self._closed = True
        if self._net._exception is None:
            try:
                self._net.run(self._manager.close)
            except (RuntimeError, OSError, errors.KafkaError) as error:
                _LOG.info("%s: closing: %s", self._topic, error)
        self._net.close()

    # What follows runs in kafka-python's thread.

    def _nudge(self) -> None:
        if not self._closed and self._net._exception is None:
            self._net.call_soon_threadsafe(self._send_due)

    def _refreshed(self, _: Any) -> None:
        """Leaders are known, or have changed: what waited for them is asked for now."""
        self._metadata_at = self._heard = time.monotonic()
        self._net.call_soon(self._send_due)

    def _tick(self) -> None:
        """Send what waited, look for partitions that nobody knows, find lost brokers again."""
        if self._closed:
            return
        now = time.monotonic()
        self._check_unknown()
        self._keep_looking()
        refused = self._manager.refused
        if refused is not None and now - refused >= self._patience:
            self._fail(
                f"the brokers refuse the login, or cannot be trusted ({self._manager.reason}); "
                "check the settings in client_config"
            )
        if now - self._heard >= _LOST_SECONDS and self._wanted:
            self._heard = now
            self._manager._auth_failures.clear()
            begun = self._manager.bootstrap_async(timeout_ms=round(_LOST_SECONDS * 1000))
            begun.add_errback(self._lost)
        self._send_due()
        self._net.call_later(_TICK_SECONDS, self._tick)

    def _keep_looking(self) -> None:
        """Begin to refresh metadata again: a login that is refused ends that for good."""
        looking = self._cluster._refresh_loop_future
        if looking is not None and looking.is_done:
            if looking.failed():
                self._lost(looking.exception)
            self._manager._auth_failures.clear()
            self._cluster._refresh_loop_future = None
            self._cluster.start_refresh_loop()

    def _lost(self, error: Exception) -> None:
        if isinstance(error, errors.IncompatibleBrokerVersion):
            self._fail(f"the brokers are of a version that cannot be read from: {error}")
        self._say("no broker answers: ", error)

    def _send_due(self) -> None:
        """Ask every broker that is not busy for what is wanted of it."""
        if self._closed:
            return
        now = time.monotonic()
        with self._news:
            waiting = {one.partition for one in self._answers}
            wanted = {
                n: place
                for n, place in self._wanted.items()
                if n not in self._paused and n not in waiting and self._held.get(n, 0.0) <= now
            }
        by_leader: dict[int, dict[int, Place]] = {}
        for number in sorted(wanted, key=lambda n: (self._turn.get(n, 0), n)):
            leader = self._cluster.leader_for_partition(TopicPartition(self._topic, number))
            if leader is not None:
                self._unknown.pop(number, None)
            if leader is None or leader == -1:
                self._leaderless(number, leader)
            elif leader not in self._busy and self._not_before.get(leader, 0.0) <= now:
                by_leader.setdefault(leader, {})[number] = wanted[number]
        for leader, places in by_leader.items():
            self._busy.add(leader)
            self._manager.call_soon(self._ask, leader, places)

    def _leaderless(self, number: int, leader: int | None) -> None:
        if leader is None and self._metadata_at:
            self._unknown.setdefault(number, time.monotonic())
            self._say(f"partition {number} is not known to the brokers; waiting", None)
        elif leader == -1:
            self._say(f"partition {number} has no leader; waiting", None)
        self._ask_metadata()

    def _ask_metadata(self) -> None:
        now = time.monotonic()
        if now - self._asked >= _METADATA_SECONDS:
            self._asked = now
            self._cluster.request_update()

    async def _ask(self, leader: int, places: dict[int, Place]) -> None:
        pause = _PAUSE_SECONDS
        try:
            answer = await self._manager.send(
                fetch_request(self._settings, self._topic, places), node_id=leader
            )
            if self._take_answers(answer, places) >= _SMALL:
                pause = 0.0
            self._heard, self._manager.refused = time.monotonic(), None
            if self._said.pop(_silent(leader), None) is not None:
                _LOG.warning("%s: broker %s answers again", self._topic, leader)
        except errors.IncompatibleBrokerVersion as error:
            self._fail(f"the broker {leader} is of a version that cannot be read from: {error}")
        except errors.KafkaError as error:
            pause = self._settings.backoff_ms / 1000
            self._manager._auth_failures.clear()  # a login may be right a moment later
            if not self._closed:
                self._say(_silent(leader), error)
                self._ask_metadata()
        except Exception as error:
            _LOG.exception("%s", self._topic)
            self._fail(f"an answer of the broker {leader} cannot be used: {error!r}")
        finally:
            self._busy.discard(leader)
            self._not_before[leader] = time.monotonic() + pause
            if not self._closed:
                self._net.call_later(pause, self._send_due)

    def _take_answers(self, answer: Any, places: Mapping[int, Place]) -> int:
        """Keep what came; returns how many bytes of records that is."""
        failed = errors.for_code(answer.error_code or 0)
        if failed is not errors.NoError:
            raise failed
        size = 0
        found = {one.partition_index: one for topic in answer.responses for one in topic.partitions}
        for number, place in places.items():
            one = found.get(number)
            with self._news:
                wanted = self._wanted.get(number) is place
            if one is None:
                continue
            kind = errors.for_code(one.error_code)
            if wanted and kind is errors.NoError:
                self._take(one, place, size == 0)
            elif wanted:  # else nobody waits for it any more
                self._take_error(number, place, kind)
            size += len(one.records or b"")
        return size

    def _take(self, one: Any, place: Place, first: bool) -> None:
        number, data = one.partition_index, one.records or b""
        diverging = one.diverging_epoch
        if diverging is not None and diverging.end_offset >= 0:
            self._fail(
                f"partition {number}: offset {place.offset} is gone: the log was cut at "
                f"{diverging.end_offset} when its leader changed (unclean election). Start again "
                "with --start_offset"
            )
            return
        self._unknown.pop(number, None)
        aborted = tuple(
            Aborted(each.producer_id, each.first_offset) for each in one.aborted_transactions or ()
        )
        end = self._end(one) if first and not data else -1
        with self._news:
            if number not in self._paused:
                now = time.monotonic()
                self._ends[number] = (one.high_watermark, now, self._read_clock(now))
            if self._wanted.get(number) is not place or (not data and end <= place.offset):
                return
            self._turns += 1
            self._turn[number] = self._turns
            del self._wanted[number]
            self._answers.append(Answer(number, place.offset, data, aborted, end))
            self._news.notify_all()

    def _end(self, one: Any) -> int:
        """Up to where an answer without data says that there is nothing.

        Of the partitions that have something the first one of a request gets a batch that is larger
        than the limits; those behind it may get nothing because of them.
        """
        stable = one.last_stable_offset
        known = stable is not None and stable >= 0 and self._settings.committed
        return int(stable if known else one.high_watermark)

    def _take_error(self, number: int, place: Place, kind: type[errors.KafkaError]) -> None:
        if kind is errors.OffsetOutOfRangeError:
            self._fail(
                f"partition {number}: offset {place.offset} is gone (retention). Start again with "
                "--start_offset"
            )
        elif kind is errors.TopicAuthorizationFailedError:
            self._fail(f"partition {number}: this user may not read the topic")
        elif kind is errors.UnsupportedVersionError:
            self._fail(f"partition {number}: the broker is of a version that cannot be read from")
        else:
            if kind is errors.UnknownTopicOrPartitionError:
                self._unknown.setdefault(number, time.monotonic())
            if kind in _MOVED or issubclass(kind, errors.InvalidMetadataError):
                self._ask_metadata()
            self._held[number] = time.monotonic() + self._settings.backoff_ms / 1000
            self._say(f"partition {number}: the broker answers {kind.__name__}; trying again", None)

    def _check_unknown(self) -> None:
        """Give up a partition that no broker has known for too long; an outage is no such case."""
        for number, since in list(self._unknown.items()):
            if self._metadata_at - since >= self._patience:
                self._fail(
                    f"partition {number}: no broker has known it for {self._patience:g} s; was the "
                    "topic deleted?"
                )

    def _fail(self, reason: str) -> None:
        with self._news:
            self._failure = self._failure or SourceError(f"{self._topic} {reason}")
            self._news.notify_all()

    def _say(self, text: str, error: Exception | None) -> None:
        """Log a trouble at its beginning, and now and then while it lasts."""
        now = time.monotonic()
        if now - self._said.get(text, -_SAY_AGAIN_SECONDS) >= _SAY_AGAIN_SECONDS:
            self._said[text] = now
            _LOG.warning("%s: %s%s", self._topic, text, "" if error is None else error)


def _silent(leader: int) -> str:
    return f"broker {leader} does not answer: "
