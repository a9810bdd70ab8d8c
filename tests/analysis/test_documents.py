"""Pages and tables: replaced by their like, never in the place of something else."""

from pathlib import Path

import pytest

from padit.analysis.documents import PAGE, write_document
from padit.domain.errors import ConfigurationError, SinkError

OLD = "<!DOCTYPE html><p>old</p>"
NEW = "<!doctype html>\n<p>new</p>"


@pytest.mark.parametrize("before", [None, "", OLD])
def test_a_page_replaces_a_page(before: str | None, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.html"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
    write_document(str(path), NEW, PAGE)
    assert path.read_text() == NEW
    assert list(path.parent.iterdir()) == [path]


def test_an_input_that_was_named_by_mistake_stays(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"timestamp": 1}\n')
    with pytest.raises(ConfigurationError, match=r"metrics.jsonl holds something else"):
        write_document(str(path), NEW, PAGE)
    assert path.read_text() == '{"timestamp": 1}\n'


def test_a_folder_in_the_place_of_the_page_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        write_document(str(tmp_path), NEW, PAGE)
