"""What a store holds of inputs that changed nothing: refused bytes, and results of commands."""

from padit.alerting.store.base import Reads

__all__ = ["command_results", "refused_by_place"]


def refused_by_place(store: Reads) -> list[tuple[str, int, str]]:
    """Places of what is no entry, how much of each, and a reason."""
    rows = store.execute(
        "SELECT place, count(*), min(reason) FROM refused GROUP BY place ORDER BY place"
    )
    return [(place, count, reason) for place, count, reason in rows]


def command_results(store: Reads) -> dict[str, int]:
    """How many commands had each result."""
    rows = store.execute("SELECT result, count(*) FROM command_result GROUP BY result")
    return dict(rows.fetchall())
