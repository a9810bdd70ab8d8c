"""Options that hold secrets, by name, and values without what may be secret, for messages.

In: the place of a value in a configuration, or the value. Out: what a message may show of it. A
file or a variable that holds a secret counts as one: the secret itself is often put there.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["holds_secret", "open_part", "shown", "without_credentials"]

_NAMES = (
    "password passwd passphrase pass secret token tokens community credential credentials "
    "authorization auth headers cookie private_key routing_key command_key api_key access_key "
    "key_password key_file key_pem url_file address security"
)
_SECRET = re.compile(
    r"(?:^|[^a-z0-9])(?:" + "|".join(word.replace("_", "[-_.]?") for word in _NAMES.split()) + r")"
    r"(?:[-_.](?:file|env))?$",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"://[^\s'\"]*@")
_QUERY = re.compile(r"(?<=[?&])([^=&\s]+)=([^&#\s'\"]*)")
_BELOW_HOST = re.compile(r"(://[^/\s'\"?#]+)[/?#][^\s'\"]+")
_LONGEST = 80
_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text",
          list: "a list", tuple: "a list"}  # fmt: skip


def holds_secret(name: object) -> bool:
    """Whether the value of an option of this name may be secret.

    >>> [holds_secret(name) for name in ("tokens", "sasl.password", "token_file", "x-api-key", 0)]
    [True, True, True, True, False]
    >>> holds_secret("key"), holds_secret("monkey"), holds_secret("address_family")
    (False, False, False)
    """
    return isinstance(name, str) and _SECRET.search(name) is not None


def shown(place: Iterable[object], value: object) -> str:
    r"""A value for a message; of one that may be secret only its kind.

    Args:
        place: names and numbers of the options from the outermost on.
        value: what stands there.

    >>> shown(("port",), "http"), shown(("auth", "token"), 12345678)
    ("'http'", 'a number, not shown as it may be secret')
    >>> shown(("broker",), {"host": "a", "password": "hunter2"})
    '"{\'host\': \'a\', \'password\': \'...\'}"'
    """
    if value is None:
        return "empty"
    if any(map(holds_secret, place)):
        return f"{_KINDS.get(type(value), 'a mapping')}, not shown as it may be secret"
    return repr(_BELOW_HOST.sub(r"\1/...", without_credentials(str(open_part(value))))[:_LONGEST])


def open_part(value: Any) -> Any:
    """A value with `...` in place of all that may be secret, at any depth."""
    if isinstance(value, Mapping):
        return {
            key: "..." if holds_secret(key) else open_part(below) for key, below in value.items()
        }
    if isinstance(value, list | tuple):
        return [open_part(below) for below in value]
    return value


def without_credentials(text: str) -> str:
    """A text in whose URLs no user, password or parameter that may be secret is left.

    >>> without_credentials("redis://u:p@h/0?token=x&db=1")
    'redis://...@h/0?token=...&db=1'
    """
    return _QUERY.sub(
        lambda found: f"{found[1]}=..." if holds_secret(found[1]) else found[0],
        _CREDENTIALS.sub("://...@", text),
    )
