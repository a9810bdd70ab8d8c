"""The page of `padit demo --live`: served while the factory runs, and ended with it."""

import shutil
import signal
import sys
import threading
import time
import webbrowser
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from padit.domain.errors import ConfigurationError

if TYPE_CHECKING:
    import uvicorn

    from padit.cli.live_factory import LiveFactory
    from padit.portal.context import Portal

__all__ = ["show"]

_MARK = ".live-demo"


def show(folder: Path, seed: int, minutes: float, port: int, *, browser: bool) -> int:
    """Run the factory and its page until Ctrl-C, or for so many minutes.

    Raises:
        ConfigurationError: a library is missing, the folder holds something else, or the port is
            taken.
    """
    try:
        from padit.cli.live_factory import FAILS_WITHIN_SECONDS, LiveFactory
    except ModuleNotFoundError as error:
        message = f"`padit demo --live` needs {error.name}: pip install 'padit[portal]'"
        raise ConfigurationError(message) from error
    _emptied(folder)
    _say("an hour of normal operation is computed first")
    factory = LiveFactory(folder, seed, _say)
    factory.prepare()
    server, portal = _page(folder, port)
    portal.catches_up = factory.catches_up
    ending = _Ending(server, minutes, FAILS_WITHIN_SECONDS)

    helper = threading.Thread(
        target=_open, args=(server, portal, factory, ending, browser), name="open the page"
    )
    try:
        helper.start()
        ending.serve()
    finally:
        ending.done.set()
        helper.join()
        factory.stop()
    if not ending.served:
        message = f"port {port} is taken: give another one, --port 0 for any"
        raise ConfigurationError(message)
    _say("it has ended; no part of it is left")
    return 1 if factory.failed else 0


def _open(
    server: "uvicorn.Server",
    portal: "Portal",
    factory: "LiveFactory",
    ending: "_Ending",
    browser: bool,  # of a thread
) -> None:
    """Once the server answers: print the link, open a browser; once it is seen, run the machines.

    A failure that nobody sees is none to look at.
    """
    while not server.started:
        if ending.done.wait(0.05):
            return
    actual = server.servers[0].sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{actual}/#/first/{portal.accounts.link('admin')}"
    _say(f"the page: {address}")
    _say("the link works once: choose a name and a password")
    _say(f"once it is open, a machine fails within {ending.fails} s; "
         f"Ctrl-C ends it, and so do {ending.minutes:g} minutes")  # fmt: skip
    if browser:
        webbrowser.open(address)
    while not portal.hub.clients:
        if ending.done.wait(0.1):
            return
    factory.start()


def _page(folder: Path, port: int) -> "tuple[uvicorn.Server, Portal]":
    """The server of the page, and what it shows.

    Raises:
        ConfigurationError: a library is missing.
    """
    try:
        import uvicorn

        from padit.portal.app import create_app
        from padit.portal.context import DEFAULT_CONFIG, Portal, local_parts, parse_config
        from padit.portal.limiting import Limiter
        from padit.portal.places import places_in
        from padit.portal.serving import Server
    except ModuleNotFoundError as error:
        message = f"`padit demo --live` needs {error.name}: pip install 'padit[portal]'"
        raise ConfigurationError(message) from error
    state = folder / ".portal"
    places = places_in(folder, None, None, None)
    parts = local_parts(places, state, parse_config(DEFAULT_CONFIG, "the configuration"))
    portal = Portal(parts, state)
    app = create_app(lambda: portal, Limiter())
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="error", access_log=False,
        server_header=False, ws_per_message_deflate=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return Server(config, lambda: portal.hub), portal


class _Ending:
    """Serves until a signal, or until the time is over."""

    def __init__(self, server: "uvicorn.Server", minutes: float, fails: int) -> None:
        self._server = server
        self.minutes, self.fails = minutes, fails
        self._until = time.monotonic() + minutes * 60
        self.done = threading.Event()
        self.served = False

    def serve(self) -> None:
        """Serve; Ctrl-C and SIGTERM end it (the server hands them on to us behind its end)."""
        server = self._server

        def stop(number: int, frame: FrameType | None) -> None:
            del number, frame
            server.should_exit = True

        def watch() -> None:
            while not self.done.wait(0.2):
                if time.monotonic() > self._until:
                    server.should_exit = True
                    return

        clock = threading.Thread(target=watch, name="end of the demo")
        clock.start()
        before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            server.run()
            self.served = server.started
        except SystemExit:
            self.served = False
        finally:
            self.done.set()
            clock.join()
            for number, handler in before.items():
                signal.signal(number, handler)


def _emptied(folder: Path) -> None:
    """Remove what an earlier live demo left; anything else is refused.

    Raises:
        ConfigurationError: the folder holds something else.
    """
    if folder.exists():
        if any(folder.iterdir()) and not (folder / _MARK).exists():
            message = f"{folder} holds something else; give another --folder"
            raise ConfigurationError(message)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()


def _say(text: str) -> None:
    sys.stderr.write(f"demo: {text}\n")
    sys.stderr.flush()
