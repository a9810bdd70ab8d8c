"""Previews: true, to the byte; and what the commands say of the past."""

from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting.compiled import Policy
from padit.alerting.effects import Brief, Effect, Handed, Outcome, Reason
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Entry, Tick
from padit.alerting.preview import alerts_of, compare, preview
from padit.alerting.recorded import merged, of_store
from padit.alerting.records import Record
from padit.alerting.sentences import MEANS
from padit.alerting.sequencer import Alerting
from padit.alerting.state import State, dump
from padit.alerting.store.sqlite import SqliteStore
from padit.cli.main import main
from padit.domain.timestamps import format_utc
from tests.alerting.making import SIMPLE, at, cloud_event, command, config_of, event
from tests.alerting.test_laws import POLICIES, logs

SILENT = (
    SIMPLE + "silences: [{id: works, match: {source: 'press-*'}, start: 2026-03-01T07:00:00Z,"
    " end: 2026-03-02T08:00:00Z}]"
)


@given(log=logs(), policy=st.sampled_from(POLICIES))
@settings(max_examples=40, deadline=None)
def test_a_preview_is_what_the_service_would_have_done_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, log: list[Entry], policy: Policy
) -> None:
    """The service, over its store, in batches, with restarts; the preview over the store's log."""
    folder = tmp_path_factory.mktemp("store")
    live: list[Effect] = []
    events = [one for one in log if isinstance(one, AlertEvent)]
    for begin in range(0, len(events), 7):
        store = SqliteStore(folder)
        core = Alerting(policy.config, store)
        records = [
            Record("alert", "f", 0, begin + i, begin + i + 1, cloud_event(one))
            for i, one in enumerate(events[begin : begin + 7])
        ]
        live += core.take(records)
        live += core.tick(events[begin].time + 1)
        if begin % 2:
            core.save()
        store.close()
    if not events:
        return
    store = SqliteStore(folder, leading=False)
    written = [one.message for one in store.deliveries()]
    store.close()
    effects = preview(policy.config, of_store(folder)).effects
    assert msgspec.json.encode(effects) == msgspec.json.encode(live)
    handed = [msgspec.json.encode(one) for one in effects if isinstance(one, Handed)]
    assert written == handed


def _brief_of(one: Effect, events: dict[str, AlertEvent]) -> list[Effect]:
    """What a brief preview makes of an effect of a whole one."""
    if isinstance(one, Outcome) and one.reason is Reason.HANDED:
        return []
    if not isinstance(one, Handed):
        return [one]
    shown = alerts_of(one, events)
    alerts = tuple(shown[: len(shown) - len(one.transitions)])
    return [Brief(one.route, one.kind, one.time, alerts, one.transitions)]


@given(log=logs(), now=st.sampled_from(POLICIES), new=st.sampled_from(POLICIES))
@settings(max_examples=60, deadline=None)
def test_a_brief_preview_leaves_out_only_what_messages_tell(
    log: list[Entry], now: Policy, new: Policy
) -> None:
    """So `padit whatif` says what two separate whole runs of the engine give, to the byte."""
    end = at(100_000)
    whole = [preview(one.config, log, end) for one in (now, new)]
    brief = [preview(one.config, log, end, brief=True) for one in (now, new)]
    events = {one.id: one for one in log if isinstance(one, AlertEvent)}
    for one, other in zip(whole, brief, strict=True):
        expected = [made for effect in one.effects for made in _brief_of(effect, events)]
        assert msgspec.json.encode(other.effects) == msgspec.json.encode(expected)
        assert dump(other.state) == dump(one.state)
    assert compare(brief[0], brief[1], log) == compare(whole[0], whole[1], log)


@given(log=logs(), policy=st.sampled_from(POLICIES))
@settings(max_examples=40, deadline=None)
def test_a_log_that_is_built_again_from_the_topics_gives_the_same_decisions(
    log: list[Entry], policy: Policy
) -> None:
    events = [one for one in log if isinstance(one, AlertEvent)]
    lines = [cloud_event(one) for one in events]
    again, refused = merged([("alert", [*reversed(lines), *lines])])
    ordered = sorted(events, key=lambda one: (one.time, one.id))
    assert not refused
    assert [one.id for one in again if isinstance(one, AlertEvent)] == [one.id for one in ordered]
    engine, state = Engine(policy), State()
    expected = [effect for one in ordered for effect in engine.apply(state, one)]
    assert preview(policy.config, again).effects == expected


