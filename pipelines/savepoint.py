"""The state that a job on Flink restores: a savepoint, or a checkpoint of a lost job."""

from pathlib import Path

from padit.domain.errors import ConfigurationError

__all__ = ["find_savepoint"]

_METADATA = "_metadata"


def find_savepoint(place: str) -> str:
    """Return the path to give Flink for `--savepoint_path`.

    Args:
        place: a savepoint or a checkpoint, or the directory of a job with its checkpoints, the
            newest of which is taken; a URI of another file system is passed on to Flink unchecked.

    Raises:
        ConfigurationError: nothing there is complete.
    """
    if "://" in place and not place.startswith("file:"):
        return place
    # Flink itself writes file:/path.
    path = Path(place.removeprefix("file:").removeprefix("//")).absolute()
    if (path / _METADATA).is_file():
        return str(path)
    complete = [metadata.parent for metadata in path.glob(f"chk-*/{_METADATA}")]
    if complete:
        return str(max(complete, key=lambda one: int(one.name.removeprefix("chk-"))))
    message = (
        f"--savepoint_path={place}: no savepoint is there, and no checkpoint that is complete "
        f"(a directory with the file {_METADATA}); docs/operations.md describes how to take one"
    )
    raise ConfigurationError(message)
