"""The state file of `padit up`, which `padit down` and `padit doctor` read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from padit.devcluster.errors import LocalError
from padit.devcluster.processes import ProcessRecord, is_running

__all__ = ["State", "read_state", "remove_state", "write_state"]

_FILE = "up.json"


@dataclass
class State:
    """Running parts and their addresses.

    Attributes:
        bootstrap: the broker, `host:port`.
        rest_url: Flink's REST address.
        job_endpoint: Beam's job server, `host:port`.
        worker_endpoint: the worker pool, `host:port`.
        flavour: which job server it is, `official` or `fallback`.
        processes: in the order of their start.
    """

    bootstrap: str
    rest_url: str
    job_endpoint: str
    worker_endpoint: str
    flavour: str
    processes: list[ProcessRecord] = field(default_factory=list)

    @property
    def running(self) -> list[ProcessRecord]:
        """The processes that still run."""
        return [record for record in self.processes if is_running(record)]


def write_state(directory: Path, state: State) -> None:
    """Write the state whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f".{_FILE}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(state), indent=2) + "\n")
    draft.replace(directory / _FILE)


def read_state(directory: Path) -> State | None:
    """Return what `write_state` wrote, None if nothing. Raises LocalError if it is damaged."""
    file = directory / _FILE
    try:
        fields = json.loads(file.read_text())
        fields["processes"] = [ProcessRecord.from_json(record) for record in fields["processes"]]
        return State(**fields)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        message = f"{file} is damaged ({error}); end its processes by hand and delete it"
        raise LocalError(message) from error


def remove_state(directory: Path) -> None:
    """Forget what ran."""
    (directory / _FILE).unlink(missing_ok=True)
