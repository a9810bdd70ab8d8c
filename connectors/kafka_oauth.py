"""Tokens for SASL/OAUTHBEARER, from librdkafka's settings, for the part that fetches records.

Two ways to a token are carried over: `sasl.oauthbearer.method=oidc` with client credentials (RFC
6749, section 4.4; the way to identity providers), and librdkafka's own unsecured tokens (RFC 7515,
appendix A.5), which only brokers for tests accept. A token is used until four fifths of its time
are over, and kafka-python asks again when a broker wants the login renewed.
"""

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

from padit.domain.errors import ConfigurationError

__all__ = ["OAUTH_NAMES", "Tokens", "token_provider"]

OAUTH_NAMES = frozenset(
    {
        "enable.sasl.oauthbearer.unsecure.jwt", "sasl.oauthbearer.config",
        "sasl.oauthbearer.method", "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.scope",
        "sasl.oauthbearer.extensions", "sasl.oauthbearer.token.endpoint.url",
        "sasl.oauthbearer.grant.type", "https.ca.location", "https.ca.pem",
    }
)  # fmt: skip
_SECONDS = 10.0
_LARGEST = 64 << 10  # bytes of an answer
_SHARE = 0.8  # of its time after which a token is asked for again
_LIFE = 3600  # seconds, as librdkafka's default
_PREFIX = "sasl.oauthbearer."

