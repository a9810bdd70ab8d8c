"""What the bodies of requests have in common."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Body"]


class Body(BaseModel):
    """The body of a request; a field that it does not have is refused.

    A pattern with a misspelled name would otherwise be none, and a silence of one source a silence
    of all.
    """

    model_config = ConfigDict(extra="forbid")
