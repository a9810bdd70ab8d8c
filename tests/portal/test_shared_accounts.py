"""Accounts that several portals share, in a real PostgreSQL."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from padit.cli.main import main
from padit.domain.errors import ConfigurationError, SinkError
from padit.portal.accounts import Accounts, FileTables, Principal
from padit.portal.team.accounts import SharedTables
from tests.postgres import start_postgres


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    postgres = start_postgres(tmp_path_factory.mktemp("postgres"))
    try:
        yield f"postgresql://padit@127.0.0.1:{postgres.port}/{postgres.database('accounts')}"
    finally:
        postgres.stop()


def test_portals_that_share_accounts_know_the_same_people(address: str) -> None:
    one, other = Accounts(SharedTables(address)), Accounts(SharedTables(address))
    assert other.empty
    link = one.link("admin")
    assert other.redeem(link, "ann", "correct horse battery") == "admin"
    assert one.redeem(link, "bob", "correct horse battery") is None  # it holds once, for all
    assert one.check("ann", "correct horse battery") == Principal("ann", "admin", "password")
    assert one.check("ann", "wrong horse battery!") is None
    session = one.session("ann")
    assert other.by_session(session) == Principal("ann", "admin", "session")
    key, prefix = other.new_key("press", "ingest", 1, "ann")
    assert one.by_bearer(key) == Principal("key:press", "ingest", "key")
    tokens = [each.token(Principal("ann", "admin", "session")) for each in (one, other)]
    for each in (one, other):
        assert [each.by_bearer(token) for token in tokens] == [
            Principal("ann", "admin", "token")
        ] * 2
    assert one.revoke(prefix)
    one.note("ann\0", "POST /api/keys", "a\ud800b", 200, "127.0.0.1")  # nobody's text raises
    assert other.noted(1 << 60, 5)[0][2:4] == ("ann\N{REPLACEMENT CHARACTER}", "POST /api/keys")
    with pytest.raises(ConfigurationError, match="last admin"):
        other.remove_user("ann")
    Accounts(SharedTables(address)).close()  # its tables are made once
    one.close()
    other.close()


def test_who_was_let_in_a_moment_ago_stays_in_while_the_database_of_accounts_is_away(
    tmp_path: Path,
) -> None:
    away = [False]

    class Failing(FileTables):
        def rows(self, query: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
            if away[0]:
                message = "it is away"
                raise SinkError(message)
            return super().rows(query, arguments)

    accounts = Accounts(Failing(tmp_path / "accounts.sqlite"))
    accounts.redeem(accounts.link("viewer"), "ann", "correct horse battery")
    session = accounts.session("ann")
    assert accounts.by_session(session) is not None
    away[0] = True
    seen = accounts._seen
    ((name, (_, who)),) = seen.items()
    for ago, known in ((30.0, True), (70.0, False)):
        seen[name] = (time.monotonic() - ago, who)
        if known:
            assert accounts.by_session(session) == who
        else:
            with pytest.raises(SinkError):
                accounts.by_session(session)
    with pytest.raises(SinkError):
        accounts.by_session("unknown")


@pytest.mark.parametrize("option", ["--kafka=kafka://127.0.0.1:9", "--shared_accounts"])
def test_what_is_a_teams_is_refused_for_the_files_of_one_run(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["portal", f"--data={tmp_path}", option]) == 2
    assert "go with the --store of a team" in capsys.readouterr().err
