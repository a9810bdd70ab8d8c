"""Pages, tables and configurations that a command writes for people."""

from pathlib import Path

from padit.domain.errors import ConfigurationError, SinkError

__all__ = ["PAGE", "refuse_other", "write_document"]

PAGE = "<!doctype html"
"""Begins every page."""
_FIRST = 400


def write_document(path: str, text: str, like: str) -> None:
    """Write a document, whole or not at all, making its folder.

    A document is made from what still exists, so it replaces one of its sort without asking; a
    file that is something else (an input that was named by mistake) is refused.

    Args:
        path: where to.
        text: the document.
        like: stands near the beginning of every document of its sort.

    Raises:
        ConfigurationError: the place holds something else.
        SinkError: it cannot be written.
    """
    file = Path(path)
    new = file.with_name(f".{file.name}.new")
    try:
        refuse_other(file, like)
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        raise SinkError(message) from error


def refuse_other(file: Path, like: str) -> None:
    """Raise ConfigurationError for a file that does not hold `like` near its beginning."""
    if not file.exists():
        return
    with file.open("rb") as opened:
        first = opened.read(_FIRST)
    if first and like.encode().lower() not in first.lower():
        message = f"{file} holds something else, and would be lost: name another file, or remove it"
        raise ConfigurationError(message)
