"""Any of the services that Apprise knows: https://appriseit.com/services/.

An optional extra (`pip install 'padit[notify]'`). Its address is a secret, so it stands in a file
or in the environment. Apprise only reports that a message could not be sent, so each failure is
tried again.
"""

import warnings
from typing import Any, NamedTuple

from pydantic import Field

from padit.alerting.effects import Handed
from padit.alerting.messages import shortened
from padit.alerting.notifiers.base import Result, headline, lines_of, link_to, secret
from padit.domain.config import Section
from padit.domain.errors import ConfigurationError

__all__ = ["Apprise", "Text"]

_LONGEST = 4000
_TYPES = {
    "resolved": "success",
    "digest_over": "success",
    "job_back": "success",
    "acknowledged": "info",
    "heartbeat": "info",
}


class Text(NamedTuple):
    """What is sent: title, text, and the kind of Apprise's notification."""

    title: str
    body: str
    kind: str


class Apprise:
    """Sends through Apprise.

    Args:
        settings: of this receiver.
        link: template of the page of an incident.
    """

    class Settings(Section):
        """Settings of a service of Apprise."""

        address: str = Field(description="File or `env:NAME` of Apprise's address of a service.")
        timeout_sec: float = Field(default=20.0, gt=0, le=120, description="Of one attempt.")

    def __init__(self, settings: Settings, link: str) -> None:
        self._link = link
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what Apprise imports
            try:
                import apprise
            except ImportError as error:
                message = f"kind: apprise needs apprise ({error}): pip install 'padit[notify]'"
                raise ConfigurationError(message) from error
            self._apprise: Any = apprise.Apprise()
            known = self._apprise.add(secret(settings.address))
        if not known:
            message = f"the address in {settings.address} is none of a service of Apprise"
            raise ConfigurationError(message)

    def render(self, message: Handed, reference: str) -> Text:
        """Title and text."""
        del reference
        link = link_to(self._link, message.view)
        body = "\n".join([*lines_of(message), *([link] if link else [])])
        kind = _TYPES.get(message.kind, "warning")
        if message.view is not None and message.view.severity == "CRITICAL" and kind == "warning":
            kind = "failure"
        title, text = shortened(headline(message), 200), shortened(body, _LONGEST)
        return Text(title, text or headline(message), kind)

    def send(self, text: Text) -> Result:
        """One attempt."""
        try:
            sent = self._apprise.notify(
                title=text.title, body=text.body, notify_type=text.kind, body_format="text"
            )  # else a name could have tags of HTML, where a service shows these
        except TypeError as error:  # what Apprise raises for an empty text
            return Result("dead", f"Apprise refuses it: {error}"[:200])
        return Result("delivered") if sent else Result("retry", "Apprise could not send it")


NOTIFIER = Apprise
