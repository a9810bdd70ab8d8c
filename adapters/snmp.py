"""SNMP v2c and v3: scalars and tables of switches, UPSs, servers and other devices.

An item is one instance: a scalar (`values`) or a cell of a table (`tables`), whose row is named
by the text of another column, such as ifName. Counters become rates per second (`_per_s`) over
wraps; after a restart of the agent or a discontinuity there is none for one poll. TimeTicks are
seconds. Every poll adds `snmp_up`, 1 or 0 with the reason in its metadata, and
`snmp_response_ms`, the mean time of a request. Nothing is kept over a crash but the next poll.

The unit of the books is the value that the device answers with: each is a sample, unwatched (it is
missing, no number, left out by `keep` or `drop`, or a counter without a reading before), or a
fault (refused, malformed, not finite); both are named, and counted at every poll. A poll that takes
longer than `timeout_sec` emits what it has read; each value and column that it has not read is a
fault, `not_read`.
"""

import contextlib
import math
import time
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from padit.adapters.base import AdapterOptions, Emitter, Options, Seconds, now
from padit.adapters.errors import AdapterError
from padit.adapters.poll_time import PollTime
from padit.adapters.secrets import secret
from padit.adapters.series import Namer, Naming
from padit.adapters.snmp_session import Session, community, user
from padit.adapters.snmp_values import Rates, Unwatched, Uptime, number_of
from padit.codecs.names import shortened, some_of
from padit.domain.metric import Metric, MetricType

__all__ = ["SnmpAdapter", "SnmpOptions", "SnmpTable", "SnmpValue"]

_UPTIME = "1.3.6.1.2.1.1.3.0"
_OID = r"^[0-2](\.[0-9]{1,10}){1,127}$"


class SnmpValue(Options):
    """One instance, or one column of a table."""

    name: str = Field(min_length=1, description="Name of the metric.", examples=["if_in_octets"])
    oid: str = Field(
        pattern=_OID,
        description="Its identifier: of a scalar with the final .0, of a column without an index.",
        examples=["1.3.6.1.2.1.31.1.1.1.6"],
    )
    scale: float = Field(default=1.0, description="Factor.")
    offset: float = Field(default=0.0, description="Added after the factor.")
    unit: str = Field(default="", description="Unit; a rate's is this per second.")
    metric_type: MetricType = Field(default="custom", description="Family of the metric.")
    rate: bool = Field(
        default=True, description="Turn a counter into a rate; false passes it as it is."
    )


class SnmpTable(Options):
    """A table that is walked with GETBULK."""

    columns: tuple[SnmpValue, ...] = Field(min_length=1, description="What to read of each row.")
    label: str = Field(
        default="index", min_length=1, description="Name of the label.", examples=["if"]
    )
    label_oid: str = Field(
        default="",
        pattern=f"^$|{_OID}",
        description="Column whose text names the row; by default the row's index does.",
        examples=["1.3.6.1.2.1.31.1.1.1.1"],
    )
    discontinuity_oid: str = Field(
        default="",
        pattern=f"^$|{_OID}",
        description="Column that changes when the row's counters begin again.",
        examples=["1.3.6.1.2.1.31.1.1.1.19"],
    )
    keep: tuple[str, ...] = Field(
        default=("*",), description="Rows to read, as patterns of the label."
    )
    drop: tuple[str, ...] = Field(
        default=(), description="Rows to leave out, as patterns of the label.", examples=[["lo"]]
    )


