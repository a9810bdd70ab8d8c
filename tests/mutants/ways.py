"""Two ways to try a mutant: with kernels compiled, or as plain Python.

Tests are many times as quick with compiled kernels, and those are kept between runs. What is
within a kernel, or a constant of its file, is tried with the compiler off: nothing is compiled for
a mutant, and the lines of a kernel that a test runs can be measured.
"""

from __future__ import annotations

import argparse
import ast
import functools
import os
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutate import Mutant

__all__ = ["DECLARED", "WAYS", "Way", "is_compiled", "way_named"]

DECLARED = (
    "tests/codecs/test_message_fields.py", "tests/codecs/test_published_messages.py",
    "tests/detectors/test_docs.py", "tests/detectors/test_state_slots.py",
    "tests/laws/test_declared.py", "tests/transforms/test_saved_bytes.py",
)  # fmt: skip
"""Files of tests that look at what modules declare, without running a line of them."""


@dataclass(frozen=True)
class Way:
    """How tests run.

    Attributes:
        name: in options and reports.
        compiled: whether kernels are.
        tests: files and folders, without a broker or a device.
    """

    name: str
    compiled: bool
    tests: tuple[str, ...]

    def environment(self, directory: Path) -> dict[str, str]:
        """Variables of the processes; what a mutant has compiled is kept apart."""
        if not self.compiled:
            return {"NUMBA_DISABLE_JIT": "1"}
        return {"PADIT_CACHE_DIR": str(_cache(directory / "cache"))}


def _cache(place: Path) -> Path:
    """A folder with links to all that is compiled already."""
    home = Path(os.environ.get("PADIT_CACHE_DIR") or Path.home() / ".cache" / "padit")
    for path in home.glob("*"):
        link = place / path.name
        if path.name != "compiled" and not link.exists():
            place.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    for path in home.glob("compiled/**/*"):
        link = place / path.relative_to(home)
        if path.is_file() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(path)
    return place


WAYS = (
    Way(
        "compiled",
        True,
        (
            "tests/codecs", "tests/detectors", "tests/domain", "tests/laws", "tests/transforms",
            # What tests the pure parts through those who use them.
            "tests/adapters/test_fuzz.py", "tests/adapters/test_mqtt_messages.py",
            "tests/adapters/test_prometheus_series.py", "tests/adapters/test_receiver_books.py",
            "tests/adapters/test_scrape_series.py", "tests/analysis/test_losses.py",
            "tests/connectors/test_case_payloads.py", "tests/connectors/test_file_json.py",
            "tests/connectors/test_file_labels.py", "tests/connectors/test_file_points.py",
            "tests/connectors/test_file_promtool.py",
            "tests/connectors/test_payload_docs.py", "tests/adapters/test_otlp_series.py",
            "tests/connectors/test_payloads.py", "tests/connectors/test_reading.py",
            "tests/connectors/test_schema_registry.py", "tests/connectors/test_side_outputs.py",
            "tests/connectors/test_text_order.py", "tests/connectors/test_units.py",
            "tests/stores/test_archive_records.py",
        ),
    ),
    Way(
        "plain",
        False,
        (
            # Those that run kernels, or look at the constants beside them.
            "tests/codecs/test_archive_forms.py", "tests/codecs/test_json_bounds.py",
            "tests/codecs/test_json_edges.py", "tests/codecs/test_json_known.py",
            "tests/codecs/test_json_names.py", "tests/codecs/test_json_numbers.py",
            "tests/codecs/test_record_batches.py", "tests/codecs/test_records.py",
            "tests/detectors/test_brief.py", "tests/detectors/test_discord_nearest.py",
            "tests/detectors/test_discord_steps.py", "tests/detectors/test_docs.py",
            "tests/detectors/test_gap_limits.py", "tests/detectors/test_lasting.py",
            "tests/detectors/test_relation.py", "tests/detectors/test_relation_steps.py",
            "tests/detectors/test_state_slots.py", "tests/detectors/test_usual.py",
            "tests/detectors/test_usual_alert_steps.py",
            "tests/detectors/test_usual_alerts.py", "tests/detectors/test_usual_counters.py",
            "tests/detectors/test_usual_evidence_steps.py",
            "tests/detectors/test_usual_range_steps.py",
            "tests/detectors/test_usual_season_steps.py",
            "tests/detectors/test_usual_unseen.py",
            "tests/laws/test_declared.py", "tests/stores/test_archive_records.py",
            "tests/transforms",
        ),
    ),
)  # fmt: skip


def way_named(name: str) -> Way:
    """For the command line."""
    for way in WAYS:
        if way.name == name:
            return way
    message = f"{name} is no way; choose from {', '.join(way.name for way in WAYS)}"
    raise argparse.ArgumentTypeError(message)


def is_compiled(root: Path, mutant: Mutant) -> bool:
    """Whether a mutant is tried with compiled kernels: it changes nothing that is compiled."""
    kernels, others = _functions(root / mutant.path)
    if not kernels:
        return True
    within = any(mutant.line in lines for lines in kernels)
    return not within and any(mutant.line in lines for lines in others)


@functools.cache
def _functions(path: Path) -> tuple[list[range], list[range]]:
    """Lines of kernels, and of all other functions and classes, at the top of a file."""
    kernels: list[range] = []
    others: list[range] = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            marks = [ast.unparse(one) for one in node.decorator_list]
            made = any(one in ("kernel", "lean_kernel") for one in marks)
            (kernels if made else others).append(range(node.lineno, (node.end_lineno or 0) + 1))
    return kernels, others
