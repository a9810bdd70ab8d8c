"""Why a Kafka client cannot connect, from the errors that it reports to a callback."""

from confluent_kafka import KafkaError

__all__ = ["ClientErrors"]

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
    """

    def __init__(self) -> None:
        self.text = ""
        self.hopeless = False

    def note(self, error: KafkaError) -> None:
        """Keep the error; "all brokers down" replaces no earlier one."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self.text:
            self.text = error.str()
        self.hopeless |= error.fatal() or error.code() in _HOPELESS
