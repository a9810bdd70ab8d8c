"""How long a broker may hold back its answer to a client that follows a topic."""

from typing import Any, Final

__all__ = ["PROMPT"]

PROMPT: Final[dict[str, Any]] = {"fetch.wait.max.ms": 50}
"""Settings of each consumer.

A broker holds a fetch back until there is something to read, and answers at once when a record is
written. Not always when the transaction is committed that makes it readable: then the fetch lasts
its whole time, which is 500 ms where nothing else is said.
"""
