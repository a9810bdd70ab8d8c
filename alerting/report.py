"""The account of alerting in words: of each route what came and what became of it."""

from collections.abc import Iterable, Mapping

from padit.alerting.state import State

__all__ = ["account", "in_vain", "residues"]

_PREFIX = "message "


def account(counts: Mapping[str, Mapping[str, int]]) -> str:
    """One line for each route: transitions by reason, then messages by state.

    >>> print(account({"all": {"handed": 2, "grouped": 1, "message delivered": 2}}))
    all: 3 transitions = 2 handed + 1 grouped; 2 messages = 2 delivered
    """
    lines = []
    for route, found in sorted(counts.items()):
        reasons = {key: value for key, value in found.items() if not key.startswith(_PREFIX)}
        states = {key[len(_PREFIX) :]: value for key, value in found.items() if key not in reasons}
        name = route or "no route"
        line = f"{name}: {sum(reasons.values())} transitions = {_sum(reasons)}"
        if states:
            line += f"; {sum(states.values())} messages = {_sum(states)}"
        lines.append(line)
    return "\n".join(lines) or "no transition came"


def in_vain(refused: Iterable[tuple[str, int, str]], commands: Mapping[str, int]) -> str:
    """Lines on what was refused, by place, and on commands that met nothing; empty: all counted.

    >>> print(in_vain([("c.jsonl", 2, "no command")], {"applied": 3, "no_match": 1}))
    c.jsonl: 2 records refused (table `refused`), one as: no command
    commands in vain: 1 no_match
    """
    lines = [f"{place}: {count} record{'s' if count > 1 else ''} refused (table `refused`), "
             f"one as: {reason}" for place, count, reason in refused]  # fmt: skip
    nothing = {name: count for name, count in commands.items() if name.startswith("no_")}
    if nothing:
        lines.append(f"commands in vain: {_sum(nothing)}")
    return "\n".join(lines)


def _sum(parts: Mapping[str, int]) -> str:
    ordered = sorted(parts.items(), key=lambda one: (-one[1], one[0]))
    return " + ".join(f"{count} {name}" for name, count in ordered) or "0"


def residues(state: State, routes: Iterable[str]) -> dict[str, int]:
    """Of each route, transitions without an outcome that nothing holds back: always 0.

    A transition is decided, counted as not matched, or pending in an incident.
    """
    held: dict[str, int] = {}
    for incident in state.incidents.values():
        for name, told in incident.told.items():
            held[name] = held.get(name, 0) + len(told.pending)
    return {
        name: state.transitions - sum(state.counts.get(name, {}).values()) - held.get(name, 0)
        for name in routes
    }
