"""Everything that the routes share; starts and stops the parts."""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import yaml
from pydantic import ValidationError

from padit.alerting.entries import Entry, Target, command_of
from padit.alerting.follow import GrowingInput
from padit.alerting.overview import AlertState, Overview
from padit.alerting.policy import AlertingConfig
from padit.alerting.reading import StoreReader
from padit.alerting.service import Input
from padit.analysis.log_store import LogStore
from padit.analysis.series_store import SeriesStore
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import format_utc
from padit.portal.accounts import Accounts
from padit.portal.feeder import Feeder
from padit.portal.hub import Hub
from padit.portal.places import Places
from padit.portal.present import Presenter
from padit.portal.recorder import Recorder, Rows

__all__ = ["DEFAULT_CONFIG", "Portal", "parse_config"]

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
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
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


class Portal:
    """The parts of one portal.

    Args:
        places: files of a run.
        state: folder of its own: log of the engine, accounts, logs, series.
        config_text: YAML of alerting.
        deliver: whether messages go to its receivers.
        source: of transitions; None: the alerts file of `places`.
    """

    def __init__(
        self,
        places: Places,
        state: Path,
        config_text: str = DEFAULT_CONFIG,
        *,
        deliver: bool = False,
        source: Input | None = None,
    ) -> None:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.places = places
        self.config_text = config_text
        self.config = parse_config(config_text, "the configuration")
        self.deliver = deliver
        inputs = [("alert", places.alerts)]
        if places.audit is not None:
            inputs.append(("audit", places.audit))
        self.series = SeriesStore(state)
        self.recorder = Recorder(
            self.config,
            state / "alerting",
            source or GrowingInput(inputs),
            lambda: self.series.last,
            deliver=deliver,
        )
        self.reader = StoreReader(state / "alerting")
        self.store_folder = state / "alerting"
        self.pages: dict[str, bytes] = {}
        self._kept = 0
        self.overview = Overview(self.config)
        self.presenter = Presenter(self.overview)
        self.hub = Hub(self.overview, self.presenter)
        self.feeder = Feeder(self.series, places.readings, places.features)
        self.logs = LogStore(state / "logs.sqlite")
        self.accounts = Accounts(state / "accounts.sqlite")
        self._sources: tuple[tuple[int, int], set[str]] | None = None
        self._names: tuple[tuple[int, int], list[tuple[str, str]]] | None = None
        self.boot = secrets.token_hex(4)
        self.started = time.time()

    def start(self) -> None:
        """Read the log, then follow it; called in the event loop."""
        loop = asyncio.get_running_loop()
        for n, entry in self.recorder.entries():
            self.overview.apply(n, entry)
        self.recorder.start(lambda rows: _in(loop, lambda: self._follow(rows)))
        self.feeder.start()

    def stop(self) -> None:
        """Stop the threads and close the files."""
        self.hub.close()
        self.recorder.stop()
        self.feeder.stop()
        self.reader.close()
        self.series.close()
        self.logs.close()
        self.accounts.close()

    def _follow(self, rows: Rows) -> None:
        for n, entry in rows:
            change = self.overview.apply(n, entry)
            self.presenter.forget(change)
            if change.alerts or change.incidents or change.kind in ("silence", "unsilence"):
                self.hub.publish(change)

    def keep(self, tag: str, data: bytes) -> None:
        """Remember an answer, at most some thousands of them and 64 MB."""
        self._kept += len(data)
        if len(self.pages) >= _MOST_PAGES or self._kept > _MOST_KEPT:
            self.pages.clear()
            self._kept = len(data)
        self.pages[tag] = data

    def sources(self) -> set[str]:
        """Sources that readings, windows or alerts are of."""
        key = self.series.version, self.overview.version
        if self._sources is None or self._sources[0] != key:
            found = {source for source, _ in list(self.series.series)}
            found.update(one.source_id for one in self.overview.alerts.values())
            self._sources = key, found
        return self._sources[1]

    def series_names(self) -> list[tuple[str, str]]:
        """Names of series, in order."""
        key = len(self.series.series), len(self.overview.alerts)
        if self._names is None or self._names[0] != key:
            found = set(list(self.series.series))
            found.update((one.source_id, one.metric_name) for one in self.overview.alerts.values())
            self._names = key, sorted(found)
        return self._names[1]

    def alerts_of(self, source: str, metric: str) -> list[AlertState]:
        """Alerts of a series, the oldest first."""
        names = self.overview.by_series.get((source, metric), ())
        return [self.overview.alerts[one] for one in list(names)]

    def past(self) -> list[Entry]:
        """The whole log; for a thread of its own."""
        reader = StoreReader(self.store_folder)
        try:
            return reader.entries()
        finally:
            reader.close()

    async def command(
        self, kind: str, target: Target, by: str, *, until: int = 0, note: str = "", name: str = ""
    ) -> str:
        """Give a command, and wait until it has taken effect; its id.

        Raises:
            WireFormatError: it is no command.
        """
        identity = name or secrets.token_hex(12)
        body: dict[str, Any] = {
            "id": identity, "time": format_utc(self.recorder.now), "by": by, "kind": kind,
            "target": target, "note": note,
        }  # fmt: skip
        if until:
            body["until"] = format_utc(until)
        data = msgspec.json.encode(body)
        command_of(data)
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        self.recorder.command(data, lambda: _in(loop, done.set))
        await asyncio.wait_for(done.wait(), 30.0)
        return identity


def _in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call in the event loop, unless it has ended meanwhile."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
