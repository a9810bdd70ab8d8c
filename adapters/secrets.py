"""Secrets stand in files or in the environment; a configuration says where."""

import os
from pathlib import Path

from padit.adapters.errors import AdapterError

__all__ = ["secret"]


def secret(path: str, variable: str = "") -> str:
    """The text of a secret, without white space around it.

    Args:
        path: of a file that holds it.
        variable: of the environment that holds it, instead.

    Raises:
        AdapterError: it cannot be read, or is empty; the message names the place and never shows
            the secret.
    """
    found = _in_environment(variable) if variable else _in_file(path)
    if not found:
        message = f"{variable or path} is empty: it should hold a password or token"
        raise AdapterError(message, cause="secret")
    return found


def _in_environment(variable: str) -> str:
    found = os.environ.get(variable)
    if found is None:
        message = f"the environment variable {variable} is not set"
        raise AdapterError(message, cause="secret")
    return found.strip()


def _in_file(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        message = f"{path} cannot be read: {reason}"
        raise AdapterError(message, cause="secret") from None
