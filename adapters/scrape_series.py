"""Series of scraped pages: what tells them apart, and which series of ours they become.

The identity of a series is the name of its family or sample, the labels of the sample and those of
its target. A name of ours may hold less, because `drop_labels` leaves labels out; then
`adapters.identities` keeps two series from becoming one.
"""

from padit.adapters.identities import Output, Outputs, Records
from padit.adapters.series import Labels, Namer, Naming
from padit.codecs.names import shortened

__all__ = ["Series", "SeriesOf"]


class Series:
    """What is remembered about one series.

    Attributes:
        identity: its name and labels, and those of its target.
        source_id: of its samples.
        suffix: labels that its names end in.
        metadata: of its samples.
        outputs: series of ours, by the name before the suffix and the unit.
        used: number of the scrape that brought it last.
    """

    __slots__ = ("identity", "metadata", "outputs", "source_id", "suffix", "used")

    def __init__(
        self, identity: Labels, source_id: str, suffix: str, metadata: dict[str, str]
    ) -> None:
        self.identity = identity
        self.source_id = source_id
        self.suffix = suffix
        self.metadata = metadata
        self.outputs: dict[tuple[str, str], Output] = {}
        self.used = 0


class SeriesOf:
    """All series of all targets; bounded.

    Args:
        naming: how labels become names.
        fallback: source of series without a source label.
        honor_labels: whether a label of the sample overrides the target's label of that name.
        silence_sec: how long a series keeps its names when nothing comes of it.

    Attributes:
        scrape: number of the current scrape.
    """

    def __init__(
        self, naming: Naming, fallback: str, *, honor_labels: bool, silence_sec: float
    ) -> None:
        self._namer = Namer(naming, fallback)
        self._honor = honor_labels
        self._outputs = Outputs(silence_sec)
        self._records: Records[Series] = Records(naming.max_series, self._outputs)
        self._known: dict[tuple[str, Labels, Labels], Series] = {}
        self._most = naming.max_series
        self.scrape = 0

    def find(self, name: str, labels: Labels, target: Labels) -> Series:
        """The series of a name, the labels of a sample, and those of its target."""
        key = (name, labels, target)
        found = self._known.get(key)
        if found is None:
            found = self._learn(name, labels, target)
            if len(self._known) >= 2 * self._most:
                self._known.clear()
            self._known[key] = found
        found.used = self.scrape
        return found

    def _learn(self, name: str, labels: Labels, target: Labels) -> Series:
        own, hidden = dict(labels), []
        for label, text in target:
            if label in own and self._honor:
                hidden.append((f"{label} of the target", text))
                continue
            if label in own:
                own[f"exported_{label}"] = own[label]
            own[label] = text
        identity = tuple(sorted([("__name__", name), *own.items(), *hidden]))
        found = self._records.get(identity)
        if found is None:
            source, suffix = self._namer.name(dict(sorted(own.items())))
            found = Series(identity, source, suffix, self._namer.edge(own, source))
            found.used = self.scrape
            if self._records.add(found):
                self._known.clear()
        return found

    def output(self, series: Series, name: str, unit: str) -> Output:
        """The series of ours whose name is this before the labels."""
        found = series.outputs.get((name, unit))
        if found is None:
            found = self._outputs.of(series.source_id, shortened(name + series.suffix), unit)
            series.outputs[name, unit] = found
        return found
