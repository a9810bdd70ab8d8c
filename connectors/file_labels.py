"""Columns of labels: read from the rows of a table, and no longer among what is left of a file."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.arrow_labels import RowLabels, attribute_column, labels_of
from padit.codecs.contract import NOTHING_LEFT_OUT, LeftOut
from padit.connectors.file_plan import Plan, Wide
from padit.domain.attributes import AttributeColumn
from padit.domain.findings import Findings, Guess

__all__ = ["attributes_of_cells", "labels_of_rows", "with_labels"]


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


def labels_of_rows(plan: Plan, table: pa.Table) -> RowLabels | None:
    """Labels of the rows of a table; None where the file has no column of any."""
    if not plan.labels.needed:
        return None
    return labels_of(table, plan.labels.columns, plan.labels.keys)


def attributes_of_cells(
    plan: Plan, table: pa.Table, row: NDArray[np.int64], series: tuple[NDArray[np.int32], int]
) -> tuple[AttributeColumn | None, LeftOut]:
    """Attributes of cells of a wide table, and labels that are left out.

    Args:
        plan: which column is what.
        table: rows.
        row: int64 (n,), the row of each cell.
        series: int32 (n,), the series of each cell, and how many series there are.
    """
    labels = labels_of_rows(plan, table)
    if labels is None:
        return None, NOTHING_LEFT_OUT
    labels = labels.take(row)
    left_out = labels.left_out(np.ones(len(row), bool))
    return attribute_column(None, labels, series), left_out
