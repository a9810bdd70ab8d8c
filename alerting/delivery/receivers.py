"""Receivers by name, each with its notifier; unknown kinds and settings are refused."""

import importlib
import pkgutil
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import httpx
import msgspec
from pydantic import ValidationError

import padit.alerting.notifiers
from padit.alerting.effects import Handed
from padit.alerting.notifiers.base import Picture, PictureError, Request, Result, link_to
from padit.alerting.policy import AlertingConfig
from padit.alerting.templates import Templates
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError
from padit.ops.deadline import Deadline
from padit.ops.tracing import propagate

__all__ = ["Plots", "Receiver", "kind_of", "kinds", "receivers_of"]

Plots = Callable[[Handed], tuple[bytes, str]]

_LONGEST_TEMPLATE = 10_000
_LONGEST_ANSWER = 100_000
_SKIP = Result("delivered", "this receiver is not sent this kind of message")


class Receiver:
    """One receiver: makes the request of a message, and sends it once.

    Args:
        name: as configured.
        notifier: of its kind.
        timeout: seconds of one attempt.
        templates: of its texts.
        link: template of the page of an incident.
        plots: picture of a message and its name, or nothing and why; None: there are none.
    """

    def __init__(
        self,
        name: str,
        notifier: Any,
        timeout: float,
        templates: Templates | None = None,
        link: str = "",
        plots: Plots | None = None,
    ) -> None:
        self.name = name
        self._plots = plots if getattr(notifier, "shows_pictures", False) else None
        self._templates = templates
        self._link = link
        self._notifier = notifier
        self._timeout = timeout
        self._deadline = Deadline(2 * timeout)  # to connect, and to be answered
        self._client = httpx.Client(
            timeout=timeout,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},  # nothing to unpack to gigabytes
            event_hooks={"request": [propagate]},
        )

    @property
    def pause(self) -> float:
        """Seconds between two messages that its kind asks for."""
        return float(getattr(self._notifier, "pause_sec", 0.0))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()
        self._deadline.close()
        if self._templates is not None:
            self._templates.close()

    def attempt(self, message: Handed, reference: str) -> Result:
        """Send once. A fault of the notifier itself makes the message a dead one, by its name."""
        try:
            if self._templates is not None:
                message = self._templates.apply(message, link_to(self._link, message.view))
            if self._plots is None:
                request = self._notifier.render(message, reference)
            else:
                message, picture = self._pictured(message, self._plots)
                request = self._notifier.render(message, reference, picture)
        except Exception as error:  # whatever a stranger's notifier does
            return Result("dead", f"the notifier failed: {type(error).__name__}"[:300])
        if request is None:
            return _SKIP
        if isinstance(request, Request):
            return self._post(request)
        sent: Result = self._notifier.send(request)
        return sent

    def _pictured(self, message: Handed, plots: Plots) -> tuple[Handed, Picture | None]:
        """A message and its plot; one that is missing is said in the message."""
        data, words = plots(message)
        if data:
            picture = Picture(data, words)
            if not hasattr(self._notifier, "upload"):
                return message, picture
            try:
                return message, self._notifier.upload(picture, self._ask)
            except (PictureError, httpx.HTTPError, httpx.InvalidURL) as error:
                words = (
                    f"no plot: {error if isinstance(error, PictureError) else type(error).__name__}"
                )
        if words:
            note = f"{message.note}\n({words})" if message.note else f"({words})"
            message = msgspec.structs.replace(message, note=note)
        return message, None

    def _ask(self, request: Request) -> tuple[int, bytes]:
        status, _, body = self._exchange(request)
        return status, body

    def _exchange(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and the beginning of the body, however long it goes on."""
        body, ends = b"", time.monotonic() + self._timeout
        with (
            self._deadline.exchange(),
            self._client.stream(
                request.method, request.url, headers=request.headers, content=request.body,
                extensions={"trace": self._deadline.trace},
            ) as answer,
        ):  # fmt: skip
            for piece in answer.iter_raw():
                body += piece
                if len(body) >= _LONGEST_ANSWER or time.monotonic() > ends:
                    break
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status_code, headers, body[:_LONGEST_ANSWER]

    def _post(self, request: Request) -> Result:
        try:
            status, headers, body = self._exchange(request)
        except httpx.HTTPError as error:
            if self._deadline.passed:
                return Result("retry", "it did not answer in time (it sends, but too slowly)")
            return Result("retry", _failure(error))
        except (ValueError, httpx.InvalidURL) as error:
            return Result("dead", f"{type(error).__name__}: the address cannot be used")
        result: Result = self._notifier.result(status, headers, body)
        return result


def _failure(error: httpx.HTTPError) -> str:
    """In words; the error's own text may hold the address."""
    words = "the exchange failed"
    if isinstance(error, httpx.ConnectError):
        words = "it cannot be reached"
    elif isinstance(error, httpx.TimeoutException):
        words = "it did not answer in time"
    elif isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        words = "it dropped the connection"
    return f"{words} ({type(error).__name__})"


def kinds() -> dict[str, Any]:
    """Notifiers by kind."""
    found = {}
    for info in pkgutil.iter_modules(padit.alerting.notifiers.__path__):
        module = importlib.import_module(f"padit.alerting.notifiers.{info.name}")
        notifier = getattr(module, "NOTIFIER", None)
        if notifier is not None:
            found[info.name] = notifier
    return found


def receivers_of(config: AlertingConfig, plots: Plots | None = None) -> dict[str, Receiver]:
    """All receivers of a configuration.

    Args:
        config: that names them.
        plots: as in `Receiver`.

    Raises:
        ConfigurationError: a kind or a setting is wrong, or a secret cannot be read.
    """
    have = kinds()
    return {
        name: _receiver(name, dict(setting), have, config.link, plots)
        for name, setting in sorted(config.receivers.items())
    }


def kind_of(name: str, setting: Mapping[str, Any], have: Collection[str]) -> str:
    """The kind of a receiver.

    Raises:
        ConfigurationError: there is no such kind.
    """
    kind = setting.get("kind")
    if not isinstance(kind, str) or kind not in have:
        message = f"receivers.{name}: kind is {kind!r}; there are {', '.join(sorted(have))}"
        raise ConfigurationError(message)
    return kind


def _receiver(
    name: str, setting: dict[str, Any], have: dict[str, Any], link: str, plots: Plots | None
) -> Receiver:
    notifier = have[kind_of(name, setting, have)]
    del setting["kind"]
    parts = {name: setting.pop(name, "") for name in ("title", "text")}
    if any(not isinstance(text, str) or len(text) > _LONGEST_TEMPLATE for text in parts.values()):
        message = f"receivers.{name}: `title` and `text` are templates of text"
        raise ConfigurationError(message)
    try:
        settings = notifier.Settings.model_validate(setting)
        made = notifier(settings, link)
        templates = Templates(parts, link)
    except ValidationError as error:
        message = explain(f"receivers.{name}", notifier.Settings, error)
        raise ConfigurationError(message) from error
    except ConfigurationError as error:
        message = f"receivers.{name}: {error}"
        raise ConfigurationError(message) from error
    return Receiver(name, made, settings.timeout_sec, templates or None, link, plots)
