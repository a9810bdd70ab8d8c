"""Whether topics keep their records for as long as what reads them may be away."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

__all__ = ["retention_of", "too_short"]

_LOG = logging.getLogger(__name__)
_ASK_SECONDS = 10.0
_EVER = float("inf")


def retention_of(settings: Mapping[str, Any], topics: Sequence[str]) -> dict[str, float]:
    """Seconds for which each topic keeps its records.

    Args:
        settings: of librdkafka.
        topics: their names.

    Returns:
        By topic; infinite where it keeps all, 0 where a size decides. A topic whose settings the
        broker does not show is left out, and logged.
    """
    admin = AdminClient({"log_level": 2, **settings})
    asked = [ConfigResource(ResourceType.TOPIC, one) for one in topics]
    found = {}
    for resource, answer in admin.describe_configs(asked).items():
        try:
            entries: Mapping[str, Any] = answer.result(timeout=_ASK_SECONDS)
        except KafkaException as error:
            _LOG.warning(
                "how long topic %s keeps its records is not known: %s",
                resource.name, error.args[0].str(),
            )  # fmt: skip
            continue
        kept = int(entries["retention.ms"].value)
        sized = int(entries["retention.bytes"].value) >= 0
        deleted = "delete" in entries["cleanup.policy"].value
        found[resource.name] = 0.0 if sized else kept / 1000 if deleted and kept >= 0 else _EVER
    return found


def too_short(found: Mapping[str, float], survive: float, what: str) -> Iterator[str]:
    """A line for each topic that forgets sooner than `what` may be away.

    Args:
        found: of `retention_of`.
        survive: seconds.
        what: reads them, as "the store".
    """
    for name, seconds in sorted(found.items()):
        if seconds < survive:
            kept = f"{seconds:g} s" if seconds else "a number of bytes, whatever their age,"
            yield (
                f"topic {name} keeps {kept} and {what} is to survive {survive:g} s away "
                "(--survive_sec): raise retention.ms, or what is deleted meanwhile is lost"
            )
