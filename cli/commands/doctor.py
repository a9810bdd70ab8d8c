"""`padit doctor`: find missing, broken or unsafe parts, and name the fix."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from padit.cli.checks.exposure import check_exposure
from padit.cli.checks.findings import Finding, Level, broken
from padit.cli.checks.kernels import check_kernels
from padit.cli.checks.services import (
    check_broker,
    check_flink,
    check_job_options,
    check_port,
)
from padit.cli.checks.tools import check_job_server, check_packages, check_tools
from padit.cli.checks.workers import check_workers
from padit.devcluster.state import State, read_state

__all__ = ["EXAMPLES", "HELP", "PASS_THROUGH", "add_arguments", "run"]

HELP = "Check versions, broker, cluster, workers and settings; name the fix."
EXAMPLES = """\
examples:
  padit doctor                                    the parts of `padit up`, or the usual ports
  padit doctor --only tools,packages,kernels      this machine only, no running services needed
  padit doctor --bootstrap kafka:9092 --topic metrics --flink http://flink:8081
  padit doctor --start_offset=latest              would these options of `padit run` be safe?
  padit doctor --json                             for programs

Exit code 1 if something is broken; warnings do not count.
"""
PASS_THROUGH = True
_GROUPS = ("tools", "packages", "kernels", "broker", "flink", "workers", "exposure", "options")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `padit doctor`."""
    add = parser.add_argument
    add("--state_dir", type=Path, default=Path(".padit"), help="of `padit up` (%(default)s)")
    add("--bootstrap", help="the broker, HOST:PORT")
    add("--topic", default="metrics", help="a topic that must exist (%(default)s)")
    add("--flink", help="Flink's REST address, http://HOST:PORT")
    add("--job_endpoint", help="Beam's job server, HOST:PORT")
    add("--environment_config", help="the worker pool, HOST:PORT")
    add("--only", default=",".join(_GROUPS), help="what to check (%(default)s)")
    add("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Check, print, and return 1 if something is broken."""
    findings = []
    for finding in _findings(args):
        findings.append(finding)
        if not args.json:
            _show(finding)
    bad = sum(finding.level is Level.BROKEN for finding in findings)
    warned = sum(finding.level is Level.WARNING for finding in findings)
    if args.json:
        document = {"broken": bad, "warnings": warned}
        print(json.dumps({**document, "findings": [finding.to_json() for finding in findings]}))
    else:
        print(f"{len(findings)} checks, {bad} broken, {warned} warnings")
    return 1 if bad else 0


def _show(finding: Finding) -> None:
    print(f"{finding.level:8} {finding.check}: {finding.detail}")
    if finding.fix:
        print(f"{'':8} fix: {finding.fix}")
    sys.stdout.flush()


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    only = set(args.only.split(","))
    if unknown := only - set(_GROUPS):
        named = ", ".join(sorted(unknown))
        yield broken("options", f"--only {named}", f"choose from {', '.join(_GROUPS)}")
    if "tools" in only:
        yield from check_tools()
    if "packages" in only:
        yield from check_packages()
    if "kernels" in only:
        yield check_kernels()
    state = read_state(args.state_dir)
    if state is not None:
        yield from _ended(state)
    yield from _services(args, state or _usual(), only)
    if "options" in only:
        yield from check_job_options(getattr(args, "rest", []))


def _usual() -> State:
    loop = "127.0.0.1"
    return State(f"{loop}:9092", f"http://{loop}:8081", f"{loop}:8099", f"{loop}:50000", "")


def _ended(state: State) -> Iterator[Finding]:
    running = state.running
    for record in state.processes:
        if record not in running:
            fix = f"read the end of {record.log}, then `padit down` and `padit up`"
            yield broken("padit up", f"{record.name} has ended", fix)


def _services(args: argparse.Namespace, state: State, only: set[str]) -> Iterator[Finding]:
    if "broker" in only:
        yield from check_broker(args.bootstrap or state.bootstrap, args.topic)
    if "flink" in only:
        yield from check_flink(args.flink or state.rest_url)
        fix = "`padit up` starts one; --job_endpoint HOST:PORT names another"
        yield check_port("job endpoint", args.job_endpoint or state.job_endpoint, fix)
        yield check_job_server()
    if "workers" in only:
        yield check_workers(args.environment_config or state.worker_endpoint)
    if "exposure" in only:
        yield from check_exposure(
            [
                ("flink", args.flink or state.rest_url),
                ("job endpoint", args.job_endpoint or state.job_endpoint),
                ("workers", args.environment_config or state.worker_endpoint),
            ]
        )
