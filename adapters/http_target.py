"""One URL that is probed: what is sent, with which credentials, and what must come back.

No I/O but reading secrets from their files.
"""

import base64
import re
from collections.abc import Iterable
from typing import Literal

import httpx
from pydantic import Field, field_validator, model_validator

from padit.adapters.base import Options
from padit.adapters.errors import AdapterError
from padit.adapters.secrets import secret

__all__ = [
    "Auth",
    "Target",
    "authorization",
    "http_url",
    "keep_headers_at_home",
    "shown_url",
    "source_of",
    "text_of",
]

_STATUS = re.compile(r"([1-5])xx|([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", re.IGNORECASE)
_DECLARED = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE
)
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# Encodings of Python's that no page has, and that are slow or not total.
_NO_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape"}
# Headers that hold no secret: a host to which we are redirected may see them. The `Host` among
# them is already the new one: httpx sets it at each redirect.
_OPEN = frozenset(("host", "user-agent", "accept", "accept-encoding", "content-type"))
_SECRET = re.compile(r"[\x21-\x7e][\x20-\x7e]*")


class Auth(Options):
    """Credentials; the secrets are in a file or in the environment, never in the configuration."""

    username: str = Field(default="", description="User name, for Basic.")
    password_file: str = Field(default="", description="File with the password; read every time.")
    password_env: str = Field(
        default="", description="Environment variable with the password.", examples=["SHOP_PASS"]
    )
    bearer_token_file: str = Field(
        default="", description="File with a token, for Bearer; read every time."
    )
    bearer_token_env: str = Field(default="", description="Environment variable with a token.")

    @model_validator(mode="after")
    def _one_way(self) -> "Auth":
        passwords = [self.password_file, self.password_env]
        tokens = [self.bearer_token_file, self.bearer_token_env]
        basic = bool(self.username)
        if sum(map(bool, passwords)) != basic or sum(map(bool, tokens)) != (not basic):
            message = (
                "give `username` with `password_file` or `password_env`, or else "
                "`bearer_token_file` or `bearer_token_env`"
            )
            raise ValueError(message)
        return self


class Target(Options):
    """One URL with expectations of its own."""

    url: str = Field(description="What to ask for.", examples=["https://example.org/health"])
    source_id: str = Field(
        default="", description="Source of the samples; by default host, port and path."
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field(
        default="GET", description="Method of the request."
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers of the request; a redirect to another host does not get them.",
    )
    body: str = Field(default="", description="Body of the request.")
    auth: Auth | None = Field(default=None, description="Credentials, by default none.")
    follow_redirects: bool | None = Field(
        default=None, description="Follow redirects; by default as the adapter does."
    )
    status: tuple[int | str, ...] = Field(
        default=("200-399",),
        description="Expected status: codes, classes such as `2xx`, ranges such as `200-204`.",
        examples=[["2xx", 401]],
    )
    contains: str = Field(default="", description="Text that the body must contain.")
    matches: str = Field(
        default="",
        description="Regular expression that the body must match, within `pattern_timeout_sec`.",
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        url = http_url(value)
        if url.userinfo:
            message = (
                f"{shown_url(url)}: credentials in a URL end up in logs and process lists; give "
                "`auth: {username: ..., password_file: ...}` in `targets`"
            )
            raise ValueError(message)
        return value

    @field_validator("status")
    @classmethod
    def _is_status(cls, value: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for one in value:
            found = _STATUS.fullmatch(str(one).strip())
            if found is None or (found[3] is not None and found[3] < found[2]):
                message = f"{one!r} is no status: write 200, 2xx or 200-204"
                raise ValueError(message)
        return value

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            message = f"{value!r} is no regular expression: {error}"
            raise ValueError(message) from error
        return value

    def expects(self, status: int) -> bool:
        """Whether a status is an expected one."""
        for one in self.status or ("200-399",):
            found = _STATUS.fullmatch(str(one).strip())
            if found is None:
                continue
            if found[1] is not None:
                first, last = int(found[1]) * 100, int(found[1]) * 100 + 99
            else:
                first, last = int(found[2]), int(found[3] or found[2])
            if first <= status <= last:
                return True
        return False


def source_of(target: Target) -> str:
    """The source of a target's samples: its `source_id`, or host, port and path."""
    if target.source_id:
        return target.source_id
    url = httpx.URL(target.url)
    port = f":{url.port}" if url.port else ""
    return f"{url.host}{port}{url.path if url.path != '/' else ''}"


def http_url(text: str) -> httpx.URL:
    """A URL to be fetched. Raises ValueError for another scheme, or without a host."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:  # its message may hold a piece of a password
        message = "it is no URL: a host, a port or a character is wrong"
        raise ValueError(message) from None
    if url.scheme not in ("http", "https") or not url.host:
        message = f"{shown_url(url)!r} is no http:// or https:// URL"
        raise ValueError(message)
    return url


def shown_url(url: httpx.URL) -> str:
    """A URL without what may be secret: user, password, query and fragment.

    >>> shown_url(httpx.URL("https://u:p@example.org:8443/a?token=x#y"))
    'https://example.org:8443/a'
    """
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.host}{port}{url.path}"[:300]


def authorization(auth: Auth) -> str:
    """The value of the header `Authorization`.

    Raises:
        AdapterError: a secret cannot be read, or cannot stand in a header; never shows it.
    """
    if auth.username:
        password = secret(auth.password_file, auth.password_env)
        pair = f"{auth.username}:{password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    token = secret(auth.bearer_token_file, auth.bearer_token_env)
    if _SECRET.fullmatch(token) is None:
        place = auth.bearer_token_file or auth.bearer_token_env
        message = f"{place} holds no token: it is empty, or not of one line of ASCII"
        raise AdapterError(message, cause="secret")
    return f"Bearer {token}"


def keep_headers_at_home(request: httpx.Request, before: httpx.URL, own: Iterable[str]) -> None:
    """Take the headers of the configuration from a request that goes to another origin.

    Args:
        request: that an answer redirects to; httpx has taken `Authorization` away where it must.
        before: the URL that answered.
        own: names of the headers that the configuration sets; what they hold may be secret.
    """
    url = request.url
    if (url.host, url.scheme, url.port) == (before.host, before.scheme, before.port):
        return
    for name in own:
        if name.lower() not in _OPEN:
            request.headers.pop(name, None)
    if not (url.host == before.host and url.scheme == "https"):
        request.headers.pop("authorization", None)


def text_of(body: bytes, content_type: str) -> str:
    """A body as text: by its byte order mark, its header, its own declaration, else as UTF-8.

    >>> text_of("Grüße".encode("latin-1"), "text/html; charset=ISO-8859-1")
    'Grüße'
    """
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body.decode(charset, "replace").removeprefix("\ufeff")
    said = httpx.Headers({"content-type": content_type or "text/plain"})
    named = httpx.Response(200, headers=said).charset_encoding
    if not named and (found := _DECLARED.search(body[:1024])) is not None:
        named = found[1].decode("ascii", "replace")
    charset = (named or "utf-8").lower().replace("-", "_")
    try:
        return body.decode("utf-8" if charset in _NO_CHARSETS else charset, "replace")
    except (LookupError, ValueError):  # also an encoding of Python's that is none of text
        return body.decode("utf-8", "replace")
