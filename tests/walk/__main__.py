r"""A platform engineer's checklist, walked through: from deploy to page to rollback.

    make checklist          python -m tests.walk --into docs/checklist.md

A wheel is built and installed, a broker and Flink with two TaskManagers are started, and everything
is done with the commands of the docs. Each check is one that can fail; the first that does ends the
walk with exit code 1. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from padit.devcluster.ports import free_port
from tests.alerting.receiving import receiving
from tests.deploy.wheel import build_wheel, install_wheel
from tests.walk import change, deploy
from tests.walk.load import Load
from tests.walk.site import Site
from tests.walk.transcript import Transcript, WalkFailed

__all__ = ["main"]

_HEAD = """# Checklist: from deploy to page to rollback

`make checklist` walks through what a platform engineer does with PADIT before it is let in, on a
local cluster and with an installed wheel, and writes this page. [Runbooks](runbooks.md) say what to
do when, [deploy](deploy.md) how it is done on Kubernetes. Ports and folders are shown as usual.
Windows of 60 s every 5 s, 2 s of allowed disorder, 80 records a second of 40 sources; real time.

"""


def main(argv: Sequence[str] | None = None) -> int:
    """Walk; 0: every check held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=Path("build/checklist.md"))
    args = parser.parse_args(argv)
    page = Transcript(lambda line: print(line, file=sys.stderr, flush=True))
    folder = Path(tempfile.mkdtemp(prefix="padit-walk-"))
    page.names |= {str(folder): ".", str(Path.home()): "~"}
    held = True
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            _walk(stack, page, folder)
        except WalkFailed as error:
            held = False
            print(f"failed: {error}", file=sys.stderr, flush=True)
    date = time.strftime("%Y-%m-%d", time.gmtime())
    ending = f"{page.checks} checks, all of them held." if held else "**A check failed.**"
    args.into.parent.mkdir(parents=True, exist_ok=True)
    args.into.write_text(page.page(f"{_HEAD}Last walked: {date}. {ending}\n"))
    return 0 if held else 1


def _walk(stack: ExitStack, page: Transcript, folder: Path) -> None:
    wheel = build_wheel(folder / "wheel")
    padit = install_wheel(wheel, folder / "venv")
    place = folder / "place"
    place.mkdir()
    page.names[str(place)] = "."
    site = Site(padit, place, page, f"127.0.0.1:{free_port()}")
    page.names[site.metrics] = "127.0.0.1:9464"
    receiver = stack.enter_context(receiving())
    page.names[receiver.url.rstrip("/")] = "http://oncall"
    stack.callback(_down, site)
    stack.callback(site.close)
    deploy.install(site, wheel)
    deploy.parts(site)
    alerting = deploy.paging(site, receiver)
    began = change.now()
    load = stack.enter_context(Load(site.state.bootstrap, "metrics"))
    run, job = deploy.first_job(site)
    page.step("The first page", "A source fails; somebody is paged.")
    deploy.page_somebody(site, load, receiver, 4)
    deploy.watched(site, job)
    live = change.Live(run, job, began, "", [])
    change.upgrade(site, live, load, receiver)
    change.refuse(site, live)
    change.lose_a_taskmanager(site, live, load, receiver)
    change.bad_green(site, live)
    change.good_green(site, live, load, receiver)
    change.roll_back(site, live, load, receiver)
    change.leave(site, live, alerting, receiver, load)


def _down(site: Site) -> None:
    """End what `padit up` started, if the walk did not come to it."""
    from padit.devcluster.processes import stop_process
    from padit.devcluster.state import read_state

    state = read_state(site.folder / ".padit")
    for record in reversed(state.processes if state else []):
        stop_process(record)


if __name__ == "__main__":
    sys.exit(main())
