"""Everything that the routes share; starts and stops the parts."""

import asyncio
import secrets
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from padit.alerting.alert_rows import AlertState
from padit.alerting.entries import Entry, Target, command_of
from padit.alerting.follow import GrowingInput
from padit.alerting.notifiers.base import secret
from padit.alerting.overview import Change, Overview
from padit.alerting.policy import AlertingConfig
from padit.alerting.reading import LogReader, StoreReader
from padit.alerting.service import Input
from padit.alerting.signing import sign
from padit.alerting.silence_review import SilenceReview
from padit.analysis.log_store import LogStore
from padit.analysis.series_extent import Silence
from padit.analysis.series_names import Key, merged
from padit.analysis.series_store import SeriesStore
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.timestamps import MICROS, format_utc
from padit.domain.yaml_text import read_yaml
from padit.portal.accounts import Accounts, Tables
from padit.portal.evidence import EvidenceWindows
from padit.portal.feeder import Feeder
from padit.portal.hub import Hub
from padit.portal.parts import Parts, Rows
from padit.portal.past import Past
from padit.portal.places import Places
from padit.portal.present import Presenter
from padit.portal.recorder import Recorder
from padit.portal.texts.desk import Desk
from padit.portal.training import Trainer
from padit.portal.watching import Watch

__all__ = ["DEFAULT_CONFIG", "Given", "Portal", "local_parts", "parse_config"]

T = TypeVar("T")
_PATIENCE = 10.0
_SILENCE_SECONDS = 5.0
_MOST_PAGES = 2_000
_MOST_KEPT = 64 << 20
DEFAULT_CONFIG = """\
# Without --config every alert is shown on this page, and sent to nobody.
receivers:
  page: {kind: webhook, url: "http://127.0.0.1:9/"}
routes:
  - {name: page, receiver: page}
"""


def parse_config(text: str, place: str) -> AlertingConfig:
    """A configuration from YAML.

    Raises:
        ConfigurationError: it is none; the message names the key.
    """
    try:
        content = read_yaml(text)
    except yaml.YAMLError as error:
        message = f"{place} is no YAML: {str(error)[:500]}"
        raise ConfigurationError(message) from error
    if not isinstance(content, dict):
        message = f"{place} must be a mapping"
        raise ConfigurationError(message)
    try:
        return AlertingConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(explain(place, AlertingConfig, error)) from error
    except RecursionError as error:
        message = f"{place} is nested too deeply"
        raise ConfigurationError(message) from error


