"""`padit store`: one process for one store, with its background work in threads beside the loop."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from padit.codecs.validate import Validate
from padit.connectors.sink import Start
from padit.connectors.uris import sink_from_uri
from padit.domain.errors import ConfigurationError, SinkError, SourceError
from padit.domain.timestamps import seconds_to_micros
from padit.ops.background import kept
from padit.stores.base import Background, Stopped, Store
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from padit.stores.registry import store_from_uri
from padit.stores.retention import too_short
from padit.stores.topics import Topics, topics_of

__all__ = ["Plan", "keep_working", "serve"]

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0
_MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Plan:
    """What the command was given.

    Attributes:
        uri: of the store.
        topics: `kafka://` URIs; none: only the background work of the store is done.
        config: settings of the store.
        name: of this reader; positions are kept under it.
        dead_letters: URI of a sink, or None.
        stop_at_end: whether to end once everything is read that there is.
        max_ahead: how far a sample may lie ahead of its record, seconds.
        survive: seconds for which the store may be away without a loss.
        pace: how patient the loop is.
        labels: keys of metadata that become labels.
    """

    uri: str
    topics: Sequence[str]
    config: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    dead_letters: str | None = None
    stop_at_end: bool = False
    max_ahead: float = 3600.0
    survive: float = 86_400.0
    pace: Pace = Pace()  # noqa: RUF009  # frozen
    labels: tuple[str, ...] = ()


def serve(plan: Plan, stopped: threading.Event, say: Callable[[str], None]) -> Consume | None:
    """Work until stopped, or until the end of the topics; the loop with its counts.

    Raises:
        ConfigurationError: something that was given cannot be used.
        SourceError: no broker answers at the start.
    """
    store = store_from_uri(plan.uri, plan.config)
    background = store.background()
    if not plan.topics and not background:
        message = "give --from kafka://host:9092/topic: this store has nothing to do without topics"
        raise ConfigurationError(message)
    threads = [
        threading.Thread(
            target=kept(partial(keep_working, one, stopped), stopped, one.name), name=one.name
        )
        for one in background
    ]
    if plan.topics:
        return _consume(plan, store, stopped, say, threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return None


def _consume(
    plan: Plan,
    store: Store,
    stopped: threading.Event,
    say: Callable[[str], None],
    threads: Sequence[threading.Thread],
) -> Consume:
    address, chosen = topics_of(plan.topics)
    for one in chosen:
        if one.content not in store.contents:
            takes = ", ".join(sorted(store.contents))
            message = f"{store.name} takes {takes}, and {one.name} holds {one.content}"
            raise ConfigurationError(message)
    letters = None
    if not store.raw and not store.keeps_dead_letters:
        letters = _dead_letters(plan, store)
    topics = Topics(address, chosen, plan.name or f"padit-store-{store.name}", store.wants_headers)
    try:
        topics.check()
        for line in too_short(topics.retention(), plan.survive, "the store"):
            say(line)
        validate = Validate(_MAX_BYTES, seconds_to_micros(plan.max_ahead), plan.labels)
        decoders = {one.name: Decoder(one.name, one.content, validate, store.raw) for one in chosen}
        loop = Consume(topics, store, decoders, letters, plan.pace)
        for thread in threads:
            thread.start()
        try:
            loop.run(stopped, topics.caught_up if plan.stop_at_end else None)
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
    finally:
        topics.close()
        if letters is not None:
            letters.close()
    say(f"{store.name}: {loop.counts.line()}")
    return loop


def _dead_letters(plan: Plan, store: Store) -> Any:
    if plan.dead_letters is None:
        message = (
            f"{store.name} does not keep what it cannot use: give --dead_letters, as "
            "kafka://host:9092/topic or dead-letters.jsonl (or `null` to drop them, counted)"
        )
        raise ConfigurationError(message)
    sink = sink_from_uri(plan.dead_letters)
    try:
        sink.prepare(Start())
    except SinkError as error:
        message = f"--dead_letters: {error}"
        raise ConfigurationError(message) from error
    return sink.open()


def keep_working(one: Background, stopped: Stopped) -> None:
    """Run background work again after every error that may pass."""
    while not stopped.is_set():
        try:
            one.run(stopped)
        except (SinkError, SourceError) as error:
            _LOG.warning("%s: %s", one.name, error)
        except ConfigurationError as error:
            _LOG.error("%s ends: %s", one.name, error)  # its text is the remedy
            return
        stopped.wait(_PAUSE_SECONDS)
