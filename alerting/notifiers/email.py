"""E-mail over SMTP with TLS: text and HTML with a plot, threaded by incident."""

import smtplib
import ssl
from contextlib import closing
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any, Literal

from pydantic import Field

from padit.alerting.effects import Handed
from padit.alerting.messages import shortened
from padit.alerting.notifiers.base import Picture, Result, headline, lines_of, link_to, secret
from padit.domain.config import Section
from padit.domain.timestamps import format_utc
from padit.ops.deadline import Deadline

__all__ = ["Email"]

_LONGEST_SUBJECT = 200
_STEPS = 4  # to connect, to encrypt, to log in, to send: each may take its time
_PLOT = "plot@padit.invalid"


class _Watched:
    """A server whose socket a deadline can shut, from the connection on."""

    def __init__(self, deadline: Deadline, *place: Any, **settings: Any) -> None:
        self._deadline = deadline
        super().__init__(*place, **settings)

    def connect(self, *place: Any, **settings: Any) -> Any:
        """As in `smtplib`."""
        self._deadline.watch(lambda: getattr(self, "sock", None))
        return super().connect(*place, **settings)  # type: ignore[misc]


class _Plain(_Watched, smtplib.SMTP):
    pass


class _Encrypted(_Watched, smtplib.SMTP_SSL):
    pass


class Email:
    """Sends through one server.

    Args:
        settings: of this receiver.
        link: template of the page of an incident.
    """

    class Settings(Section):
        """Settings of a mail server and its recipients."""

        host: str = Field(description="Mail server.")
        port: int = Field(default=587, ge=1, le=65_535, description="Port.")
        tls: Literal["starttls", "tls", "none"] = Field(
            default="starttls", description="`none` only to this machine."
        )
        ca_file: str = Field(default="", description="Certificates to trust besides the usual.")
        user: str = Field(default="", description="User name, if the server wants one.")
        password: str = Field(default="", description="File or `env:NAME` of the password.")
        sender: str = Field(description="Address.", examples=["padit@example.com"])
        to: tuple[str, ...] = Field(min_length=1, description="Addresses.")
        timeout_sec: float = Field(default=20.0, gt=0, le=120, description="Of one attempt.")

    def __init__(self, settings: Settings, link: str) -> None:
        if settings.tls == "none" and settings.host not in ("127.0.0.1", "localhost"):
            message = f"e-mail to {settings.host} needs `tls: starttls` or `tls: tls`"
            raise ValueError(message)
        self._settings = settings
        self._password = secret(settings.password) if settings.password else ""
        self._link = link

    shows_pictures = True

    def render(
        self, message: Handed, reference: str, picture: Picture | None = None
    ) -> EmailMessage:
        """The mail; the same message gives the same bytes."""
        del reference
        mail = EmailMessage()
        view = message.view
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.to)
        mail["Subject"] = shortened(headline(message).replace("\n", " "), _LONGEST_SUBJECT)
        mail["Date"] = format_datetime(datetime.fromisoformat(format_utc(message.time)))
        mail["Message-ID"] = f"<{message.id}@padit.invalid>"
        if view is not None:
            thread = f"<{view.id}@padit.invalid>"
            mail["References"] = mail["In-Reply-To"] = thread
        link = link_to(self._link, view)
        lines = lines_of(message)
        mail.set_content("\n".join([headline(message), "", *lines, *([link] if link else [])]))
        html = _html(headline(message), lines, link, picture)
        mail.add_alternative(html, subtype="html")
        if picture is not None:
            _, body = mail.iter_parts()
            body.add_related(
                picture.png, "image", "png", cid=f"<{_PLOT}>", filename="plot.png",
                disposition="inline",
            )  # fmt: skip
            body.set_boundary(f"padit-plot-{message.id}")
        mail.set_boundary(f"padit-{message.id}")
        return mail

    def send(self, mail: EmailMessage) -> Result:
        """One attempt; an answer 4xx is tried again, 5xx is not."""
        deadline = Deadline(_STEPS * self._settings.timeout_sec)
        try:
            with closing(deadline), deadline.exchange():
                self._deliver(mail, deadline)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return Result("retry" if min(codes) < 500 else "dead", f"recipients refused: {codes}")
        except smtplib.SMTPResponseException as error:
            state = "retry" if error.smtp_code < 500 else "dead"
            return Result(state, f"SMTP {error.smtp_code}")
        except (OSError, smtplib.SMTPException) as error:
            if deadline.passed:
                return Result("retry", "it did not answer in time (it sends, but too slowly)")
            return Result("retry", f"{type(error).__name__}: {error}"[:300])
        return Result("delivered")

    def _deliver(self, mail: EmailMessage, deadline: Deadline) -> None:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        place = (settings.host, settings.port)
        if settings.tls == "tls":
            server: smtplib.SMTP = _Encrypted(
                deadline, *place, timeout=settings.timeout_sec, context=context
            )
        else:
            server = _Plain(deadline, *place, timeout=settings.timeout_sec)
        with server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, self._password)
            server.send_message(mail)


def _html(title: str, lines: list[str], link: str, picture: Picture | None) -> str:
    items = "".join(f"<li>{escape(one)}</li>" for one in lines)
    anchor = f'<p><a href="{escape(link)}">Incident in PADIT</a></p>' if link else ""
    image = (
        f'<p><img src="cid:{_PLOT}" alt="{escape(picture.name)}"></p>'
        if picture is not None
        else ""
    )
    return f"<html><body><h3>{escape(title)}</h3><ul>{items}</ul>{image}{anchor}</body></html>"


NOTIFIER = Email
