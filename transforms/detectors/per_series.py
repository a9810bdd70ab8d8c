"""A machine whose state is a row for each series: how it begins, is saved, and is read again."""

from collections.abc import Collection, Mapping
from typing import ClassVar

from padit.domain.metric import Series
from padit.transforms.detectors.columns import Columns, Field

__all__ = ["PerSeries"]


class PerSeries:
    """Base of detectors, and of what stands beside them; a subclass has `step`.

    Attributes:
        version: of the saved bytes.
        fields: what is known of each series.
    """

    version: ClassVar[int]
    fields: Mapping[str, Field]

    def initial(self) -> Columns:
        """No series yet."""
        return Columns.empty(self.fields)

    def forget(self, state: Columns, gone: Collection[Series]) -> Columns:
        """The state as if these series had never been."""
        return state.without(gone)

    def dump(self, state: Columns) -> bytes:
        """Series in their canonical order."""
        return state.dump(self.version)

    def load(self, data: bytes) -> Columns:
        """Series from bytes.

        Raises:
            StateError: damaged, of another version or of other parameters.
        """
        return Columns.load(data, self.version, self.fields)
