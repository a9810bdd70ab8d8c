"""A broker for tests whose only listener asks who comes."""

from dataclasses import replace

from padit.devcluster.broker import Broker
from padit.devcluster.ports import port_answers
from padit.devcluster.processes import Part

__all__ = ["guarded_broker"]


def guarded_broker(broker: Broker, protocol: str, settings: str) -> Broker:
    """A prepared broker with another listener, not started yet.

    Args:
        broker: of `prepare_broker`.
        protocol: of the listener, as `SASL_SSL`.
        settings: lines of `server.properties` about it.
    """
    config = broker.directory / "server.properties"
    kept = [
        line.replace("PLAINTEXT://127", f"{protocol}://127", 1)
        for line in config.read_text().splitlines()
        if not line.startswith(("listener.security", "inter.broker"))
    ]
    config.write_text("\n".join(kept) + settings)
    port = int(broker.bootstrap.rpartition(":")[2])
    command, log = broker.part.command, broker.part.log
    part = Part("guarded broker", command, log=log, answers=lambda: port_answers(port))
    return replace(broker, part=part)
