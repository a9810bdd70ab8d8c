"""Whether an OPC UA subscription still lives: asyncua does not report all that may end one.

A server may drop a subscription and keep the session and the connection: after a time without
room, on a restart of a part of it, by an administrator. It then refuses the next request to
publish, or no longer answers any. asyncua ends its loop on the one without a word and waits for
ever on the other. Therefore keep-alives are asked for often, and both are looked at.
"""

import time
from typing import Any

from asyncua import Client, ua

__all__ = ["KEEP_ALIVE_SEC", "Session", "Watch"]

KEEP_ALIVE_SEC = 5.0
"""After so long without a change the server sends an empty answer, or after one interval."""


class Session(Client):  # type: ignore[misc]  # asyncua has no types
    """A client that asks for frequent keep-alives and remembers what the server grants.

    Attributes:
        silence_sec: the longest time that the server is silent while a subscription lives.
    """

    silence_sec = 0.0

    def get_keepalive_count(self, period: float) -> int:
        """Intervals of `period` milliseconds until a keep-alive."""
        return max(1, round(1e3 * KEEP_ALIVE_SEC / period)) if period else 1

    def get_subscription_revised_params(
        self, params: ua.CreateSubscriptionParameters, results: ua.CreateSubscriptionResult
    ) -> ua.ModifySubscriptionParameters | None:
        """Take what the server grants as it is; asyncua would ask for something else again."""
        params.RequestedPublishingInterval = results.RevisedPublishingInterval
        params.RequestedMaxKeepAliveCount = results.RevisedMaxKeepAliveCount
        count = max(1, int(results.RevisedMaxKeepAliveCount))
        self.silence_sec = count * results.RevisedPublishingInterval / 1e3
        return None


class Watch:
    """Looks whether one subscription lives.

    Args:
        session: whose subscription it is.
        subscription: of asyncua, just made.
        patience_sec: by how much an answer may be late.
    """

    def __init__(self, session: Session, subscription: Any, patience_sec: float) -> None:
        self._session, self._subscription = session, subscription
        self._id = subscription.subscription_id
        self._begin = time.monotonic()
        self._most_sec = 2 * session.silence_sec + patience_sec

    def trouble(self) -> str:
        """Why the subscription is gone, "" while it lives."""
        # The attribute is asyncua's own; if it is renamed, the silence below is still noticed.
        publishing = getattr(self._session.uaclient.session, "_publish_task", None)
        if publishing is not None and publishing.done():
            return "the subscription is gone: the server knows none"
        if self._subscription.subscription_id != self._id:
            return "the subscription is gone: it was silent and made again"
        latest = self._subscription.last_publish_at or self._begin
        silent = time.monotonic() - latest
        if silent > self._most_sec:
            return f"the subscription is gone: the server has sent nothing for {silent:.0f} s"
        return ""
