"""Signatures of commands: who may command, where not everybody who can write to the topic may.

The signature is `sha256=` and the HMAC of the command's JSON without `signature`, with sorted keys
and no spaces.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from padit.domain.errors import WireFormatError

__all__ = ["check", "sign"]

_PREFIX = "sha256="


def sign(command: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """A command with its signature.

    >>> sign({"id": "c-1"}, b"key")["signature"][:13]
    'sha256=6dcc8e'
    """
    return {**command, "signature": _signature(command, key)}


def check(data: bytes, key: bytes) -> None:
    """Refuse a command whose signature was not made with the key.

    Raises:
        WireFormatError: the signature is missing or wrong.
    """
    try:
        command = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"it is no command: {error}"
        raise WireFormatError(message) from error
    given = command.get("signature", "")
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode(), _signature(command, key).encode()
    ):
        message = "its signature is wrong" if given else "it has no signature"
        raise WireFormatError(message)


def _signature(command: Mapping[str, Any], key: bytes) -> str:
    signed = {name: value for name, value in command.items() if name != "signature"}
    body = msgspec.json.encode(signed, order="deterministic")
    return _PREFIX + hmac.new(key, body, hashlib.sha256).hexdigest()
