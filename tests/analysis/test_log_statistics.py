"""Counts over log records are those of a plain loop, whatever is asked, kept or forgotten."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.analysis.log_store import LogRecord, LogStore, template_of

_RECORD = st.builds(
    LogRecord, st.integers(0, 1000), st.sampled_from(("shop", "cart", "", "é" * 3)),
    st.sampled_from(("info", "error", "trace")),
    st.sampled_from(("order 1 shipped", "order 2 shipped", "late", "no order")),
)  # fmt: skip


def _plain(records: Sequence[LogRecord], words: str, source: str, start: int, end: int) -> Any:
    kept = [
        one for one in records
        if start <= one.time <= end and source in ("", one.source)
        and all(word in one.message.split() for word in words.split())
    ]  # fmt: skip
    first = min((one.time for one in kept), default=0)
    width = max((max((one.time for one in kept), default=0) - first) // 60 + 1, 1)
    return (
        len(kept), Counter(one.level for one in kept), Counter(one.source for one in kept),
        Counter(template_of(one.message) for one in kept),
        sorted(Counter(first + (one.time - first) // width * width for one in kept).items()),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(st.lists(_RECORD, min_size=1, max_size=12), min_size=1, max_size=6),
    words=st.sampled_from(("", "order", "order shipped", "nothing")),
    source=st.sampled_from(("", "shop", "cart", "elsewhere")),
    span=st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(sorted),
    most=st.integers(1, 40),
    asked=st.integers(0, 6),
    again=st.booleans(),
)
def test_statistics_are_those_of_a_plain_loop(
    batches: list[list[LogRecord]], words: str, source: str, span: list[int], most: int,
    asked: int, again: bool,
) -> None:  # fmt: skip
    with TemporaryDirectory() as folder:
        logs = LogStore(Path(folder) / "logs.sqlite", most)
        for at, batch in enumerate(batches):
            if at == asked:
                logs.statistics()  # from now on the columns are followed, not loaded
            logs.add(batch)
        if again:
            logs.close()
            logs = LogStore(Path(folder) / "logs.sqlite", most)
        everything = [one for batch in batches for one in batch][-most:]
        found = logs.statistics(words, source=source, start=span[0], end=span[1])
        count, levels, sources, templates, over_time = _plain(everything, words, source, *span)
        assert found["count"] == count == len(
            logs.search(words, source=source, start=span[0], end=span[1], most=500)
        )  # fmt: skip
        assert found["levels"] == levels
        assert found["sources"] == sources
        assert {one["template"]: one["count"] for one in found["templates"]} == templates
        assert found["over_time"] == over_time
        for name in ("levels", "sources"):
            counts = list(found[name].values())
            assert counts == sorted(counts, reverse=True)
        logs.close()


def test_an_older_store_is_counted_too_and_a_failed_write_changes_no_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "logs.sqlite"
    logs = LogStore(path)
    logs.add([LogRecord(at, "shop", "info", f"order {at}") for at in range(120)])
    logs.close()
    monkeypatch.setattr("padit.analysis.log_store._AT_ONCE", 50)
    logs = LogStore(path)
    assert logs.statistics()["count"] == 120

    def broken(last: int) -> None:
        raise ValueError(last)

    monkeypatch.setattr(logs, "_forget", broken)
    with pytest.raises(ValueError, match="121"):
        logs.add([LogRecord(0, "shop", "info", "lost")])
    monkeypatch.undo()
    logs.add([LogRecord(0, "shop", "error", "kept")])
    assert logs.statistics()["levels"] == {"info": 120, "error": 1}
    logs.close()
