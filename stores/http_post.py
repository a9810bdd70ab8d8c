"""Posts to a store over HTTP: one kept connection, time-outs, and what an answer means."""

import http.client
import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple

from padit.domain.errors import ConfigurationError, SinkError

__all__ = ["Answer", "Post", "opened"]

_LONGEST_TEXT = 2000
_DENIED = (401, 403)


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

    Attributes:
        first: whether no login was ever accepted, so that a refusal is a mistake of the settings;
            later it may be a change of the password that has not come here yet.
    """

    first = True

    def __init__(
        self, name: str, host: str, timeout: float, *, tls: bool, headers: Mapping[str, str],
        remedy: str,
    ) -> None:  # fmt: skip
        self._name, self._headers, self._remedy = name, dict(headers), remedy
        self._connection: http.client.HTTPConnection
        if tls:
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(host, timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, timeout=timeout)

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Call; the answer, whatever it is, unless waiting can help.

        Raises:
            ConfigurationError: the credentials are refused, and always were.
            SinkError: nobody answers, the store is busy, or refuses them now.
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
        if answer.status in _DENIED:
            message = f"{self._name} refuses the login ({answer.status} {text}); {self._remedy}"
            raise ConfigurationError(message) if self.first else SinkError(message)
        if answer.status == 429 or answer.status >= 500:
            message = f"{self._name}: {answer.status} {answer.text}"
            raise SinkError(message)
        return answer

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def opened(post: Post, call: Callable[[], Answer]) -> Answer:
    """The first call of a connection, which is closed if it fails. Raises what the call does."""
    try:
        return call()
    except BaseException:
        post.close()
        raise
