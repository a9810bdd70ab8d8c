"""Puts the parts of a team's portal together from their addresses."""

from pathlib import Path
from typing import Any, NamedTuple

from padit.alerting.policy import AlertingConfig
from padit.alerting.store.postgresql import LEAD
from padit.connectors.uris import Address, parse_address
from padit.domain.errors import ConfigurationError, SinkError
from padit.portal.parts import Parts
from padit.portal.places import Places
from padit.portal.team.database import Database
from padit.portal.team.follower import Follower
from padit.portal.team.live import LiveFeatures
from padit.portal.team.logs import TeamLogs
from padit.portal.team.reader import TeamReader
from padit.portal.team.series import TeamSeries
from padit.portal.team.topics import CommandTopic, TransitionTopic

__all__ = ["Team", "address_of", "team_parts", "topic_of"]

_SILENT_SECONDS = 60.0


class Team(NamedTuple):
    """Addresses of a team's stores.

    Attributes:
        store: `postgresql://user@host/database`, of alerting and of `padit store`.
        kafka: `kafka://host:9092`, or None.
        redis: `redis://host:6379/0`, or None.
        alerts, commands: names of topics.
    """

    store: str
    kafka: str | None = None
    redis: str | None = None
    alerts: str = "alerts"
    commands: str = "alert-commands"


def team_parts(team: Team, config: AlertingConfig, state: Path) -> Parts:
    """The parts; nothing has to answer yet.

    Raises:
        ConfigurationError: an address is none.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(team.store)
    reader = TeamReader(database)
    live = (
        LiveFeatures(address_of(team.redis, "--redis", ("redis", "rediss"))) if team.redis else None
    )
    commands = CommandTopic(topic_of(team.kafka, team.commands)) if team.kafka else None
    recorder = Follower(database, config, commands, LEAD)
    series = TeamSeries(database, live)
    if team.kafka:
        recorder.topic = TransitionTopic(
            topic_of(team.kafka, team.alerts), lambda: _positions(database), recorder.wake,
            recorder.changed,
        )  # fmt: skip

    def extra() -> dict[str, Any]:
        return _extra(database, recorder, series, live)

    lacks = [] if team.kafka else ["Kafka: nobody can act here, and nothing is pushed; --kafka"]
    places = Places(None, None, None, None, tuple(lacks))
    return Parts(
        places, recorder, series, series, TeamLogs(database), lambda: TeamReader(database), reader,
        remote=True, export=series.export, close=database.close, extra=extra,
    )  # fmt: skip


def _extra(
    database: Database, recorder: Follower, series: TeamSeries, live: LiveFeatures | None
) -> dict[str, Any]:
    """What waits on the topic, and what is away."""
    trouble = [database.trouble]
    if live is not None:
        trouble.append(live.trouble)
    pending: list[dict[str, Any]] = []
    late = 0
    if recorder.topic is not None:
        trouble.append(recorder.topic.trouble)
        pending, late = recorder.topic.late()
    if not database.trouble and not recorder.leads:
        trouble.append("no `padit alerting` works on this store: nobody is told of anything")
    elif recorder.silent > _SILENT_SECONDS:
        trouble.append(f"the job has reported nothing for {recorder.silent:.0f} s")
    if recorder.other_config:
        trouble.append(
            "--config is not that of `padit alerting`: what this page says of routes, and what a "
            "change would do, may be wrong; start it with the same file"
        )
    found = [one for one in trouble if one]
    return {
        "pending": pending,
        "pending_count": late,
        "trouble": list(dict.fromkeys(found)),
        "lacks": [series.lacks] if series.lacks else [],
        "team": True,
    }


def _positions(database: Database) -> dict[tuple[str, int], int]:
    try:
        rows = database.rows("SELECT place, partition, following FROM position")
    except SinkError:
        return {}
    return {(place, partition): following for place, partition, following in rows}


def address_of(uri: str, option: str, kinds: tuple[str, ...]) -> Address:
    """An address of a team's store.

    Raises:
        ConfigurationError: it is none.
    """
    address = parse_address(uri)
    if address.kind not in kinds or not address.host:
        message = f"{option} {uri}: it is written {kinds[0]}://host:port"
        raise ConfigurationError(message)
    return address


def topic_of(uri: str, name: str) -> Address:
    """A topic of `--kafka`, with the options that stand there.

    Raises:
        ConfigurationError: it is no address.
    """
    head, mark, options = uri.partition("?")
    return address_of(f"{head.rstrip('/')}/{name}{mark}{options}", "--kafka", ("kafka",))