_Fetched = tuple[str, float]
"""A token, and how many seconds it lasts."""


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Gives a token that is valid, made or asked for when it is needed.

    Args:
        fetch: makes a token.
        extensions: names and values that go with the login.
    """

    def __init__(self, fetch: Callable[[], _Fetched], extensions: Mapping[str, str]) -> None:
        super().__init__()
        self._fetch = fetch
        self._extensions = dict(extensions)
        self._kept = ""
        self._until = 0.0

    def token(self) -> str:
        """A valid token.

        Raises:
            SaslAuthenticationFailedError: there is none; the caller tries again.
        """
        now = time.monotonic()
        if now >= self._until:
            self._kept, seconds = self._fetch()
            self._until = now + _SHARE * seconds
        return self._kept

    def extensions(self) -> dict[str, str]:
        """Names and values that go with the login."""
        return self._extensions

    def __repr__(self) -> str:
        return "<tokens>"


def token_provider(given: Mapping[str, str], place: str) -> Tokens:
    """What gives tokens by these settings.

    Args:
        given: names and values of librdkafka.
        place: where they stand, for messages; values are not shown, because they may be secrets.

    Raises:
        ConfigurationError: they say of no way to a token, or of one that is not carried over.
    """
    method = given.get(f"{_PREFIX}method", "default").lower()
    if method == "oidc":
        return _oidc(given, place)
    if method != "default":
        message = f"{place}: {_PREFIX}method is neither default nor oidc"
        raise ConfigurationError(message)
    if given.get("enable.sasl.oauthbearer.unsecure.jwt", "false").lower() not in ("true", "t", "1"):
        message = (
            f"{place}: OAUTHBEARER needs {_PREFIX}method=oidc with {_PREFIX}token.endpoint.url, "
            f"{_PREFIX}client.id and {_PREFIX}client.secret; for a broker that is only tried out, "
            f"enable.sasl.oauthbearer.unsecure.jwt=true with {_PREFIX}config=principal=NAME"
        )
        raise ConfigurationError(message)
    return _unsecured(given.get(f"{_PREFIX}config", ""), place)


def _unsecured(text: str, place: str) -> Tokens:
    """Tokens that nobody signs, as librdkafka makes them of `sasl.oauthbearer.config`."""
    settings = _pairs(text, None, f"{place}: {_PREFIX}config")
    extensions = {
        name.removeprefix("extension_"): settings.pop(name)
        for name in list(settings)
        if name.startswith("extension_")
    }
    principal, scope = settings.pop("principal", ""), settings.pop("scope", "")
    of_principal = settings.pop("principalClaimName", "sub")
    of_scope = settings.pop("scopeClaimName", "scope")
    life = settings.pop("lifeSeconds", str(_LIFE))
    if settings or not principal or not life.isdecimal() or int(life) < 1:
        message = (
            f"{place}: {_PREFIX}config is written principal=NAME, with principalClaimName, scope, "
            "scopeClaimName, lifeSeconds and extension_NAME beside it if they are needed"
        )
        raise ConfigurationError(message)

    def make() -> _Fetched:
        now = time.time()
        claims: dict[str, Any] = {of_principal: principal, "iat": now, "exp": now + int(life)}
        if scope:
            claims[of_scope] = scope.split(",")
        return f"{_part({'alg': 'none'})}.{_part(claims)}.", float(life)

    return Tokens(make, extensions)


def _part(content: Mapping[str, Any]) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _oidc(given: Mapping[str, str], place: str) -> Tokens:
    """Tokens of an identity provider, for client credentials."""
    if given.get(f"{_PREFIX}grant.type", "client_credentials") != "client_credentials":
        message = f"{place}: {_PREFIX}grant.type may only be client_credentials"
        raise ConfigurationError(message)
    url = given.get(f"{_PREFIX}token.endpoint.url", "")
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        message = f"{place}: {_PREFIX}token.endpoint.url is no address of http or https"
        raise ConfigurationError(message)
    found = []
    for name in ("client.id", "client.secret"):
        value = given.get(_PREFIX + name) or given.get(f"{_PREFIX}client.credentials.{name}")
        if not value:
            message = f"{place}: OAUTHBEARER with the method oidc needs {_PREFIX}{name}"
            raise ConfigurationError(message)
        found.append(value)
    login = base64.b64encode(":".join(found).encode()).decode()
    form = {"grant_type": "client_credentials"}
    if given.get(f"{_PREFIX}scope"):
        form["scope"] = given[f"{_PREFIX}scope"]
    request = urllib.request.Request(  # noqa: S310  # the scheme is looked at above
        url,
        urllib.parse.urlencode(form).encode(),
        {"Authorization": f"Basic {login}", "Accept": "application/json"},
    )
    context = _trusted(given, place)
    extensions = _pairs(given.get(f"{_PREFIX}extensions", ""), ",", f"{place}: {_PREFIX}extensions")
    return Tokens(lambda: _asked(request, context), extensions)


def _trusted(given: Mapping[str, str], place: str) -> ssl.SSLContext:
    """Whose certificates an identity provider may show."""
    pem, location = given.get("https.ca.pem"), given.get("https.ca.location")
    try:
        if pem:
            return ssl.create_default_context(cadata=pem.replace("\\n", "\n"))
        return ssl.create_default_context(cafile=None if location in (None, "probe") else location)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        name = "https.ca.pem" if pem else "https.ca.location"
        message = f"{place}: {name} cannot be used: {reason}"
        raise ConfigurationError(message) from error


def _asked(request: urllib.request.Request, context: ssl.SSLContext) -> _Fetched:
    """Ask for a token."""
    try:
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=_SECONDS, context=context
        ) as answer:
            content = json.loads(answer.read(_LARGEST))
        token, seconds = content["access_token"], float(content.get("expires_in", 60))
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise TypeError
    except urllib.error.HTTPError as error:
        reason = f"it answers {error.code}"
        error.close()
    except (OSError, urllib.error.URLError) as error:
        reason = f"{getattr(error, 'reason', error)}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        reason = "its answer holds no access_token"
    else:
        return token, max(seconds, 1.0)
    message = f"no token from {request.host}: {reason}"
    raise SaslAuthenticationFailedError(message)


def _pairs(text: str, between: str | None, name: str) -> dict[str, str]:
    """name=value, name=value."""
    found = {}
    for one in filter(None, (part.strip() for part in text.split(between))):
        key, equals, value = one.partition("=")
        if not equals or not key or not (key + value).isascii() or not (key + value).isprintable():
            message = f"{name} is not written name=value"
            raise ConfigurationError(message)
        found[key] = value
    return found
