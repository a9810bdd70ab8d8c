"""`padit explain`: one alert recomputed from its evidence, and from the rows behind it."""

import argparse
import sys
from collections.abc import Sequence

from padit.analysis.alert_files import read_events
from padit.analysis.audit_log import audit_logs_beside, read_audit_log
from padit.analysis.explain.alert_history import AlertHistory, histories_of
from padit.analysis.explain.alert_record import ParsedAlert, find, parse_alert
from padit.analysis.explain.history import History, Reading, check, read_history, rows_of
from padit.analysis.explain.page import write_page
from padit.analysis.explain.recompute import Check, best_score, recompute, versions
from padit.analysis.explain.settings import (
    looking_at,
    settings_of,
    settings_of_config,
)
from padit.domain.audit import Provenance
from padit.domain.config import load_config
from padit.domain.differences import differences
from padit.domain.errors import ConfigurationError, PaditError, SourceError
from padit.domain.renamed import RenamedOption
from padit.domain.timestamps import format_utc, parse_timestamp, seconds_to_micros
from padit.pipelines.bounds import SECONDS, SECONDS_OR_NONE

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Recompute an alert from its evidence or from the topic: equal, or the first difference."
EXAMPLES = """examples:
  padit explain --from alerts.jsonl
  padit explain 51b6c0de --from alerts.jsonl
  padit explain 51b6c0de --from alerts.jsonl --input kafka://127.0.0.1:9092/metrics
  padit explain 51b6c0de --from kafka://127.0.0.1:9092/alerts --config job.yaml \\
      --html alert.html

The id may be shortened. The evidence alone is enough for ids, severity, the score of detectors
without state and, if the alert holds all its rows (up to 64), their digest and features. With
--input the rows of its source go through the code of the job again and every byte is compared.
Exit codes: 0 equal, 1 different, 2 cannot be recomputed.
"""
_SIGNS = {"equal": "equal    ", "different": "DIFFERENT", "unknown": "not known"}
_MOST = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The alert, its place, and the input to recompute it from."""
    add = parser.add_argument
    which = "id of the alert or of a transition, or its beginning; without one all are listed"
    add("alert", metavar="ALERT_ID", nargs="?", help=which)
    add("--from", dest="place", required=True, help="alerts: a .jsonl file or kafka://host/topic")
    add("--input", help="input of the job, a topic or files: recompute from the rows")
    audit = "audit log with the provenance; by default the one beside the alerts"
    add("--audit", "--journal", action=RenamedOption, help=audit)
    add("--config", help="present YAML file: shows what changed since the alert was made")
    add("--html", help="draw the alert into this file")
    add("--start_time", help="read --input from here on, not from where the job began")
    add(
        "--out_of_orderness_sec",
        type=SECONDS_OR_NONE,
        default=10.0,
        help="as the job had it (default 10)",
    )
    add("--max_ahead_sec", type=SECONDS, default=3600.0, help="as the job had it (default 3600)")


def run(args: argparse.Namespace) -> int:
    """Print the checks; the exit code."""
    try:
        return _explain(args)
    except PaditError as error:
        print(f"padit: {error}", file=sys.stderr)
        return 2  # 1 means that it was recomputed and differs


def _explain(args: argparse.Namespace) -> int:
    events = read_events(args.place)
    if args.alert is None:
        return _list(histories_of(events), args.place)
    steps = [parse_alert(event) for event in find(events, args.alert, args.place)]
    sections = [("from the evidence alone", _from_evidence(steps))]
    notes = [note for one in steps[:1] for note in versions(one)]
    if args.config:
        notes += _changes(steps, args.config)
    history: History | None = None
    if args.input:
        records = _provenance(args.audit, args.place)
        history = read_history(steps, _reading(args), records)
        notes += history.notes
        sections.append((f"from {args.input}", check(steps, history)))
    code, verdict = _judge(steps, sections)
    _print(steps, sections, notes)
    if args.html:
        rows = rows_of(history) if history is not None else None
        write_page(args.html, steps, verdict=verdict, sections=sections, notes=notes, rows=rows)
        print(f"wrote {args.html}", file=sys.stderr)
    print(verdict)
    return code


def _list(histories: Sequence[AlertHistory], place: str) -> int:
    for one in histories:
        data = one.events[-1].content["data"]
        print(f"{one.id}  {format_utc(one.opened)[:19]}Z {data['severity']:8} {data['summary']}")
    print(
        f"{place} holds {len(histories)} {'alert' if len(histories) == 1 else 'alerts'}",
        file=sys.stderr,
    )
    return 0


def _from_evidence(steps: Sequence[ParsedAlert]) -> list[Check]:
    """Checks of all steps; a step that repeats the evidence before it is checked once."""
    checks: list[Check] = []
    seen: list[object] = []
    for one in steps:
        found = recompute(one, window=one.evidence not in seen)
        seen.append(one.evidence)
        checks += [item._replace(what=f"{one.kind}: {item.what}") for item in found]
    return checks


def _judge(
    steps: Sequence[ParsedAlert], sections: Sequence[tuple[str, list[Check]]]
) -> tuple[int, str]:
    for title, checks in sections:
        for one in checks:
            if one.state == "different":
                return 1, f"different ({title}): {one.what}: {one.text}"
    from_rows = len(sections) > 1
    left = [one for one in sections[0][1] if one.state == "unknown" and "score" in one.what]
    if left and not from_rows:
        return 2, f"cannot be recomputed from the evidence alone: {left[0].text}"
    plural = "" if len(steps) == 1 else "s"
    how = "every byte, from the rows" if from_rows else "from the evidence alone"
    return 0, f"equal: {len(steps)} transition{plural}, {how}"


def _print(
    steps: Sequence[ParsedAlert], sections: Sequence[tuple[str, list[Check]]], notes: Sequence[str]
) -> None:
    parsed = steps[-1]
    alert = parsed.alert
    print(f"alert {alert.id}  {alert.severity} {alert.score:.6g}")
    print(f"  {alert.summary}")
    if parsed.attributes.labels:
        print("  labels: " + ", ".join(f"{name}={text}" for name, text in parsed.attributes.labels))
    for one in steps:
        start, end = (format_utc(moment)[:19] for moment in one.window)
        window = "" if one.kind == "resolved" else f"  window {start}Z to {end}Z"
        print(f"  {format_utc(one.time)[:19]}Z {one.kind:8}{window}")
    for note in notes:
        print(f"  note: {note}")
    for title, checks in sections:
        print(f"{title}")
        for item in checks[:_MOST]:
            print(f"  {_SIGNS[item.state]}  {item.what}: {item.text}")


def _changes(steps: Sequence[ParsedAlert], path: str) -> list[str]:
    """Differences between the configuration file and the alert, and their effect on it."""
    config = load_config(path)
    parsed = next((one for one in reversed(steps) if one.kind != "resolved"), steps[-1])
    then = settings_of(parsed)
    now = settings_of_config(config, parsed.series, then["window"]["size_sec"])
    comparable = {name: one for name, one in then.items() if name not in ("window", "severity")}
    found = [
        f"changed since: {path} has {right!r} for {where}, the alert was made with {left!r}"
        for where, left, right in differences(comparable, now)
    ]
    if not found:
        return [f"{path} has the same settings for this series"]
    score = best_score(looking_at(config, parsed.series), parsed)
    if score is not None:
        opens = "alerts" if score >= config.alerts.open_at else "does not alert"
        found.append(f"with {path} this window scores {score:.6g} and {opens}")
    return found


def _reading(args: argparse.Namespace) -> Reading:
    return Reading(
        args.input,
        load_config(args.config).input,
        None if args.start_time is None else _moment(args.start_time),
        seconds_to_micros(args.out_of_orderness_sec),
        seconds_to_micros(args.max_ahead_sec),
    )


def _moment(text: str) -> int:
    for form in (float, str):
        try:
            return parse_timestamp(form(text))
        except ValueError:
            continue
    message = f"--start_time={text} is neither RFC 3339 nor epoch seconds or milliseconds"
    raise ConfigurationError(message)


def _provenance(audit: str | None, alerts: str) -> dict[str, Provenance]:
    """Provenance by transition; only an audit log that was named by `--audit` has to exist."""
    for place in [audit] if audit else audit_logs_beside(alerts):
        try:
            records = list(read_audit_log(place))
        except SourceError:
            if audit:
                raise
            continue
        return {one.transition: one for one in records if isinstance(one, Provenance)}
    return {}