class SnmpOptions(AdapterOptions):
    """Options of the `snmp` adapter."""

    host: str = Field(min_length=1, description="Device.", examples=["10.0.0.9"])
    port: int = Field(default=161, ge=1, le=65_535, description="UDP port.")
    source_id: str = Field(default="", description="Source of the samples; the adapter's name.")
    version: Literal["2c", "3"] = Field(default="2c", description="Version of the protocol.")
    community: str = Field(default="public", description="Community of version 2c.")
    community_file: str = Field(default="", description="File with the community, instead.")
    user: str = Field(default="", description="User of version 3.")
    auth: Literal["none", "md5", "sha", "sha224", "sha256", "sha384", "sha512"] = Field(
        default="none", description="How messages of version 3 are authenticated."
    )
    auth_password_file: str = Field(default="", description="File with the password for that.")
    priv: Literal["none", "des", "aes", "aes192", "aes256"] = Field(
        default="none", description="How messages of version 3 are encrypted."
    )
    priv_password_file: str = Field(default="", description="File with the password for that.")
    context: str = Field(default="", description="Context of version 3.")
    request_timeout_sec: Seconds = Field(default=2.0, description="Wait for one answer.")
    retries: int = Field(default=1, ge=0, le=10, description="Repetitions of a request.")
    values_per_request: int = Field(default=20, ge=1, le=100, description="Scalars of one GET.")
    rows_per_request: int = Field(default=20, ge=1, le=100, description="Rows of one GETBULK.")
    values: tuple[SnmpValue, ...] = Field(default=(), description="Scalars to read.")
    tables: tuple[SnmpTable, ...] = Field(default=(), description="Tables to read.")

    @model_validator(mode="after")
    def _makes_sense(self) -> "SnmpOptions":
        names = [value.name for value in self.values]
        names += [column.name for table in self.tables for column in table.columns]
        message = ""
        if not names:
            message = "name at least one instance in `values` or `tables`"
        elif len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            message = f"the name {double} stands there twice"
        elif self.version == "3" and not self.user:
            message = "version 3 needs `user`"
        elif self.priv != "none" and self.auth == "none":
            message = "`priv` needs `auth`"
        elif (self.auth != "none") != bool(self.auth_password_file):
            message = "`auth` and `auth_password_file` belong together"
        elif (self.priv != "none") != bool(self.priv_password_file):
            message = "`priv` and `priv_password_file` belong together"
        if message:
            raise ValueError(message)
        return self


