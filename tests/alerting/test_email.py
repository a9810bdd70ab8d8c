"""E-mail to a real server, with TLS and without, and what its refusals mean."""

import email
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from padit.alerting.notifiers.email import Email
from padit.devcluster.ports import free_port
from tests.adapters.test_http_probe import certificate as make_certificate
from tests.alerting.test_notifiers import messages


class Inbox:
    """Mails that came; or an answer that refuses them."""

    def __init__(self, refusal: str = "") -> None:
        self.mails: list[Message] = []
        self.refusal = refusal

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        del server, session
        if self.refusal:
            return self.refusal
        self.mails.append(email.message_from_bytes(envelope.content))
        return "250 OK"


@contextmanager
def mail_server(inbox: Inbox, **options: Any) -> Iterator[int]:
    """A mail server of this machine; gives its port."""
    port = free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def _email(port: int, **settings: Any) -> Email:
    values = {"host": "localhost", "port": port, "tls": "none", "sender": "padit@example.com",
              "to": ["ann@example.com", "bob@example.com"]} | settings  # fmt: skip
    return Email(Email.Settings.model_validate(values), "https://padit.example/{incident}")


def test_a_mail_has_text_and_html_and_stands_in_the_thread_of_its_incident() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        sender = _email(port)
        results = [sender.send(sender.render(one, "")) for one in messages("<b>hot</b>")]
    assert {one.state for one in results} == {"delivered"}
    first, second, *_ = inbox.mails
    assert first["Subject"] == "WARNING press-1: <b>hot</b>"
    assert second["Subject"].startswith("Worse: CRITICAL press-1")
    assert first["References"] == second["References"]
    text, html = (part.get_payload() for part in first.walk() if not part.is_multipart())
    assert "https://padit.example/" in str(text)
    assert "&lt;b&gt;hot&lt;/b&gt;" in str(html)


def test_starttls_is_used_and_the_certificate_is_checked(tmp_path: Path) -> None:
    made, key = make_certificate(tmp_path, 10)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    inbox = Inbox()
    with mail_server(inbox, tls_context=context, require_starttls=True) as port:
        trusting = _email(port, tls="starttls", ca_file=str(made))
        assert trusting.send(trusting.render(messages()[0], "")).state == "delivered"
        strict = _email(port, tls="starttls")
        refused = strict.send(strict.render(messages()[0], ""))
        assert (refused.state, "CERTIFICATE_VERIFY_FAILED" in refused.reason) == ("retry", True)
    assert len(inbox.mails) == 1


def test_a_server_that_refuses_for_good_makes_a_dead_message_and_one_that_is_busy_a_retry() -> None:
    for answer, state in (("550 no such user", "dead"), ("451 try later", "retry")):
        with mail_server(Inbox(answer)) as port:
            sender = _email(port)
            assert sender.send(sender.render(messages()[0], "")).state == state
    assert _email(9).send(_email(9).render(messages()[0], "")).state == "retry"
