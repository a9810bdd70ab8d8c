"""The latest windows of each series, from what the job writes with `--features`, for plots.

Memory is bounded: so many windows of a series, so many series; the one without windows for
longest goes first, and is counted.
"""

import logging
import math
import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from padit.alerting.effects import Handed
from padit.alerting.follow import GrowingFile
from padit.alerting.plots.plot import WindowPoint, plot
from padit.connectors.kafka_errors import QUIET, ClientErrors
from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.uris import Address, read_client_config
from padit.domain.timestamps import parse_timestamp
from padit.ops.background import kept
from padit.ops.reach import Reach

__all__ = ["Follower", "Windows"]

_LOG = logging.getLogger(__name__)
_SHOWN = 120
_MOST_SERIES = 20_000
_LOOK_SECONDS = 0.2
_ASK_SECONDS = 10.0
_FROM_THE_END = 200_000


class _Feature(msgspec.Struct):
    source_id: str
    metric_name: str
    window_end: str
    mean: float | None = None
    score: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None


_decoder = msgspec.json.Decoder(_Feature)


class Windows:
    """What plots are made of; one thread adds, any may ask.

    Args:
        shown: windows kept of a series.
        most_series: series kept.

    Attributes:
        refused: records that were no features.
        dropped: series that went because there were too many.
    """

    def __init__(self, shown: int = _SHOWN, most_series: int = _MOST_SERIES) -> None:
        self._shown, self._most = shown, most_series
        self._series: OrderedDict[tuple[str, str], deque[WindowPoint]] = OrderedDict()
        self._lock = threading.Lock()
        self.refused = 0
        self.dropped = 0

    def add(self, records: Iterable[bytes]) -> None:
        """Records of the job; a repeated or older window of a series changes nothing."""
        found = []
        for record in records:
            try:
                one = _decoder.decode(record)
                found.append((one, parse_timestamp(one.window_end)))
            except (msgspec.DecodeError, ValueError, OverflowError):
                self.refused += 1
        with self._lock:
            for one, end in found:
                self._add(one, end)

    def _add(self, one: _Feature, end: int) -> None:
        name = one.source_id, one.metric_name
        kept = self._series.get(name)
        if kept is None:
            kept = self._series[name] = deque(maxlen=self._shown)
            if len(self._series) > self._most:
                self._series.popitem(last=False)
                self.dropped += 1
        self._series.move_to_end(name)
        if not kept or end > kept[-1].end:
            low, high = _number(one.expected_low), _number(one.expected_high)
            kept.append(WindowPoint(end, _number(one.mean), low, high, _number(one.score)))

    def plot_of(self, message: Handed) -> tuple[bytes, str]:
        """The picture of the worst member of a message and its name; or nothing, and why.

        Nothing later than the message is shown, so a repeated attempt gives the same bytes.
        """
        if message.view is None or not message.view.members:
            return b"", ""
        one = message.view.members[0]
        name = f"{one.source_id} {one.metric_name}"
        with self._lock:
            points = list(self._series.get((one.source_id, one.metric_name), ()))
        points = points[: bisect_right([point.end for point in points], message.time)]
        if not any(math.isfinite(point.mean) for point in points):
            return b"", f"no plot: no windows of {name} were read"
        return plot(points, one.opened, one.closed), name


def _number(value: float | None) -> float:
    return math.nan if value is None else value


class Follower:
    """Reads features in a thread of its own while a block runs.

    A topic is read from its latest records on; plots show recent windows only.

    Args:
        address: of a .jsonl file or a topic.
        windows: to add to.
    """

    def __init__(self, address: Address, windows: Windows) -> None:
        self._address, self._windows = address, windows
        self._errors = ClientErrors()
        self._reach = Reach(_LOG, f"features of {address.path} at {address.host} for plots")
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=kept(self._run, self._stop, "features"), name="features", daemon=True
        )

    def __enter__(self) -> Windows:
        self._thread.start()
        return self._windows

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        work = self._topic if self._address.kind == "kafka" else self._file
        while not self._stop.is_set():
            try:
                work()
            except KafkaException as error:  # plots are missing for a while, nothing else
                self._reach.away(self._errors.text or error.args[0].str())
                self._stop.wait(_ASK_SECONDS)

    def _file(self) -> None:
        file = GrowingFile(Path(self._address.path))
        while not self._stop.is_set():
            lines = file.lines()
            self._windows.add(line for _, line in lines)
            if not lines:
                self._stop.wait(_LOOK_SECONDS)

    def _topic(self) -> None:
        settings = read_client_config(self._address.options.get("client_config"))
        consumer = Consumer(
            {**QUIET, **PROMPT, "bootstrap.servers": self._address.host,
             "group.id": "padit-alerting-features", "enable.auto.commit": False,
             "auto.offset.reset": "earliest", **settings, "error_cb": self._errors.note}
        )  # fmt: skip
        try:
            consumer.assign(_latest(consumer, self._address.path))
            self._errors.answered()
            self._reach.back()
            while not self._stop.is_set():
                found = consumer.consume(1000, _LOOK_SECONDS)
                if self._errors.down:  # the client connects again by itself
                    self._ask_again(consumer)
                self._windows.add(
                    data for one in found if not one.error() and (data := one.value()) is not None
                )
        finally:
            consumer.close()

    def _ask_again(self, consumer: Consumer) -> None:
        self._reach.away(self._errors.text)
        with suppress(KafkaException):
            consumer.list_topics(self._address.path, timeout=_LOOK_SECONDS)
            self._errors.answered()
            self._reach.back()


def _latest(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """Where the latest records of each partition begin."""
    partitions = consumer.list_topics(topic, timeout=_ASK_SECONDS).topics[topic].partitions
    share = _FROM_THE_END // max(len(partitions), 1)
    found = []
    for number in sorted(partitions):
        one = TopicPartition(topic, number)
        low, high = consumer.get_watermark_offsets(one, timeout=_ASK_SECONDS)
        found.append(TopicPartition(topic, number, max(low, high - share)))
    return found
