"""The tree of errors; every message names the value, the place and the remedy.

PaditError
├── ConfigurationError   an option, a YAML file or a URI is wrong; nothing has run yet
├── WireFormatError      one record cannot be read; it becomes a dead letter
├── SourceError          a topic, a file or a broker cannot be read
├── LossError            an input was read, and nothing in it is of use
├── SinkError            results could not be delivered
├── KernelError          compiled code can be neither loaded nor compiled
└── StateError           saved state is damaged or of an unknown version
"""

__all__ = [
    "FRESH_START",
    "ConfigurationError",
    "KernelError",
    "LossError",
    "PaditError",
    "RunError",
    "SinkError",
    "SourceError",
    "StateError",
    "WireFormatError",
]


FRESH_START = (
    "start without --savepoint_path and let the job build its state from history "
    "(--bootstrap_from, see docs/upgrade.md)"
)
"""The way out where saved state cannot be restored; ends a message."""


class PaditError(Exception):
    """Base of all errors that a user can act on; shown without a traceback."""


class ConfigurationError(PaditError, ValueError):
    """An option, a configuration file or a URI is wrong."""


class WireFormatError(PaditError, ValueError):
    """One record cannot be read."""


class SourceError(PaditError, RuntimeError):
    """A source cannot be read."""


class LossError(PaditError, RuntimeError):
    """Nothing in an input is of use, or too little."""


class SinkError(PaditError, RuntimeError):
    """Results could not be delivered."""


class RunError(PaditError, RuntimeError):
    """The job failed while it ran."""


class KernelError(PaditError, RuntimeError):
    """Compiled code can be neither loaded nor compiled here."""


class StateError(PaditError, RuntimeError):
    """Saved state is damaged or was written by an unknown version."""
