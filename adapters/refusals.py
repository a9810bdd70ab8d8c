"""What a write's answer says about the parts that were not taken."""

__all__ = ["Refusals"]

_MOST_REASONS = 100
_MOST_NAMED = 10
_LONGEST = 400


class Refusals:
    """Counts what was refused, by its reason.

    >>> found = Refusals()
    >>> for reason in ("a: a value of nan", "b: no time", "a: a value of nan"):
    ...     found.add(reason)
    >>> found.total, found.text()
    (3, '2 x a: a value of nan; 1 x b: no time')
    """

    __slots__ = ("_reasons", "total")

    def __init__(self) -> None:
        self.total = 0
        self._reasons: dict[str, int] = {}

    def add(self, reason: str, count: int = 1) -> None:
        """Count; reasons beyond the first hundred are counted without their text."""
        if count <= 0:
            return
        self.total += count
        # Half a character, which JSON can hold, must not make the answer impossible to encode.
        reason = reason[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
        if reason in self._reasons or len(self._reasons) < _MOST_REASONS:
            self._reasons[reason] = self._reasons.get(reason, 0) + count

    def text(self) -> str:
        """The first reasons, in the order in which they came, each with its count."""
        named = list(self._reasons.items())[:_MOST_NAMED]
        left = self.total - sum(count for _, count in named)
        parts = [f"{count} x {reason}" for reason, count in named]
        return "; ".join([*parts, f"{left} for other reasons"] if left else parts)
