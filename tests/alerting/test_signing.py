"""Commands count only with the signature, where a key is given."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.signing import check, sign
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.errors import WireFormatError
from tests.alerting.making import SIMPLE, cloud_event, config_of, event

COMMAND: dict[str, Any] = {
    "id": "c1", "time": "2026-03-01T08:01:00Z", "by": "ann", "kind": "acknowledge",
    "target": {"source": "press-1"}, "note": "\N{PILE OF POO}",
}  # fmt: skip
KEY = b"a key"


def _encoded(command: dict[str, Any], *, reverse: bool = False) -> bytes:
    items = list(command.items())
    return msgspec.json.encode(dict(reversed(items) if reverse else items))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_signed_command_is_accepted_in_any_order_of_its_keys(reverse: bool) -> None:
    check(_encoded(sign(COMMAND, KEY), reverse=reverse), KEY)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (COMMAND, "no signature"),
        (sign(COMMAND, b"another"), "wrong"),
        ({**sign(COMMAND, KEY), "by": "eve"}, "wrong"),
        ({**sign(COMMAND, KEY), "signature": 5}, "wrong"),
        ({**COMMAND, "signature": "\N{PILE OF POO}"}, "wrong"),
    ],
)
def test_a_command_that_is_not_signed_or_was_changed_is_refused(
    command: dict[str, Any], words: str
) -> None:
    with pytest.raises(WireFormatError, match=words):
        check(_encoded(command), KEY)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 10_000])
def test_bytes_that_are_no_command_are_refused(data: bytes) -> None:
    with pytest.raises(WireFormatError):
        check(data, KEY)


def test_with_a_key_only_signed_commands_count_and_the_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key\n")
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(f"{SIMPLE}command_key: {tmp_path}/key"), store)
    lines = [cloud_event(event("opened", 0)), cloud_event(event("opened", 2, "b", source="x"))]
    core.take([Record("alert", "a", 0, i, i + 1, line) for i, line in enumerate(lines)])
    core.take([Record("command", "c", 0, 0, 1, _encoded(COMMAND))])
    assert store.refused() == ["it has no signature"]
    effects = core.take([Record("command", "c", 0, 1, 2, _encoded(sign(COMMAND, KEY)))])
    assert [type(one).__name__ for one in effects] == ["Handed", "CommandResult"]
    store.close()