def test_a_silence_that_would_have_hidden_a_real_incident_is_named() -> None:
    log: list[Entry] = [
        event("opened", 0),
        command("feedback", 1, note="real"),
        Tick(at(2)),
        event("opened", 3, "b", source="other"),
    ]
    found = compare(preview(config_of(SIMPLE), log), preview(config_of(SILENT), log), log)
    assert found.pages == {"all": (2, 1)}
    assert [(one.alert, one.reason) for one in found.hidden] == [("a", "silenced (works)")]


def test_a_page_that_comes_later_is_measured() -> None:
    log: list[Entry] = [event("opened", 0), Tick(at(9))]
    late = config_of(SIMPLE.replace("receiver: ops}]", "receiver: ops, min_duration: 3m}]"))
    found = compare(preview(config_of(SIMPLE), log), preview(late, log), log)
    assert found.later == {"a": 180.0}


def test_pages_of_a_night_are_counted_by_its_evening_and_route_in_the_zone_of_the_file() -> None:
    """The log begins at 08:00 UTC, which is 18:00 in Brisbane; on Lord Howe the clocks change."""
    minutes = (0, 239, 240, 300, 719, 720)  # 18:00, 21:59, 22:00, 23:00, 05:59 and 06:00 there
    log: list[Entry] = [event("opened", one, f"a{one}", source=f"s{one}") for one in minutes]
    both = (preview(config_of(SIMPLE), log), preview(config_of(SILENT), log))
    found = compare(*both, log, "Australia/Brisbane")
    evening = date(2026, 3, 1).toordinal()
    assert found.nights == {(evening, "all"): (3, 3)}
    assert sum(pair[0] for pair in found.days.values()) == 6
    changes = [event("opened", 34 * 1440 + 420, "b")]  # 2026-04-04 15:00 UTC: 02:00, twice
    one = preview(config_of(SIMPLE), changes)
    assert compare(one, one, changes, "Australia/Lord_Howe").nights == {
        (date(2026, 4, 4).toordinal(), "all"): (1, 1)
    }


def test_whatif_compares_two_configurations_over_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "now.yaml").write_text(SIMPLE)
    (tmp_path / "new.yaml").write_text(SILENT)
    lines = [
        cloud_event(event(kind, minutes, f"a{i}", source=f"{source}-{i}", opened=at(i * 20)))
        for i, source in enumerate(("press", "press", "pump"))
        for kind, minutes in (("opened", i * 20), ("resolved", i * 20 + 5))
    ]
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    paths = [str(tmp_path / name) for name in ("new.yaml", "now.yaml", "alerts.jsonl")]
    options = [
        f"--{name}={path}" for name, path in zip(("config", "now", "alerts"), paths, strict=True)
    ]
    assert main(["whatif", *options]) == 0
    said = capsys.readouterr().out
    assert "6 transitions of alerts; pages now 3, then 1" in said
    assert "by night" not in said


def test_a_higher_threshold_is_shown_and_a_lower_one_needs_detection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(SIMPLE)
    lines = [
        cloud_event(event("opened", i * 20, f"a{i}", source=f"press-{i}", score=0.7 + i / 10))
        for i in range(3)
    ]
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    options = ["--config", str(tmp_path / "c.yaml"), "--alerts", str(tmp_path / "alerts.jsonl")]
    assert main(["whatif", *options, "--open_at", "0.75"]) == 0
    assert "pages now 3, then 2" in capsys.readouterr().out
    assert main(["whatif", *options, "--open_at", "0.6"]) == 1
    said = capsys.readouterr().out
    assert "needs detection: the job wrote no alert with a score below 0.7" in said
    assert "padit sweep INPUT --config job.yaml --grid sweep.yaml" in said
    assert "vary: {alerts.open_at: 0.6}" in said


def test_since_counts_back_from_the_last_entry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(SIMPLE)
    lines = [
        cloud_event(event("opened", day * 1440, f"a{day}", source=f"press-{day}"))
        for day in range(40)
    ]
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    options = ["--config", str(tmp_path / "c.yaml"), "--alerts", str(tmp_path / "alerts.jsonl")]
    assert main(["whatif", *options, "--since", "30d"]) == 0
    assert "pages now 31, then 31" in capsys.readouterr().out
    assert main(["whatif", *options, "--since", "30x"]) == 2


