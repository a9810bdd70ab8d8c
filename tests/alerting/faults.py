"""`make faults-alerting`: alerting is killed at random, its database too, and its receiver fails.

    python -m tests.alerting.faults --kills 300 --store postgresql --seed 1

Each round some incidents come, the process is started and, at a random moment, killed; in every
tenth round the database dies instead, in turn while a message is under way and in the middle of a
transaction that has written a part of its rows, and the process has to go on by itself. The
receiver takes messages, answers 500 or too late, or takes a message and drops the connection. At
the end nothing is lost, nothing is doubled for a receiver that drops repeated ids, and every
transition has an outcome.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from padit.alerting.store.opening import open_store
from padit.alerting.store.postgresql import SCHEMA
from tests.alerting.making import at, cloud_event, event
from tests.alerting.receiving import Answer, Receiving, receiving
from tests.limits import allowed
from tests.postgres import Postgres, postgres

__all__ = ["Verdict", "main", "play"]

_CONFIG = """
receivers: {{ops: {{kind: webhook, url: "{url}", timeout_sec: 0.4}}}}
routes: [{{name: all, receiver: ops, settle: 0s}}]
"""
_INCIDENTS_A_ROUND = 3
# Tables that a batch writes after its first rows, so a lock on one stops it half way.
_WRITTEN_LATER = ("outcome", "delivery", "position")
_HALF_WAY = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'padit alerting'
AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL
"""
_TEMPERS = (
    (Answer(), 6),
    (Answer(500), 1),
    (Answer(0), 1),  # takes it and drops the connection
    (Answer(200, wait=0.8), 1),  # takes it, and answers too late
    (Answer(503, headers=(("Retry-After", "1"),)), 1),
)


@dataclass
class Verdict:
    """What came of a run.

    Attributes:
        kills: of the process.
        database_kills: of PostgreSQL.
        in_transaction: of these, in the middle of a transaction with rows written already.
        transitions: that came.
        attempts: requests by what the receiver answered.
        repeated: messages that the receiver got more than once, which it drops by their id.
        lost: messages that never came.
        doubled: messages beyond one opening and one end of an incident, under ids of their own.
        overtaken: incidents whose end came before their beginning.
        residue: transitions without an outcome, and messages neither delivered nor dead.
    """

    kills: int = 0
    database_kills: int = 0
    in_transaction: int = 0
    transitions: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    lost: int = 0
    doubled: int = 0
    overtaken: int = 0
    residue: int = 0

    @property
    def good(self) -> bool:
        """Whether all is as it has to be."""
        return not (self.lost or self.doubled or self.overtaken or self.residue)


def play(
    folder: Path, kills: int, seed: int, server: Postgres | None = None, say: bool = False
) -> Verdict:
    """Kill `kills` times, then let it finish.

    Args:
        folder: for the input and a store in SQLite.
        kills: of the process and of the database.
        seed: of the moments and of what the receiver does.
        server: whose database is the store; None: SQLite.
        say: whether to report on the way.
    """
    chance, found = random.Random(seed), Verdict()
    place = str(folder / "data")
    if server is not None:
        place = server.uri(server.database(f"faults_{seed}")).replace("//", "//padit@")
    alerts = folder / "alerts.jsonl"
    with receiving() as got, alerts.open("ab") as file:
        (folder / "alerting.yaml").write_text(_CONFIG.format(url=got.url))
        command = [
            sys.executable, "-m", "padit.cli.main", "alerting", "--config",
            str(folder / "alerting.yaml"), "--alerts", str(alerts), "--data", place,
        ]  # fmt: skip
        tempers = [one for one, weight in _TEMPERS for _ in range(weight)]
        got.answer = lambda number: chance.choice(tempers)
        for number in range(kills):
            _append(file, number)
            if server is None or number % 10 != 9:
                _round(command, chance, got)
                found.kills += 1
            else:
                table = chance.choice(_WRITTEN_LATER) if number % 20 == 9 else None
                found.in_transaction += _database_round(command, chance, got, server, place, table)
                found.database_kills += 1
            if say and number % 10 == 9:
                print(f"{number + 1} kills, {len(got.requests)} requests", file=sys.stderr)
        got.answer = lambda number: Answer()
        subprocess.run(command, check=True, timeout=allowed(600), stderr=subprocess.DEVNULL)
        _judge(found, got, kills * _INCIDENTS_A_ROUND, place)
    return found


