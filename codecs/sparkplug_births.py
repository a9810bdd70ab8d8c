"""What is known of Sparkplug's edge nodes between messages, and notes on what gave no sample."""

from typing import NamedTuple

from padit.codecs.contract import bounded

__all__ = ["Births", "Known", "Note", "Notes"]

_SEQUENCE = 256


class Note(NamedTuple):
    """Things of one kind that gave no sample: how many, and the first of them.

    Attributes:
        what: a short, fixed name of the kind.
        message: about the first one, with the reason.
        amount: how many.
    """

    what: str
    message: str
    amount: int


class Known(NamedTuple):
    """What a birth says of a metric."""

    name: str
    datatype: int
    unit: str


class Births:
    """What births have named: by edge node and device the metrics by alias and by name.

    Members of templates are kept by their path. An alias that one birth gives to two metrics is
    neither's: it is kept with the name "".

    Args:
        most: metrics that are kept; a birth beyond them is a reject.
    """

    def __init__(self, most: int = 200_000) -> None:
        self.most = most
        self._known: dict[str, dict[str, dict[int | str, Known]]] = {}
        self._held = 0
        self._sequence: dict[str, int] = {}
        self._session: dict[str, int] = {}
        self._born: dict[str, tuple[int, int]] = {}

    def begin(self, node: str, device: str) -> None:
        """Forget what a node (with all its devices) or a device had named."""
        devices = self._known.setdefault(node, {})
        for name in [*devices] if not device else [device]:
            self._held -= len(devices.pop(name, {}))
        if not devices:
            del self._known[node]

    def keep(self, node: str, device: str, alias: int | None, known: Known) -> str:
        """Keep a metric; why it is not, "" where it is."""
        table = self._known.setdefault(node, {}).setdefault(device, {})
        why = ""
        for key in (known.name, *(() if alias is None else (alias,))):
            if key not in table and self._held >= self.most:
                return f"births of more than {self.most} metrics are held"
            self._held += key not in table
            before = table.get(key, known)
            if before.name != known.name:
                why = f"alias {key} is given to {before.name or 'several'} and {known.name}"
                table[key] = Known("", 0, "")
            else:
                table[key] = known
        return why

    def find(self, node: str, device: str, key: int | str) -> Known | None:
        """What a birth said about an alias or a name."""
        return self._known.get(node, {}).get(device, {}).get(key)

    def knows(self, node: str, device: str) -> bool:
        """Whether there was a birth."""
        return device in self._known.get(node, {})

    def missed(self, node: str, sequence: int, first: bool) -> int:
        """Messages between the last one of a node and this; a birth begins again."""
        last = self._sequence.get(node)
        if node in self._sequence or len(self._sequence) < self.most:
            self._sequence[node] = sequence
        if first or last is None:
            return 0
        return (sequence - last - 1) % _SEQUENCE if sequence != last else 0  # delivered again

    def older(self, node: str, session: int, stamp: int) -> bool:
        """Whether a node's birth is from before the one that counts; else it counts from now on.

        It is, if its session and its time both are: a node that starts again may begin with the
        session 0, and one whose clock is set back goes on with the next session.
        """
        before = self._born.get(node)
        if before is not None and 0 < (before[0] - session) % _SEQUENCE < 128 and stamp < before[1]:
            return True
        if before is not None or len(self._born) < self.most:
            self._born[node] = session, stamp
        return False

    def session(self, node: str, number: int | None) -> int | None:
        """Set the session (`bdSeq`) of a node, or look it up with None."""
        if number is not None and (node in self._session or len(self._session) < self.most):
            self._session[node] = number
        return self._session.get(node)


class Notes:
    """Things that gave no sample, by kind."""

    def __init__(self) -> None:
        self._found: dict[str, Note] = {}

    def add(self, what: str, message: str, count: int = 1) -> None:
        """Note one more; `what` is a short, fixed name of the kind."""
        one = self._found.get(what)
        more = count + (one.amount if one else 0)
        self._found[what] = Note(what, one.message if one else bounded(message), more)

    def all(self) -> list[Note]:
        """One note for each kind."""
        return [*self._found.values()]
