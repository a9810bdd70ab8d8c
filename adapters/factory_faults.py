"""Faults of the factory machines: what each does, when it counts as a failure, where it goes.

The failure conditions are those of AI4I 2020 (S. Matzka, 2020). A fault grows from nothing to
full strength over its onset and is repaired shortly before its end, so everything it changes
lies within the labelled interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import format_utc

__all__ = [
    "FAULTS",
    "METRICS_OF",
    "OVERSTRAIN_LIMITS",
    "Fault",
    "FaultKind",
    "Label",
    "fails",
    "parse_faults",
    "schedule_faults",
]

Floats = NDArray[np.float64]
FaultKind = Literal["overstrain", "heat_dissipation", "power_failure", "tool_wear_failure"]
FAULTS: tuple[str, ...] = get_args(FaultKind)

METRICS_OF: dict[str, tuple[str, ...]] = {
    "overstrain": ("rpm", "torque_nm"),
    "heat_dissipation": ("air_temp_k", "process_temp_k", "rpm"),
    "power_failure": ("rpm", "torque_nm"),
    "tool_wear_failure": ("tool_wear_min", "torque_nm"),
}
"""Metrics that a fault moves out of their normal range."""

OVERSTRAIN_LIMITS = {"L": 11_000.0, "M": 12_000.0, "H": 13_000.0}
"""Largest product of tool wear and torque by product variant, minNm."""

_LONGEST_SEC = 1200.0
_SHARE_OF_RUN = 0.2
_ONSET_SHARE = 0.25
_RECOVERY_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one machine; times in seconds after the start of the simulation.

    Attributes:
        kind: what goes wrong.
        start: first moment that differs from normal operation.
        end: first moment that does not any more.
        onset: seconds until it has its full strength.
    """

    kind: str
    start: float
    end: float
    onset: float

    def strength(self, time: Floats) -> Floats:
        """How far the fault has grown at `time`, float64 (n,) from 0 to 1."""
        recovery = max(_RECOVERY_SHARE * (self.end - self.start), 1e-6)
        grown = _smooth_step((time - self.start) / max(self.onset, 1e-6))
        return grown * _smooth_step((self.end - time) / recovery)


@dataclass(frozen=True, slots=True)
class Label:
    """Ground truth for one fault; times in microseconds since 1970.

    Attributes:
        source_id: the machine.
        fault: what goes wrong.
        start: as in `Fault`.
        failure: first sample that meets the failure condition, or None if none does.
        end: as in `Fault`.
        metrics: names of the metrics that leave their normal range.
    """

    source_id: str
    fault: str
    start: int
    failure: int | None
    end: int
    metrics: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, times as RFC 3339."""
        return {
            "source_id": self.source_id,
            "fault": self.fault,
            "start": format_utc(self.start),
            "failure": None if self.failure is None else format_utc(self.failure),
            "end": format_utc(self.end),
            "metrics": list(self.metrics),
        }


def fails(kind: str, values: Floats, variant: str) -> NDArray[np.bool_]:
    """Which samples meet the failure condition of AI4I 2020.

    Args:
        kind: one of `FAULTS`.
        values: float64 (n, 5): air and process temperature (K), rpm, torque (Nm), wear (min).
        variant: product variant, "L", "M" or "H".
    """
    air, process, rpm, torque, wear = values.T
    power = torque * rpm * (2 * np.pi / 60)
    failing: dict[str, NDArray[np.bool_]] = {
        "heat_dissipation": (process - air < 8.6) & (rpm < 1380),
        "power_failure": (power < 3500) | (power > 9000),
        "overstrain": wear * torque > OVERSTRAIN_LIMITS[variant],
        # A tool breaks somewhere between 200 and 240 min; here one fails that is overdue.
        "tool_wear_failure": wear > 240,
    }
    return failing[kind]


def parse_faults(text: str) -> tuple[str, ...]:
    """A comma-separated list of faults; a name may come several times, "" is none.

    Raises:
        ConfigurationError: a name that is not one of `FAULTS`.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FAULTS:
            message = f"there is no fault {name!r}; there are: {', '.join(FAULTS)}"
            raise ConfigurationError(message)
    return names


def schedule_faults(
    names: Sequence[str], machines: int, seconds: float, seed: int
) -> dict[int, Fault]:
    """Place each named fault on a machine of its own, spread over the run.

    Args:
        names: from `FAULTS`.
        machines: how many machines there are.
        seconds: length of the run; a fault lasts a fifth of it, at most 20 minutes.
        seed: decides which machine gets which fault, and when.

    Returns:
        The fault of each machine that has one, by its number from 0.

    Raises:
        ConfigurationError: more faults than machines.
    """
    if len(names) > machines:
        message = (
            f"{len(names)} faults need {len(names)} machines, there are {machines}: "
            "raise --machines or name fewer faults (a machine has at most one)"
        )
        raise ConfigurationError(message)
    random = np.random.default_rng(seed)
    chosen = random.permutation(machines)[: len(names)]
    length = min(_SHARE_OF_RUN * seconds, _LONGEST_SEC)
    # One after the other with some jitter, away from both ends of the run.
    first, last = 0.15 * seconds, 0.92 * seconds - length
    slot = (last - first) / max(len(names), 1)
    placed = {}
    for position, (name, machine) in enumerate(zip(names, chosen, strict=True)):
        start = float(np.floor(first + slot * (position + random.uniform(0.1, 0.9))))
        placed[int(machine)] = Fault(name, start, start + length, _ONSET_SHARE * length)
    return placed


def _smooth_step(x: Floats) -> Floats:
    bounded = np.clip(x, 0.0, 1.0)
    return bounded * bounded * (3 - 2 * bounded)
