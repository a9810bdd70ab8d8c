"""Follows the log that `padit alerting` writes in PostgreSQL; it decides nothing itself.

So any number of pages may be open on any number of hosts. While the database is away the page shows
what it knows; commands go to their topic all the same, and take effect when alerting reads them.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from padit.alerting.entries import AlertEvent, Command, command_of
from padit.alerting.policy import AlertingConfig
from padit.alerting.records import logged
from padit.alerting.sequencer import digest_of_config
from padit.domain.errors import SinkError
from padit.domain.timestamps import MICROS
from padit.ops.background import Background
from padit.portal.parts import Done, Rows
from padit.portal.team.database import Database
from padit.portal.team.topics import CommandTopic, TransitionTopic

__all__ = ["Follower"]

_LOG = logging.getLogger(__name__)
_PAGE = 500
_IDLE_SECONDS = 0.25
_QUICK_SECONDS = 0.03
_QUICK_FOR = 2.0
_ASK_SECONDS = 2.0
_DIFFERS_SECONDS = 45.0
_LEADS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND ((classid::bigint << 32) | objid::bigint) = %s"
)


class Follower:
    """Rows of the log as they come, and commands.

    Args:
        database: that holds alerting's store.
        config: of alerting.
        commands: topic for what people do; None: the page can only be looked at.
        lead: the lock that the leading process holds.
    """

    recording = False

    def __init__(
        self, database: Database, config: AlertingConfig, commands: CommandTopic | None, lead: int
    ) -> None:
        self._database = database
        self._delay = config.merge_delay
        self._digest = digest_of_config(config)
        self._differs_since: float | None = None
        self._commands = commands
        self._lead = lead
        self._given = 0
        self._latest = 0
        self._progress: tuple[int, float] | None = None
        self._asked = float("-inf")
        self._until = 0.0
        self._woken = threading.Event()
        self._waiting: dict[str, Done] = {}
        self._lock = threading.Lock()
        self._listener: Callable[[Rows], None] = lambda rows: None
        self._thread = Background(self._run, "follower")
        self.topic: TransitionTopic | None = None
        self.caught_up = threading.Event()
        self.trouble = ""
        self.leads = True
        self.silent = 0.0

    def start(self, listener: Callable[[Rows], None]) -> None:
        """Begin; the listener is called from the thread, with rows of the log in order."""
        self._listener = listener
        self._thread.start()
        if self.topic is not None:
            self.topic.start()

    def stop(self) -> None:
        """Stop."""
        self._thread.stop(self._woken.set)
        if self.topic is not None:
            self.topic.stop()
        if self._commands is not None:
            self._commands.close()

    def entries(self) -> Rows:
        """Nothing yet: the thread reads the log, as the database may be away."""
        return []

    def wake(self) -> None:
        """Something has come: look at once, and more often for a while."""
        self._until = time.monotonic() + _QUICK_FOR
        self._woken.set()

    def changed(self) -> None:
        """What waits, or what is away, has changed: an empty list of rows says so."""
        self._listener([])

    def command(self, data: bytes, done: Done) -> None:
        """Give a command; `done` is called when it is in the log, or with what went wrong."""
        if self._commands is None:
            done("commands need --kafka")
            return
        one = command_of(data)
        name = one.id
        with self._lock:
            self._waiting[name] = done
        self._commands.give(data, one.target.fingerprint, lambda why: self._settle(name, why))
        self.wake()

    def _settle(self, name: str, why: str = "") -> None:
        with self._lock:
            done = self._waiting.pop(name, None)
        if done is not None:
            done(why)

    def forget(self, name: str) -> None:
        """Nobody waits for this command any more."""
        with self._lock:
            self._waiting.pop(name, None)

    @property
    def now(self) -> int:
        """Event time: that of the job, going on with the clock, or the clock."""
        if self._progress is None:
            return max(int(time.time() * MICROS) - self._delay, self._latest)
        reached, heard = self._progress
        return max(reached + int((time.monotonic() - heard) * MICROS), self._latest)

    @property
    def command_time(self) -> int:
        """Event time that alerting has surely come to, so that a command need not wait."""
        if self._progress is None:
            return self.now
        return max(self._progress[0], self._latest)

    @property
    def other_config(self) -> bool:
        """Whether alerting works by another configuration than this page.

        It saves its state twice a minute, so after its start under a new one it takes as long.
        """
        since = self._differs_since
        return since is not None and time.monotonic() - since > _DIFFERS_SECONDS

    def _run(self) -> None:
        while self._thread.running:
            try:
                if self._commands is not None:
                    self._commands.poll()
                if not self._once():
                    quick = time.monotonic() < self._until
                    self._woken.wait(_QUICK_SECONDS if quick else _IDLE_SECONDS)
                    self._woken.clear()
                self.trouble = ""
            except SinkError as error:
                self.trouble = str(error)
                self.caught_up.set()
                self._thread.wait(0.5)
            except Exception as error:  # one fault must not end the thread in silence
                self.trouble = f"{type(error).__name__}: {error}"
                _LOG.exception("the log of alerting cannot be followed")
                self._thread.wait(2.0)

    def _once(self) -> bool:
        rows = self._database.rows(
            "SELECT n, kind, payload FROM log WHERE n > %s ORDER BY n LIMIT %s",
            (self._given, _PAGE),
        )
        if not rows:
            self.caught_up.set()
            if time.monotonic() - self._asked > _ASK_SECONDS:
                self._ask()
            return False
        self._given = rows[-1][0]
        found: Rows = []
        for n, kind, payload in rows:
            one = logged(n, kind, bytes(payload))
            if one is not None:
                found.append((n, one))
                self._latest = max(self._latest, one.time)
        self._listener(found)
        if self.topic is not None:
            self.topic.taken(one.id for _, one in found if isinstance(one, AlertEvent))
        for _, one_ in found:
            if isinstance(one_, Command):
                self._settle(one_.id)
        return True

    def _ask(self) -> None:
        """Whether somebody leads, and how far the job has come."""
        self._asked = time.monotonic()
        self.leads = self._database.rows(_LEADS, (self._lead,))[0][0] > 0
        saved = self._database.rows("SELECT policy FROM snapshot")
        if not (self.leads and saved) or saved[0][0] == self._digest:
            self._differs_since = None
        elif self._differs_since is None:
            self._differs_since = time.monotonic()
        row: tuple[Any, ...] = self._database.rows(
            "SELECT min(watermark), count(*), max(parts) FROM job_progress"
        )[0]
        if row[0] is None or row[1] < row[2]:
            self._progress = None
        elif self._progress is None or self._progress[0] != row[0]:
            self._progress = int(row[0]), time.monotonic()
        self.silent = 0.0 if self._progress is None else time.monotonic() - self._progress[1]
