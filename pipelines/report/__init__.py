"""What a run found, for people: a self-contained page with plots, and a table for a terminal."""

from pipelines.report.read import read_alerts, read_features, read_labels, read_rows
from pipelines.report.table import alerts_table
from pipelines.report.truth import Episode, Features, Match, Truth, match
from pipelines.report.write import write_report

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
