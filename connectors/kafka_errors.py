"""Why a Kafka client cannot connect, from the errors that it reports to a callback.

librdkafka writes a line for each attempt, some twenty a second, beside what it reports. So clients
of processes that go on are `QUIET`, and say themselves when a broker is away and when it is back.
"""

from typing import Any, Final

from confluent_kafka import KafkaError

__all__ = ["QUIET", "ClientErrors"]

QUIET: Final[dict[str, Any]] = {"log_level": 0}
"""Settings of a client whose owner says what its errors mean."""

_HOPELESS = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._SSL,
)


class ClientErrors:
    """The latest reason a client gave; `note` is its `error_cb`.

    Attributes:
        text: the reason, empty while there is none.
        hopeless: whether waiting cannot help (a wrong password, an untrusted certificate).
        down: whether no broker could be reached since `answered`.
    """

    def __init__(self) -> None:
        self.text = ""
        self.hopeless = False
        self.down = False

    def note(self, error: KafkaError) -> None:
        """Keep the error; "all brokers down" replaces no earlier one."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self.text:
            self.text = error.str()
        self.hopeless |= error.fatal() or error.code() in _HOPELESS
        self.down |= error.code() == KafkaError._ALL_BROKERS_DOWN

    def answered(self) -> None:
        """A broker has answered; what was before counts no longer."""
        self.text, self.down = "", False
