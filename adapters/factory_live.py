"""The simulated factory as a live adapter: machines that run now.

`adapters.factory.Factory` is a pure function of the step number; here it is asked for the steps
that have become due since the last poll. The first step is at the moment the adapter opens;
after a pause (a closed lid, a slow poll) the steps in between are made up for, at most
`catch_up_sec` of them.
"""

import json
import time
from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from padit.adapters.base import AdapterOptions, Emitter, Options
from padit.adapters.errors import AdapterError
from padit.adapters.factory import Factory
from padit.adapters.factory_faults import Fault, FaultKind
from padit.domain.timestamps import MICROS

__all__ = ["FactoryAdapter", "FactoryOptions", "PlannedFault"]


class PlannedFault(Options):
    """A fault of one machine; a machine has at most one."""

    machine: int = Field(ge=1, description="Number of the machine, from 1.")
    kind: FaultKind = Field(description="What goes wrong.", examples=["overstrain"])
    after_sec: float = Field(
        default=600.0, ge=0, description="Seconds after the start at which it begins."
    )
    duration_sec: float = Field(default=600.0, gt=0, description="How long it lasts, seconds.")
    onset_sec: float = Field(
        default=60.0, ge=0, description="How long it takes to reach its full strength, seconds."
    )


class FactoryOptions(AdapterOptions):
    """Options of the `factory` adapter."""

    interval_sec: float = Field(default=1.0, gt=0, description="Seconds from poll to poll.")
    machines: int = Field(default=8, ge=1, le=100_000, description="How many machines.")
    seed: int = Field(default=0, description="The same seed gives the same machines.")
    step_sec: float = Field(default=1.0, gt=0, description="Seconds between two samples.")
    faults: tuple[PlannedFault, ...] = Field(
        default=(), description="What goes wrong; nothing by default (the profile `normal`)."
    )
    labels_file: str = Field(
        default="", description="File for the ground truth of the faults, JSON."
    )
    catch_up_sec: float = Field(
        default=60.0, ge=0, description="Longest pause whose samples are made up for, seconds."
    )

    @model_validator(mode="after")
    def _possible(self) -> "FactoryOptions":
        numbers = [fault.machine for fault in self.faults]
        if len(set(numbers)) < len(numbers) or any(n > self.machines for n in numbers):
            message = f"faults: each needs a machine of its own, from 1 to {self.machines}"
            raise ValueError(message)
        return self


class FactoryAdapter:
    """Simulated machines with the statistics of AI4I 2020, and faults with known truth."""

    Options: ClassVar[type[AdapterOptions]] = FactoryOptions

    def __init__(self, options: FactoryOptions) -> None:
        self.options = options
        faults = {
            fault.machine - 1: Fault(
                fault.kind,
                fault.after_sec,
                fault.after_sec + fault.duration_sec,
                min(fault.onset_sec, fault.duration_sec),
            )
            for fault in options.faults
        }
        self._factory = Factory(options.machines, options.seed, options.step_sec, faults)
        self._start = 0
        self._began = 0.0
        self._next = 0

    async def open(self, emitter: Emitter) -> None:
        """Start the machines, once; writes the ground truth."""
        if self._start:
            return
        self._start = int(time.time() * MICROS)
        self._began = time.monotonic()
        if self.options.labels_file:
            labels = [label.to_json() for label in self._factory.labels(self._start)]
            try:
                Path(self.options.labels_file).write_text(json.dumps(labels, indent=1))
            except OSError as error:
                message = f"labels_file {self.options.labels_file} cannot be written: {error}"
                raise AdapterError(message, cause="labels_file") from error

    async def poll(self, emitter: Emitter) -> None:
        """All samples that have become due."""
        step = self.options.step_sec
        due = int((time.monotonic() - self._began) / step) + 1
        first = max(self._next, due - int(self.options.catch_up_sec / step) - 1)
        if first > self._next:
            emitter.fault("pause", f"{first - self._next} steps were left out after a pause")
        if due > first:
            emitter.emit(self._factory.rows(first, due - first, self._start))
        self._next = max(due, self._next)

    async def close(self) -> None:
        """Nothing is held; the machines keep running."""