def _append(file: object, number: int) -> None:
    for one in range(number * _INCIDENTS_A_ROUND, (number + 1) * _INCIDENTS_A_ROUND):
        for kind, minutes in (("opened", one * 10), ("resolved", one * 10 + 5)):
            made = event(kind, minutes, f"a{one}", source=f"s{one}", opened=at(one * 10))
            file.write(cloud_event(made) + b"\n")  # type: ignore[attr-defined]
    file.flush()  # type: ignore[attr-defined]


def _round(command: Sequence[str], chance: random.Random, got: Receiving) -> None:
    """One start, and one kill: in one of four rounds at any moment, else while it delivers."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        if chance.random() < 0.25:
            time.sleep(1.5 * chance.random())
        else:
            _until_it_delivers(got)
            time.sleep(0.3 * chance.random())
    finally:
        _killed(process)


def _database_round(
    command: Sequence[str],
    chance: random.Random,
    got: Receiving,
    server: Postgres,
    place: str,
    table: str | None,
) -> bool:
    """One start; the database dies and comes back. Whether it died within a transaction.

    Args:
        command: that starts alerting.
        chance: of the moments.
        got: what the receiver got.
        server: that is killed.
        place: address of the store.
        table: that is locked, so that the first batch stops there; None: no lock.
    """
    database, half_way = place.rsplit("/", 1)[-1], False
    with ExitStack() as stack:
        if table is not None:
            other = stack.enter_context(closing(server.connect(database, autocommit=False)))
            other.execute(f"LOCK TABLE {SCHEMA}.{table} IN SHARE MODE".encode())
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stack.callback(_killed, process)
        if table is None:
            _until_it_delivers(got)
            time.sleep(0.3 * chance.random())
        else:
            half_way = _waited_for(lambda: server.query(_HALF_WAY, database) == [(1,)])
        server.kill()
        time.sleep(chance.random())
        server.restart()
        time.sleep(3.0)  # it goes on by itself
    return half_way


def _until_it_delivers(got: Receiving) -> None:
    before = len(got.requests)
    _waited_for(lambda: len(got.requests) > before)


def _waited_for(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + allowed(20)
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _killed(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(allowed(30))


def _judge(found: Verdict, got: Receiving, incidents: int, place: str) -> None:
    order: dict[object, list[tuple[object, object]]] = {}
    times: Counter[object] = Counter()
    for one, answer in zip(got.events, got.answers, strict=True):
        name = "200" if answer.status == 200 and not answer.wait else (
            "200, too late" if answer.wait else str(answer.status or "dropped")
        )  # fmt: skip
        found.attempts[name] = found.attempts.get(name, 0) + 1
        if answer.status in (200, 0):  # the receiver has taken it
            times[one["id"]] += 1
            if times[one["id"]] == 1:
                order.setdefault(one["subject"], []).append((one["id"], one["type"]))
    found.transitions = 2 * incidents
    kinds = [[str(kind).rsplit(".", 1)[-1] for _, kind in got_] for got_ in order.values()]
    found.repeated = sum(count - 1 for count in times.values())
    found.lost = 2 * incidents - sum(min(len(one), 2) for one in kinds)
    found.doubled = sum(max(len(one) - 2, 0) for one in kinds)
    found.overtaken = sum(one[:2] == ["resolved", "opened"] for one in kinds)
    store = open_store(place, leading=False)
    counts = store.counts()["all"]
    pending = len(store.deliveries("pending")) + len(store.deliveries("dead"))
    store.close()
    outcomes = sum(count for name, count in counts.items() if not name.startswith("message "))
    found.residue = abs(2 * incidents - outcomes) + pending


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0: nothing was lost or doubled."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--output", type=Path, default=Path("build/faults-alerting.json"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="padit-faults-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        server = None
        if args.store == "postgresql":
            server = stack.enter_context(postgres(folder / "postgres"))
        verdict = play(folder, args.kills, args.seed, server, say=True)
    text = json.dumps({"store": args.store, "seed": args.seed, **asdict(verdict)}, indent=1)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(text + "\n")
    print(text)
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
