"""The report of a run: a self-contained page with plots, and a table for a terminal."""

from padit.analysis.report.read import read_alerts, read_features, read_labels, read_rows
from padit.analysis.report.table import alerts_table
from padit.analysis.report.truth import Episode, Features, Match, Truth, match
from padit.analysis.report.write import write_report

__all__ = [
    "Episode",
    "Features",
    "Match",
    "Truth",
    "alerts_table",
    "match",
    "read_alerts",
    "read_features",
    "read_labels",
    "read_rows",
    "write_report",
]
