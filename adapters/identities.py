"""Which series of a sender's becomes which series of ours, and that no two become one.

A protocol tells its series apart by more than a name of ours can hold: two scopes of OTLP, labels
that `drop_labels` leaves out, a measurement `a_b` beside a field `b_c`. State, such as the last
value of a counter, belongs to the whole identity. An `Output`, a series of ours, belongs to one
identity at a time: points of another that would get the same name are refused, and the answer says
in what the two differ. When the owner has ended or has been silent for a minute, the next
identity goes on with the series, so that a restart under another id does not begin a new one.

The owner follows from the points and their order alone, so the same input gives the same series.
"""

from typing import Any, NamedTuple, Protocol, TypeVar

from padit.adapters.series import Labels

__all__ = ["MixedError", "Output", "Outputs", "Record", "Records", "describe"]

_SILENCE_SEC = 60.0
_LONGEST_SILENCE_SEC = 86_400.0
_MOST_CHARACTERS = 64 << 20


class MixedError(ValueError):
    """A point would be mixed into the series of another identity."""


class _Key(NamedTuple):
    source_id: str
    metric_name: str
    unit: str


class Output:
    """One series of ours.

    Attributes:
        owner: identity whose points it takes.
        last: latest event time of its owner, epoch seconds.
    """

    __slots__ = ("_previous", "_silence", "last", "metric_name", "owner", "source_id", "unit")

    def __init__(self, key: _Key, silence_sec: float = _SILENCE_SEC) -> None:
        self.source_id, self.metric_name, self.unit = key
        self.last = 0.0
        self.owner: Labels = ()
        self._previous: Labels = ()
        self._silence = silence_sec

    def take(self, identity: Labels, time: float) -> None:
        """Take a point; raises MixedError if the series belongs to another identity."""
        if self.owner is not identity:
            if self.owner != identity:
                self._change(identity, time)
            self.owner = identity
        if time > self.last:
            self.last = time

    def release(self, identity: Labels) -> None:
        """The identity has ended: the next one may go on at once."""
        if self.owner == identity:
            self.last = 0.0

    def _change(self, identity: Labels, time: float) -> None:
        if self.owner and time <= self.last + self._silence:
            message = (
                f"{self.metric_name} of {self.source_id} would be mixed with another series: "
                f"{describe(identity, self.owner)}"
            )
            raise MixedError(message)
        if identity == self._previous:  # it was not gone, only slower than we thought
            self._silence = min(2 * self._silence, _LONGEST_SILENCE_SEC)
        self._previous, self.owner = self.owner, identity
        self.last = time


def describe(identity: Labels, other: Labels) -> str:
    """In what two identities differ.

    >>> describe((("host", "a"), ("pod", "p-2")), (("host", "a"), ("pod", "p-1")))
    "pod='p-2' against pod='p-1'; see naming.source_labels and naming.drop_labels"
    """
    own, theirs = (
        ", ".join(f"{name[:60]}={text[:60]!r}" for name, text in one if (name, text) not in two)
        for one, two in ((identity, set(other)), (other, set(identity)))
    )
    differ = f"{own[:200] or 'nothing'} against {theirs[:200] or 'nothing'}"
    return f"{differ}; see naming.source_labels and naming.drop_labels"


class Outputs:
    """Series of ours by their names.

    Args:
        silence_sec: how long the owner of a series must be silent before another may go on with it.
    """

    def __init__(self, silence_sec: float = _SILENCE_SEC) -> None:
        self._silence = silence_sec
        self._outputs: dict[_Key, Output] = {}

    def of(self, source_id: str, metric_name: str, unit: str = "") -> Output:
        """The one of this name; made if it is new."""
        key = _Key(source_id, metric_name, unit)
        found = self._outputs.get(key)
        if found is None:
            found = self._outputs[key] = Output(key, self._silence)
        return found

    def keep(self, outputs: "dict[int, Output]") -> None:
        """Forget all others."""
        self._outputs = {
            key: output for key, output in self._outputs.items() if id(output) in outputs
        }


class Record(Protocol):
    """What is remembered about one identity.

    Attributes:
        identity: names and values, sorted.
        outputs: the series of ours that it has become, by any key.
        used: number of the request that used it last.
    """

    identity: Labels
    outputs: dict[Any, Output]
    used: int


R = TypeVar("R", bound=Record)


class Records(dict[Labels, R]):
    """Records by identity; bounded in number and in characters.

    Args:
        most: records; when there are more, the quarter that was not used for longest goes.
        outputs: keeps those of the records that stay.
    """

    def __init__(self, most: int, outputs: Outputs) -> None:
        super().__init__()
        self._most = most
        self._outputs = outputs
        self._characters = 0

    def add(self, record: R) -> bool:
        """Remember a record; whether others had to go."""
        full = len(self) >= self._most or self._characters > _MOST_CHARACTERS
        if full:
            self._make_room()
        self[record.identity] = record
        self._characters += _size(record.identity)
        return full

    def _make_room(self) -> None:
        oldest = sorted(self.values(), key=lambda record: record.used)
        for record in oldest[: len(oldest) // 4 + 1]:
            del self[record.identity]
        self._characters = sum(map(_size, self))
        if self._characters > _MOST_CHARACTERS // 2:
            self.clear()
            self._characters = 0
        kept = {id(one): one for record in self.values() for one in record.outputs.values()}
        self._outputs.keep(kept)


def _size(identity: Labels) -> int:
    return sum(len(name) + len(text) for name, text in identity)
