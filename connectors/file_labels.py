"""What columns of labels change in what is found of a file."""

from collections.abc import Sequence

from padit.connectors.file_plan import Plan, Wide
from padit.domain.findings import Findings, Guess

__all__ = ["with_labels"]


def with_labels(findings: Findings, plan: Plan, names: Sequence[str]) -> Findings:
    """Findings without columns that are labels, and with labels that cannot be any.

    Args:
        findings: of a file whose labels are not known.
        plan: which column is what, labels too.
        names: labels of the configuration.
    """
    read = {f"column {name!r}" for name in plan.labels.needed}
    metrics = plan.body.columns if isinstance(plan.body, Wide) else ()
    guesses = [
        Guess("", f"column {name!r} holds numbers: it is a metric, and no label", f"ignore={name}")
        for name in names
        if name in metrics
    ]
    left = [one for one in findings.unwatched if one.what not in read]
    return Findings([*findings.guesses, *guesses], left)
