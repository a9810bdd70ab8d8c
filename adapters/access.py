"""Who may write to a receiver: its options, tokens, logins and TLS.

Where a token is configured nothing is accepted without it. Tokens are compared in constant time.
"""

import base64
import binascii
import hmac
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, model_validator

from padit.adapters.base import AdapterOptions, Seconds
from padit.adapters.errors import AdapterError

__all__ = [
    "ReceiverOptions",
    "allowed",
    "is_loopback",
    "logged_in",
    "server_tls",
    "tls_context",
    "tokens_of",
]


class ReceiverOptions(AdapterOptions):
    """Options that every receiver has."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=0, ge=0, le=65_535, description="Port; 0 takes a free one.")
    tokens: tuple[str, ...] = Field(
        default=(),
        description="Tokens that may write, as `Authorization: Bearer ...` or `Token ...`.",
    )
    token_file: str = Field(
        default="", description="File with one token per line, beside `tokens`."
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Accept writes without a token on an address other than the loopback.",
    )
    max_body_bytes: int = Field(
        default=10_000_000, ge=1_000, description="Largest body, after decompression."
    )
    max_waiting: int = Field(
        default=32, ge=1, description="Writes that may wait; more are answered with 429."
    )
    max_connections: int = Field(
        default=1_000, ge=1, description="Connections; for one more the oldest idle one is closed."
    )
    body_timeout_sec: Seconds = Field(
        default=30.0, description="Seconds within which a body must have come; else 408."
    )
    retry_after_sec: int = Field(default=5, ge=1, description="What Retry-After says, in seconds.")
    certificate: str = Field(default="", description="PEM file with the certificate, for TLS.")
    private_key: str = Field(default="", description="PEM file with its key.")

    @model_validator(mode="after")
    def _guarded(self) -> "ReceiverOptions":
        if not (self.tokens or self.token_file or self.allow_anonymous or is_loopback(self.host)):
            message = (
                f"host {self.host} can be reached from outside: set `tokens` or `token_file`, "
                "or set `allow_anonymous: true`"
            )
            raise ValueError(message)
        if any(not token.strip() for token in self.tokens):
            message = "an empty token would let everybody write"
            raise ValueError(message)
        return self


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tokens_of(options: ReceiverOptions) -> tuple[bytes, ...]:
    """All tokens. Raises AdapterError if the file cannot be read or is empty."""
    found = [token.strip() for token in options.tokens]
    if options.token_file:
        try:
            text = Path(options.token_file).read_text(encoding="utf-8")
        except OSError as error:
            message = f"token_file cannot be read: {error}"
            raise AdapterError(message, cause="token_file") from error
        # A line ends with a line feed alone: other separators can be part of a token.
        lines = [line.strip(" \t\r\ufeff") for line in text.split("\n")]
        lines = [line for line in lines if line]
        if not lines:
            message = f"token_file {options.token_file} holds no token"
            raise AdapterError(message, cause="token_file")
        found += lines
    return tuple(token.encode() for token in found)


def allowed(tokens: Sequence[bytes], authorization: str) -> bool:
    """Whether an Authorization header carries one of the tokens; compared in constant time."""
    if not tokens:
        return True
    scheme, given = _scheme(authorization)
    return scheme in ("bearer", "token") and _matches(tokens, given)


def _scheme(authorization: str) -> tuple[str, str]:
    scheme, _, given = authorization.strip(" \t").partition(" ")
    return scheme.lower() if scheme.isascii() else "", given.strip(" \t")


def _matches(tokens: Sequence[bytes], given: str) -> bool:
    offered = given.encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(offered, token) for token in tokens]
    return any(matches)


def logged_in(tokens: Sequence[bytes], authorization: str, query: Mapping[str, str]) -> bool:
    """Whether a login of InfluxDB 1 carries one of the tokens as its password, of any user."""
    scheme, given = _scheme(authorization)
    if scheme == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            return False
    elif scheme != "token":
        given = f"{query.get('u', '')}:{query.get('p', '')}"
    _, colon, password = given.partition(":")
    return bool(colon) and _matches(tokens, password)


def tls_context(options: ReceiverOptions) -> ssl.SSLContext | None:
    """TLS as the options say, None without. Raises AdapterError if a file cannot be used."""
    return server_tls(options.certificate, options.private_key) if options.certificate else None


def server_tls(certificate: str, private_key: str = "", client_ca: str = "") -> ssl.SSLContext:
    """TLS of a server. Raises AdapterError if a file cannot be used.

    Args:
        certificate: PEM file.
        private_key: PEM file; "" if the certificate's file has it.
        client_ca: PEM file of the authorities that clients' certificates must be from; "": none
            is asked for.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, private_key or None)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(one for one in (certificate, private_key, client_ca) if one)
        message = f"certificate {files} cannot be used: {error}"
        raise AdapterError(message, cause="certificate") from error
    return context
