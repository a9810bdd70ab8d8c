"""What an adapter knows of what its source hangs on, for the label `depends_on` of alerts.

A sample's metadata may have the key `depends_on`: the source on which its own depends, such as the
gateway in front of a unit, the edge node of a device, the node of a pod, the service that a client
calls. The job makes a label of it (`labels: [depends_on]`), and alerting an edge. It is stated only
where the protocol says so; a name that stands for this machine wherever it is read names nothing.
"""

from collections.abc import Iterable, Mapping

__all__ = ["DEPENDS_ON", "depending_on", "target_of"]

DEPENDS_ON = "depends_on"
_ANYWHERE = frozenset(
    {"localhost", "localhost.localdomain", "127.0.0.1", "::1", "[::1]", "0.0.0.0", "::",  # noqa: S104
     "unknown", "none", "null", "-"}
)  # fmt: skip
_LONGEST = 256  # of a label


def depending_on(target: str, source: str) -> dict[str, str]:
    """The metadata of samples of a source that depends on another; none if that names nothing.

    >>> depending_on("gateway", "unit-7"), depending_on("localhost", "shop")
    ({'depends_on': 'gateway'}, {})
    """
    usable = target and target != source and len(target) <= _LONGEST
    return {DEPENDS_ON: target} if usable and target.lower() not in _ANYWHERE else {}


def target_of(rules: Iterable[str], labels: Mapping[str, str], source: str) -> dict[str, str]:
    """As `depending_on`, of the first label among `rules` that names something."""
    for rule in rules:
        found = depending_on(labels.get(rule, ""), source)
        if found:
            return found
    return {}
