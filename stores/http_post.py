"""Posts to a store over HTTP: one kept connection, time-outs, and what an answer means."""

import http.client
import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple

from padit.domain.errors import ConfigurationError, SinkError
from padit.ops.retrying import asked_wait
from padit.stores.base import BusyError

__all__ = ["Answer", "Post", "opened"]

_LONGEST_TEXT = 2000
_DENIED = (401, 403, 407)
_OF_RECORDS = (400, 413, 422)
_PASSES = (408, 425, 429)


class Answer(NamedTuple):
    """Status and the beginning of the text."""

    status: int
    text: str

    @property
    def good(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300


class Post:
    """A connection; used by one thread.

    Args:
        name: of the store, for messages.
        host: "host:port".
        timeout: of one call, seconds.
        tls: whether it is encrypted.
        headers: sent with every call; may hold a secret.
        remedy: where credentials come from.
        needs: what a server that has no such place needs.

    Attributes:
        first: whether no call was ever taken, so that a refusal is a mistake of the settings;
            later a password was changed that has not come here yet, or a server is being replaced.
    """

    first = True

    def __init__(
        self, name: str, host: str, timeout: float, *, tls: bool, headers: Mapping[str, str],
        remedy: str, needs: str,
    ) -> None:  # fmt: skip
        self._name, self._headers, self._remedy, self._needs = name, dict(headers), remedy, needs
        self._connection: http.client.HTTPConnection
        if tls:
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(host, timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, timeout=timeout)

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Call; an answer that takes what was sent, or is about what was sent.

        Raises:
            ConfigurationError: the credentials are refused, or there is no such place, and
                it always was so.
            SinkError: nobody answers, the store is busy (`BusyError`), refuses the login now, or
                something else answers in its place.
        """
        given = {**self._headers, **{key.replace("_", "-"): one for key, one in headers.items()}}
        try:
            self._connection.request(method, path, body, given)
            response = self._connection.getresponse()
            text = response.read(_LONGEST_TEXT).decode("utf-8", "replace")
            if response.read(1):  # no error is that long, and the rest would be in the way
                response.close()
                self._connection.close()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            message = f"{self._name}: {error or type(error).__name__}"
            raise SinkError(message) from error
        answer = Answer(response.status, text.strip())
        page = "html" in (response.getheader("Content-Type") or "")  # a proxy's, not a store's
        if answer.good or (answer.status in _OF_RECORDS and not page):
            return answer
        raise self._refusal(answer, {name.lower(): one for name, one in response.getheaders()})

    def _refusal(self, answer: Answer, headers: dict[str, str]) -> ConfigurationError | SinkError:
        """What an answer means that is not about the records."""
        said = f"{answer.status} {answer.text}".strip()
        if answer.status in _PASSES or answer.status >= 500:
            return BusyError(f"{self._name}: {said}", asked_wait(headers))
        if answer.status in _DENIED:
            message = f"{self._name} refuses the login ({said}); {self._remedy}"
        elif "location" in headers:
            message = f"{self._name}: {said}: it is at {headers['location']}; give that address"
        else:
            message = f"{self._name}: {said}; {self._needs}"
        return ConfigurationError(message) if self.first else SinkError(message)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def opened(post: Post, call: Callable[[], Answer]) -> None:
    """The first call of a connection, which is closed if it fails. Raises what the call does."""
    try:
        call()
    except BaseException:
        post.close()
        raise
    post.first = False
