"""Which run wrote a file, kept beside it, and what the next run may do with that file.

    a place that holds            a live run      a bounded run
    nothing                       writes          writes
    results of the same run       goes on         writes them again, and then replaces them
    results of another run        goes on         is refused, unless it may overwrite
    what PADIT did not write      is refused      is refused, unless it may overwrite

A run that is restored from a savepoint goes on. Results that a bounded run replaces stay until its
own are complete: they are written beside the earlier ones and replace them at the end. Where
nothing waits for that end (a detached run), the same run goes on by ids instead, and only
`overwrite` clears.
"""

import os
from enum import Enum
from pathlib import Path

import msgspec

from padit.connectors.sink import Start
from padit.domain.errors import ConfigurationError
from padit.domain.run_identity import RunIdentity, differences

__all__ = ["Turn", "read_run", "resumes", "turn", "write_run"]

_MOST = 5
_REMEDY = "name another place, move what is there away, or replace it with --overwrite"


class Turn(Enum):
    """How a run uses a place.

    Attributes:
        GO_ON: adds to what is there.
        REPLACE: writes beside it, and takes its place at the end.
        CLEAR: removes what is there at once.
    """

    GO_ON = 1
    REPLACE = 2
    CLEAR = 3


def turn(place: str, record: Path, holds: bool, foreign: str, start: Start) -> Turn:
    """Decide; nothing is changed here.

    Args:
        place: for people.
        record: file with the run that wrote the place.
        holds: whether there are results.
        foreign: what there is that PADIT did not write, for people; empty if there is none.
        start: of the run.

    Raises:
        ConfigurationError: the run must not write there; the message names both runs.
    """
    if start.restored or not (holds or foreign):
        return Turn.GO_ON
    if start.run.live:
        if foreign:
            message = f"{foreign} was not written by PADIT; name another place or move it away"
            raise ConfigurationError(message)
        return Turn.GO_ON
    before = read_run(record)
    if not foreign and before == start.run:
        return Turn.REPLACE if start.finishes else Turn.GO_ON
    if not start.overwrite:
        raise ConfigurationError(_refusal(place, foreign, before, start.run))
    return Turn.REPLACE if start.finishes else Turn.CLEAR


def resumes(record: Path, start: Start) -> bool:
    """Whether a restored run goes on with the results whose record this is.

    Offsets do not count: where a topic ends may have moved since the run began.
    """
    before = read_run(record)
    if before is None:
        return False
    return msgspec.structs.replace(before, ranges=start.run.ranges) == start.run


def _refusal(place: str, foreign: str, before: RunIdentity | None, now: RunIdentity) -> str:
    if foreign:
        return f"{foreign} was not written by PADIT, and would be lost to {now}: {_REMEDY}"
    if before is None:
        return f"{place} does not say which run wrote it, and would be lost to {now}: {_REMEDY}"
    found = differences(before, now)
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    what = "; ".join(found[:_MOST]) + more
    return f"{place} holds {before}, and would be lost to {now}, which differs ({what}): {_REMEDY}"


def read_run(record: Path) -> RunIdentity | None:
    """The run that a record names; None where there is no record, or none that can be read."""
    try:
        return RunIdentity.from_bytes(record.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def write_run(record: Path, run: RunIdentity) -> None:
    """Write a record, whole or not at all, durably. Raises OSError."""
    new = record.with_name(f"{record.name}.new")
    with new.open("wb") as file:
        file.write(run.to_bytes())
        file.flush()
        os.fsync(file.fileno())
    new.replace(record)