class SnmpAdapter:
    """Scalars and tables of SNMP agents."""

    Options: ClassVar[type[AdapterOptions]] = SnmpOptions

    def __init__(self, options: SnmpOptions) -> None:
        self.options = options
        self._source = options.source_id or options.name
        self._namer = Namer(Naming(source_labels=()), self._source)
        self._rates = Rates()
        self._uptime = Uptime()
        self._session: Session | None = None
        self._poll_time = PollTime(options.timeout_sec)
        self._found: list[Metric] = []
        self._unread: list[str] = []
        self._failed = False

    async def open(self, emitter: Emitter) -> None:
        """Read the secrets and find the address; the first poll sends the first request."""
        options = self.options
        if options.version == "2c":
            name = secret(options.community_file) if options.community_file else options.community
            credentials = community(name)
        else:
            files = (options.auth_password_file, options.priv_password_file)
            auth, priv = (secret(one) if one else "" for one in files)
            credentials = user(options.user, options.auth, auth, options.priv, priv)
        with self._poll_time.opening():
            self._session = Session(
                options.host,
                options.port,
                credentials,
                options.context,
                options.request_timeout_sec,
                options.retries,
                options.rows_per_request,
            )
            await self._session.open()

    async def poll(self, emitter: Emitter) -> None:
        """Read everything once; a device that is away is `snmp_up` 0."""
        if self._failed:  # the address or the engine behind it may be another one
            await self.close()
            await self.open(emitter)
        session = self._session
        if session is None:
            message = "the adapter is closed"
            raise AdapterError(message, cause="closed")
        session.times.clear()
        self._found = []
        tables = [column.name for table in self.options.tables for column in table.columns]
        self._unread = [*(value.name for value in self.options.values), *tables]
        try:
            reason = await self._read(session, emitter)
            self._failed = bool(reason)
            self._add("snmp_up", 0.0 if reason else 1.0, "1", "availability", reason)
            if session.times:
                mean = 1e3 * sum(session.times) / len(session.times)
                self._add("snmp_response_ms", mean, "ms", "latency")
        finally:  # what was read is emitted when a stop cancels the poll as well
            emitter.emit(self._found)

    async def _read(self, session: Session, emitter: Emitter) -> dict[str, Any]:
        """Read everything within the poll's time; why it ended early, or nothing."""
        limit = self._poll_time.limit()
        try:
            with contextlib.suppress(TimeoutError):
                async with limit:
                    await self._scalars(session, emitter)
                    for table in self.options.tables:
                        await self._table(session, table, emitter)
        except AdapterError as error:
            emitter.fault(error.cause, str(error))
            return {"error": error.cause, "detail": str(error)[:300]}
        if not limit.expired() or not self._unread:
            return {}
        names = some_of(self._unread)
        message = f"the poll took {self.options.timeout_sec:g} s: not read are {names}"
        emitter.fault("not_read", message, len(self._unread))
        return {"error": "timeout", "detail": message[:300]}

    async def close(self) -> None:
        """Close the socket."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    async def _scalars(self, session: Session, emitter: Emitter) -> None:
        oids = [_UPTIME, *(value.oid for value in self.options.values)]
        step = self.options.values_per_request
        for first in range(0, len(oids), step):
            found = await session.get(oids[first : first + step])
            if first == 0 and type(found.get(_UPTIME)).__name__ == "TimeTicks":
                self._uptime.note(time.monotonic(), int(found[_UPTIME]))
            for value in self.options.values[max(0, first - 1) : first + step - 1]:
                self._unread.remove(value.name)
                cell = found.get(value.oid)
                if cell is None:
                    emitter.fault("refused", f"{value.name}: {value.oid} is refused")
                elif isinstance(cell, AdapterError):
                    emitter.fault(cell.cause, f"{value.name}: {cell}")
                else:
                    self._take(value, cell, "", None, emitter)

    async def _table(self, session: Session, table: SnmpTable, emitter: Emitter) -> None:
        special = [oid for oid in (table.label_oid, table.discontinuity_oid) if oid]
        oids = list(dict.fromkeys([*special, *(column.oid for column in table.columns)]))
        cells = await session.walk(oids, emitter.fault)
        for column in table.columns:
            self._unread.remove(column.name)
        begins = cells.get(table.discontinuity_oid, {})
        for column in table.columns:
            if not cells[column.oid]:
                message = f"{column.name}: {column.oid} has no rows"
                emitter.unwatched("no_such_instance", message)
        labels = _labels(cells.get(table.label_oid, {}), [cells[c.oid] for c in table.columns])
        for index, label in labels.items():
            kept = any(fnmatchcase(label, pattern) for pattern in table.keep)
            if not kept or any(fnmatchcase(label, pattern) for pattern in table.drop):
                count = sum(index in cells[column.oid] for column in table.columns)
                text = f"the row {label} is left out by `keep` or `drop`"
                emitter.unwatched("left_out", text, count)
                continue
            suffix = self._namer.split(((table.label, label),))[1]
            epoch = begins[index].prettyPrint() if index in begins else None
            for column in table.columns:
                if index in cells[column.oid]:
                    self._take(column, cells[column.oid][index], suffix, epoch, emitter)

    def _take(
        self, value: SnmpValue, cell: Any, suffix: str, epoch: str | None, emitter: Emitter
    ) -> None:
        """Add one value, or count why it is not watched."""
        name, unit = value.name, value.unit
        kind = value.metric_type
        try:
            number, bits = number_of(cell)
            if bits and value.rate:
                since = (self._uptime.starts, epoch)
                key = (name, suffix)
                rate = self._rates.rate(key, time.monotonic(), int(number), bits, since)
                if rate is None:
                    text = f"{name}{suffix}: a counter has a rate from its second reading on"
                    emitter.unwatched("first_reading", f"{text}; `rate: false` passes it as it is")
                    return
                number, name, unit = rate, f"{name}_per_s", f"{unit or 1}/s"
                kind = "throughput" if kind == "custom" else kind
        except Unwatched as error:
            emitter.unwatched(error.cause, f"{value.name}{suffix} ({value.oid}): {error}")
            return
        result = number * value.scale + value.offset
        if not math.isfinite(result):
            emitter.fault("not_finite", f"{name}{suffix} is {result}")
            return
        self._add(shortened(name + suffix), result, unit, kind)

    def _add(
        self,
        name: str,
        value: float,
        unit: str,
        kind: MetricType,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        more = metadata or {}
        self._found.append(Metric(now(), self._source, name, value, unit, kind, "snmp", more))


def _labels(texts: dict[str, Any], columns: list[dict[str, Any]]) -> dict[str, str]:
    """Index to label; a text that several rows have gets their index behind it."""
    indexes = dict.fromkeys(index for column in columns for index in column)
    labels = {index: _text(texts[index]) if index in texts else "" for index in indexes}
    times = Counter(labels.values())
    return {
        index: (f"{text}#{index}" if times[text] > 1 else text) if text else index
        for index, text in labels.items()
    }


def _text(cell: Any) -> str:
    if type(cell).__name__ == "OctetString":
        return bytes(cell).decode(errors="replace").strip()
    return str(cell.prettyPrint())