def test_why_not_names_the_reason_of_each_transition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(SILENT)
    (tmp_path / "alerts.jsonl").write_bytes(cloud_event(event("opened", 0)) + b"\n")
    options = ["--config", str(tmp_path / "c.yaml"), "--alerts", str(tmp_path / "alerts.jsonl")]
    assert main(["why-not", "press-1", "torque_nm", *options]) == 0
    assert "all: silenced (works): a silence covers it" in capsys.readouterr().out
    assert main(["why-not", "press-1", "rpm", *options]) == 1
    assert "the job wrote no alert of press-1 rpm" in capsys.readouterr().out


def test_why_not_names_an_incident_by_what_it_began_with_and_a_message_by_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(SIMPLE)
    log = [event("opened", 0, source="a\u202eb"), event("opened", 1, "b", source="a\u202eb",
                                                        metric="rpm")]  # fmt: skip
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(cloud_event(one) for one in log) + b"\n")
    options = ["--config", str(tmp_path / "c.yaml"), "--alerts", str(tmp_path / "alerts.jsonl")]
    assert main(["why-not", "a\u202eb", "rpm", *options]) == 0
    printed = capsys.readouterr().out
    assert "all: grouped (incident of a\ufffdb torque_nm that began 2026-03-01T08:00" in printed
    assert "\u202e" not in printed
    assert main(["why-not", "a\u202eb", "torque_nm", *options]) == 0
    assert "sent at 2026-03-01T08:00:00" in capsys.readouterr().out


def test_every_reason_has_its_sentence() -> None:
    assert set(MEANS) == set(Reason)


def test_routes_test_says_where_an_alert_would_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(SILENT)
    base = ["routes", "test", "--config", str(tmp_path / "c.yaml"), "--metric", "m"]
    assert main([*base, "--source", "x"]) == 0
    assert capsys.readouterr().out == "all -> ops: sent\n"
    assert main([*base, "--source", "press-1", "--at", "2026-03-01T09:00:00Z"]) == 0
    assert "silenced (works) until 2026-03-02T08:00:00" in capsys.readouterr().out


def _feature(minute: float, score: float | None, metric: str = "rpm") -> bytes:
    end = format_utc(at(minute))
    row = {"source_id": "press-1", "metric_name": metric, "window_end": end, "score": score}
    return msgspec.json.encode({**row, "extractions": 7, "judged_by": []})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no data: no window"),
        ([_feature(0, 0.9, "other"), _feature(300, 0.9), b"{", b"[]"], "no data: no window"),
        ([_feature(0, None), _feature(1, None)], "warming up: 2 windows"),
        ([_feature(0, None), _feature(1, 0.4), _feature(2, 0.3)],
         "score below: the highest score is 0.4, at 2026-03-01T08:01:00.000000Z"),
        ([_feature(1, 0.95)], "which is enough"),
    ],
)  # fmt: skip
def test_why_not_explains_from_recorded_scores_why_there_is_no_alert(
    rows: list[bytes], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(SIMPLE)
    (tmp_path / "alerts.jsonl").touch()
    (tmp_path / "features.jsonl").write_bytes(b"".join(row + b"\n" for row in rows))
    names = b'"press-1", "metric_name": "rpm"'
    (tmp_path / "late.jsonl").write_bytes(
        b'{"source_id": %s, "timestamp": "2026-03-01T08:10:00Z", "value": 1}\n{"x"\n' % names
    )
    original = b'{"source_id": %s}' % names
    letters = [
        {"reason": one, "original": original} for one in ("value is text", "b", "c", "d", "d", "e")
    ]
    (tmp_path / "dlq.jsonl").write_bytes(
        b"".join(msgspec.json.encode(one) + b"\n" for one in letters)
    )
    options = [
        f"--{name}={tmp_path}/{name}.jsonl" for name in ("alerts", "features", "late", "dlq")
    ]
    command = ["why-not", "press-1", "rpm", "--at", "2026-03-01T08:05:00Z", *options]
    assert main([*command, "--config", str(tmp_path / "c.yaml")]) == 1
    said = capsys.readouterr().out
    assert words in said
    assert "late: 1 samples came too late" in said
    assert "dead letter: 2 records: d" in said
    assert "dead letter: 2 records for 2 other reasons" in said
