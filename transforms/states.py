"""All state of a key group that a close steps, as one value of bytes, and what it is made of."""

from dataclasses import dataclass
from typing import Any

import msgspec

from padit.domain.errors import FRESH_START, StateError
from padit.transforms.alerts import Alerts, Episodes
from padit.transforms.attributes import Known, dump_known, load_known
from padit.transforms.detect import Detection
from padit.transforms.detectors.columns import Columns
from padit.transforms.limit import Census, SeriesLimit
from padit.transforms.warmup import WarmUpTracker

__all__ = ["VERSION", "SavedStates", "States", "check_version"]

VERSION = 7
"""Of everything a key group saves."""


class _DetectionState(msgspec.Struct, array_like=True):
    version: int
    detectors: list[tuple[str, int, bytes]]
    alerts: bytes
    warmup: bytes
    census: bytes
    attributes: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_DetectionState)


@dataclass(slots=True)
class States:
    """The parts, loaded.

    Attributes:
        detectors: of each, in the order of the configuration.
        episodes: open alerts.
        warmup: how far each series has come.
        census: series that may have state.
        attributes: what the latest sample of each series stated.
    """

    detectors: tuple[Any, ...]
    episodes: Episodes
    warmup: Columns
    census: Census
    attributes: Known


class SavedStates:
    """Loads and dumps them.

    Args:
        detection, alerts, warmup, limit: whose states they are.
    """

    def __init__(
        self, detection: Detection, alerts: Alerts, warmup: WarmUpTracker, limit: SeriesLimit
    ) -> None:
        self._detection = detection
        self._alerts = alerts
        self._warmup = warmup
        self._limit = limit

    def load(self, data: bytes | None) -> tuple[States, list[tuple[str, int, bytes]] | None]:
        """All states, and those of the detectors as they were saved; the first ones of None.

        Raises:
            StateError: damaged, of another version, or of other detectors.
        """
        if data is None:
            detectors, warmup = self._detection.initial(), self._warmup.initial()
            return States(detectors, self._alerts.initial(), warmup, {}, {}), None
        try:
            saved = _decoder.decode(data)
        except msgspec.DecodeError as error:
            message = f"the saved detector state ({len(data)} bytes) is damaged: {error}"
            raise StateError(message) from error
        check_version(saved.version)
        states = States(
            self._detection.load(saved.detectors),
            self._alerts.load(saved.alerts),
            self._warmup.load(saved.warmup),
            self._limit.load(saved.census),
            load_known(saved.attributes),
        )
        return states, saved.detectors

    def dump(self, states: States) -> bytes:
        """All states as versioned bytes; the same states always give the same bytes."""
        return _encoder.encode(
            _DetectionState(
                VERSION,
                self._detection.dump(states.detectors),
                self._alerts.dump(states.episodes),
                self._warmup.dump(states.warmup),
                self._limit.dump(states.census),
                dump_known(states.attributes, states.census),
            )
        )


def check_version(version: int) -> None:
    """Refuse state of another version.

    Raises:
        StateError: with the way out.
    """
    if version != VERSION:
        message = f"the saved state has version {version}, this code reads {VERSION}: {FRESH_START}"
        raise StateError(message)