def local_parts(
    places: Places,
    state: Path,
    config: AlertingConfig,
    *,
    deliver: bool = False,
    source: Input | None = None,
) -> Parts:
    """Parts over the files of one run.

    Args:
        places: the files.
        state: folder for what the parts keep.
        config: of alerting.
        deliver: whether messages go to its receivers.
        source: of transitions; None: the alerts file of `places`.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    inputs = [("alert", places.alerts), ("audit", places.audit)]
    series = SeriesStore(state)
    recorder = Recorder(
        config,
        state / "alerting",
        source or GrowingInput([(kind, path) for kind, path in inputs if path is not None]),
        lambda: series.last,
        deliver=deliver,
    )

    def reader() -> LogReader:
        return StoreReader(state / "alerting")

    return Parts(
        places, recorder, series, Feeder(series, places.readings, places.features),
        LogStore(state / "logs.sqlite"), reader, reader(), breakers=recorder.breakers,
    )  # fmt: skip


class Given(NamedTuple):
    """A command: its id, and whether it has taken effect by now."""

    id: str
    taken: bool


class Portal:
    """The parts of one portal, and what is known of the log.

    Args:
        parts: over files, or over a team's stores.
        state: folder of its own: accounts, models.
        config_text: YAML of alerting.
        deliver: whether messages go to its receivers.
        watch: figures of the job; None: those of the run's audit log.
        models: folder of models; None: one in `state`.
        archive: URI of an archive to learn from.
        texts: by a language model; None: there are none.
        accounts: that several portals share; None: a file in `state`.
    """

    def __init__(
        self,
        parts: Parts,
        state: Path,
        config_text: str = DEFAULT_CONFIG,
        *,
        deliver: bool = False,
        watch: Watch | None = None,
        models: Path | None = None,
        archive: str | None = None,
        texts: Desk | None = None,
        accounts: Tables | None = None,
    ) -> None:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.parts = parts
        self.state = state
        self.places = parts.places
        self.config_text = config_text
        self.config = parse_config(config_text, "the configuration")
        self._key = secret(self.config.command_key).encode() if self.config.command_key else b""
        self.deliver = deliver
        self.series, self.recorder, self.feeder = parts.series, parts.recorder, parts.feeder
        self.reader, self.logs = parts.reader, parts.logs
        learning = {"archive": archive} if archive else {}
        if self.places.readings is not None:
            learning["readings"] = str(self.places.readings)
        self.trainer = Trainer(models or state / "models", learning, parts.export)
        self.pages: dict[str, bytes] = {}
        self._kept = 0
        self.overview = Overview(self.config)
        self.silences = SilenceReview(self.config)
        self.texts = texts
        self.watch = watch or Watch(audit=self.places.audit)
        self.presenter = Presenter(self.overview)
        self.hub = Hub(self.overview, self.presenter)
        self.accounts = Accounts(accounts or state / "accounts.sqlite")
        self._alone: tuple[tuple[int, int], list[Key]] | None = None
        self.head: tuple[tuple[int, float], bytes] | None = None
        self.past = Past(parts.open_reader, self.config)
        self.evidence = EvidenceWindows(parts.open_reader)
        self._silence: tuple[float, tuple[Silence, bool]] | None = None
        self._latest, self._heard = 0, 0.0
        self.catches_up: Callable[[], bool] = lambda: False  # a demonstration: on its way to now
        self.boot = secrets.token_hex(4)
        self.started = time.time()

    def start(self) -> None:
        """Read the log, then follow it; called in the event loop."""
        loop = asyncio.get_running_loop()
        for n, entry in self.recorder.entries():
            self._apply(n, entry)
        self.recorder.start(lambda rows: _in(loop, lambda: self._follow(rows)))
        self.feeder.start()
        self.watch.start()
        if self.texts is not None:
            self.texts.start(lambda one: _in(loop, lambda: self.hub.note("text", one)))

    def stop(self) -> None:
        """Stop the threads and close the files."""
        self.hub.close()
        self.trainer.stop()
        if self.texts is not None:
            self.texts.stop()
        self.recorder.stop()
        self.feeder.stop()
        self.watch.stop()
        self.reader.close()
        self.series.close()
        self.logs.close()
        self.parts.close()
        self.accounts.close()

    def _follow(self, rows: Rows) -> None:
        changes = []
        for n, entry in rows:
            change = self._apply(n, entry)
            self.presenter.forget(change)
            if change.alerts or change.incidents or change.kind in ("silence", "unsilence"):
                changes.append(change)
        self.hub.publish(changes)
        if not rows:
            self.hub.beat()
        self.past.forget_unused()

    def _apply(self, n: int, entry: Entry) -> Change:
        """Follow one entry of the log."""
        change = self.overview.apply(n, entry)
        self.silences.apply(entry)
        self.silences.mark(change.real)
        return change

    def keep(self, tag: str, data: bytes) -> None:
        """Remember an answer, at most some thousands of them and 64 MB."""
        self._kept += len(data)
        if len(self.pages) >= _MOST_PAGES or self._kept > _MOST_KEPT:
            self.pages.clear()
            self._kept = len(data)
        self.pages[tag] = data

    def knows(self, source: str) -> bool:
        """Whether readings, windows or alerts are of a source."""
        return self.series.knows(source) or self.overview.knows(source)

    def count_series(self) -> int:
        """How many series there are readings, windows or alerts of."""
        return self.series.count + len(self._alerts_alone())

    def _alerts_alone(self) -> list[Key]:
        """Series of which there are alerts and nothing else, in order."""
        key = self.series.count, len(self.overview.by_series)
        known = self._alone
        if known is None or known[0] != key:
            has = self.series.has
            found = sorted(one for one in list(self.overview.by_series) if not has(one))
            known = self._alone = key, found
        return known[1]

    def find(self, text: str, after: Key | None, most: int) -> tuple[list[Key], int]:
        """Series whose names have a text, behind a place, in order; and how many there are.

        For a thread: there may be a million of them.
        """
        low = text.lower()
        mine = [one for one in self._alerts_alone() if low in f"{one[0]} {one[1]}".lower()]
        begin = 0 if after is None else bisect_right(mine, after)
        found, count = self.series.find(text, after, most)
        return merged(found, mine[begin : begin + most], most), count + len(mine)

    def sources(self, after: str | None, most: int) -> tuple[list[str], int]:
        """Sources behind one, in order; and how many there are; for a thread."""
        knows = self.series.knows
        mine = sorted({source for source, _ in self._alerts_alone() if not knows(source)})
        begin = 0 if after is None else bisect_right(mine, after)
        found, count = self.series.sources(after, most)
        return merged(found, mine[begin : begin + most], most), count + len(mine)

    def silence(self) -> tuple[Silence, bool]:
        """Which sources are silent for longer than usual, and whether all come late instead.

        Looked for every five seconds. While records come, their own time is the present: what is
        behind is not silent.
        """
        now = time.monotonic()
        if self._silence is None or now - self._silence[0] > _SILENCE_SECONDS:
            last, clock = self.series.last, self.recorder.now
            if last > self._latest:
                comes = self._latest or self.feeder.heard  # also before the first look
                self._heard = now if comes and self.feeder.caught_up.is_set() else 0.0
                self._latest = last
            by_clock = found = self.series.silence(clock)
            if self._heard:
                present = last + round((now - self._heard) * MICROS)
                found = self.series.silence(min(clock, present))
            behind = by_clock.silent == by_clock.of > found.silent
            self._silence = now, (found, behind)
        return self._silence[1]

    def alerts_of(self, source: str, metric: str) -> list[AlertState]:
        """Alerts of a series, the oldest first."""
        names = self.overview.by_series.get((source, metric), ())
        return [self.overview.alerts[one] for one in list(names)]

    async def read(self, ask: Callable[[LogReader], T]) -> T:
        """Ask alerting's store; in a thread where it is not on this machine.

        Raises:
            SinkError: it is away.
        """
        if self.parts.remote:
            return await run_in_threadpool(ask, self.reader)
        return ask(self.reader)

    async def command(
        self,
        kind: str,
        target: Target,
        by: str,
        *,
        until: int = 0,
        note: str = "",
        name: str = "",
        undoes: str = "",
    ) -> Given:
        """Give a command, and wait for a while until it has taken effect.

        It has the id `name`, or one of its own; all else is as in `Command`.

        Raises:
            WireFormatError: it is no command.
            SinkError: it cannot be given.
        """
        identity = name or secrets.token_hex(12)
        body: dict[str, Any] = {
            "id": identity, "time": format_utc(self.recorder.command_time), "by": by, "kind": kind,
            "target": target, "note": note,
        }  # fmt: skip
        if until:
            body["until"] = format_utc(until)
        if undoes:
            body["undoes"] = undoes
        data = msgspec.json.encode(sign(body, self._key) if self._key else body)
        command_of(data)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()

        def settle(trouble: str) -> None:
            if not done.done():
                done.set_result(trouble)

        self.recorder.command(data, lambda trouble: _in(loop, lambda: settle(trouble)))
        try:
            trouble = await asyncio.wait_for(done, _PATIENCE)
        except TimeoutError:
            self.recorder.forget(identity)
            return Given(identity, taken=False)
        if trouble:
            raise SinkError(trouble)
        return Given(identity, taken=True)


def _in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call in the event loop, unless it has ended meanwhile."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
