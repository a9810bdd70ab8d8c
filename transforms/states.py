"""All state of a key group that a close steps, loaded, and as parts of bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from padit.domain.errors import FRESH_START, StateError
from padit.transforms.alerts import Alerts
from padit.transforms.attributes import Known, dump_known, load_known
from padit.transforms.detect import Detection
from padit.transforms.detectors.columns import Columns
from padit.transforms.episodes import Followed
from padit.transforms.limit import Census, SeriesLimit
from padit.transforms.peers import Peers, PeerState
from padit.transforms.warmup import WarmUpTracker

__all__ = ["VERSION", "SavedStates", "States", "check_version"]

VERSION = 7
"""Of everything a key group saves."""


class _Index(msgspec.Struct, array_like=True):
    """First of the parts; name and version of each detector, whose states come next."""

    version: int
    detectors: list[tuple[str, int]]


_OTHERS = 4
"""Parts behind the detectors: alerts, warm-up, census, attributes; with peers theirs, too."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Index)


@dataclass(slots=True)
class States:
    """The parts, loaded.

    Attributes:
        detectors: of each, in the order of the configuration.
        followed: open alerts, and what is known of their series.
        warmup: how far each series has come.
        census: series that may have state.
        attributes: what the latest sample of each series stated.
        peers: what is remembered for the fleet; None without the option.
    """

    detectors: tuple[Any, ...]
    followed: Followed
    warmup: Columns
    census: Census
    attributes: Known
    peers: PeerState | None = None


class SavedStates:
    """Loads and dumps them.

    Args:
        detection, alerts, warmup, limit, peers: whose states they are.
    """

    def __init__(
        self,
        detection: Detection,
        alerts: Alerts,
        warmup: WarmUpTracker,
        limit: SeriesLimit,
        peers: Peers | None = None,
    ) -> None:
        self._peers = peers
        self._detection = detection
        self._alerts = alerts
        self._warmup = warmup
        self._limit = limit

    def load(self, parts: Sequence[bytes] | None) -> States:
        """All states; the first ones of None.

        Raises:
            StateError: damaged, of another version, or of other detectors.
        """
        saved = self.of_detectors(parts)
        if parts is None or saved is None:
            detectors, warmup = self._detection.initial(), self._warmup.initial()
            peers = None if self._peers is None else self._peers.initial()
            return States(detectors, self._alerts.initial(), warmup, {}, {}, peers)
        behind = 1 + len(saved)
        alerts, of_warmup, census, attributes = parts[behind : behind + _OTHERS]
        return States(
            self._detection.load(saved),
            self._alerts.load(alerts),
            self._warmup.load(of_warmup),
            self._limit.load(census),
            load_known(attributes),
            None if self._peers is None else self._peers.load(parts[-1]),
        )

    def of_detectors(self, parts: Sequence[bytes] | None) -> list[tuple[str, int, bytes]] | None:
        """State of every detector with its name and version, as saved; None of the first ones.

        Raises:
            StateError: damaged, or of another version.
        """
        others = _OTHERS + (self._peers is not None)
        return None if parts is None else _detectors_of(parts, others)

    def dump(self, states: States) -> list[bytes]:
        """All states as versioned bytes; the same states always give the same bytes."""
        detectors = self._detection.dump(states.detectors)
        index = _Index(VERSION, [(name, version) for name, version, _ in detectors])
        return [
            _encoder.encode(index),
            *(data for _, _, data in detectors),
            self._alerts.dump(states.followed),
            self._warmup.dump(states.warmup),
            self._limit.dump(states.census),
            dump_known(states.attributes, states.census),
            *([] if self._peers is None else [self._peers.dump(_of(states))]),
        ]


def _of(states: States) -> PeerState:
    if states.peers is None:
        raise StateError("the state of peers is missing")  # noqa: EM101
    return states.peers


def _detectors_of(parts: Sequence[bytes], others: int) -> list[tuple[str, int, bytes]]:
    """State of every detector with its name and version."""
    try:
        index = _decoder.decode(parts[0])
    except (ValueError, IndexError) as error:
        message = f"the saved detector state ({len(parts)} parts) is damaged: {error}"
        raise StateError(message) from error
    check_version(index.version)
    if len(parts) != 1 + len(index.detectors) + others:
        message = (
            f"the saved detector state is damaged: it has {len(parts)} parts for "
            f"{len(index.detectors)} detectors"
        )
        raise StateError(message)
    return [
        (name, version, data)
        for (name, version), data in zip(index.detectors, parts[1:], strict=False)
    ]


def check_version(version: int) -> None:
    """Refuse state of another version.

    Raises:
        StateError: with the way out.
    """
    if version != VERSION:
        message = f"the saved state has version {version}, this code reads {VERSION}: {FRESH_START}"
        raise StateError(message)
