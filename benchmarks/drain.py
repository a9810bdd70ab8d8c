"""How fast a bare, tuned confluent-kafka consumer empties a topic: the upper bound of any job.

It takes records 10,000 at a time and looks at nothing in them. The settings are the fastest
found for this topic; the job's own, in `connectors.kafka_source`, also have to keep partitions
in step.
"""

import argparse
import json
import resource
import time

from confluent_kafka import Consumer, TopicPartition

from benchmarks.topics import PARTITIONS

__all__ = ["AT_ONCE", "TUNED", "open_consumer"]

AT_ONCE = 10_000
TUNED = {
    "group.id": "bench",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "fetch.message.max.bytes": 8 << 20,
    "fetch.max.bytes": 64 << 20,
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 1 << 20,
    "fetch.wait.max.ms": 50,
    "check.crcs": False,
    "log_level": 2,
}


def open_consumer(bootstrap: str, topic: str) -> Consumer:
    """Stand at the start of every partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, **TUNED})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    return consumer


def drain(bootstrap: str, topic: str, records: int) -> float:
    """Read so many records; return the seconds from the first poll to the last record."""
    started = time.perf_counter()
    consumer = open_consumer(bootstrap, topic)
    read = 0
    while read < records:
        read += len(consumer.consume(AT_ONCE, 1.0))
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


def main() -> None:
    """Measure once; print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--records", type=int, required=True)
    args = parser.parse_args()
    before = time.process_time()
    seconds = drain(args.bootstrap, args.topic, args.records)
    cpu = time.process_time() - before
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rss_mb": rss}))


if __name__ == "__main__":
    main()
