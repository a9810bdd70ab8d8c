"""Requests to one SNMP agent: GET and a walk by GETBULK, over pysnmp.

In: object identifiers as text. Out: values of pysnmp by identifier. A request that is not
answered is repeated `retries` times, then raises `AdapterError`. pysnmp drops an answer that it
cannot read, and counts it, as SNMPv2-MIB's snmpInASNParseErrs; such a request is `malformed`.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as snmp

from padit.adapters.errors import AdapterError, TimedOutError
from padit.codecs.names import some_of

__all__ = ["AUTH", "PRIV", "Session", "UnreadableError", "community", "user"]

MOST_ROWS = 20_000
"""Rows of a table after which a walk is given up."""

MOST_BYTES = 64 << 20
"""Bytes of a table's texts and identifiers after which a walk is given up."""

AUTH = {
    "none": snmp.USM_AUTH_NONE,
    "md5": snmp.USM_AUTH_HMAC96_MD5,
    "sha": snmp.USM_AUTH_HMAC96_SHA,
    "sha224": snmp.USM_AUTH_HMAC128_SHA224,
    "sha256": snmp.USM_AUTH_HMAC192_SHA256,
    "sha384": snmp.USM_AUTH_HMAC256_SHA384,
    "sha512": snmp.USM_AUTH_HMAC384_SHA512,
}
PRIV = {
    "none": snmp.USM_PRIV_NONE,
    "des": snmp.USM_PRIV_CBC56_DES,
    "aes": snmp.USM_PRIV_CFB128_AES,
    "aes192": snmp.USM_PRIV_CFB192_AES,
    "aes256": snmp.USM_PRIV_CFB256_AES,
}


def community(name: str) -> Any:
    """Credentials of version 2c."""
    return snmp.CommunityData(name, mpModel=1)  # noqa: S508 (many devices speak nothing else)


def user(name: str, auth: str, auth_password: str, priv: str, priv_password: str) -> Any:
    """Credentials of version 3; raises AdapterError if a password is refused."""
    try:
        return snmp.UsmUserData(
            name,
            auth_password or None,
            priv_password or None,
            authProtocol=AUTH[auth],
            privProtocol=PRIV[priv],
        )
    except PySnmpError as error:
        message = f"user {name}: {error}"
        raise AdapterError(message, cause="credentials") from error


class UnreadableError(AdapterError):
    """An answer came that cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "malformed")


class _Walk:
    """What a walk has found, and where each column goes on.

    Args:
        columns: walked side by side.
        fault: called with (cause, message).
    """

    def __init__(self, columns: Sequence[str], fault: Callable[[str, str], None]) -> None:
        self.cells: dict[str, dict[str, Any]] = {column: {} for column in columns}
        self.last = {column: column for column in columns}
        self._fault = fault
        self._bytes = 0

    def take(self, column: str, oid: str, value: Any) -> None:
        """Note the next cell of a column, or that the column has ended."""
        if column not in self.last:
            return
        ended = type(value).__name__ == "EndOfMibView"
        turned = not ended and not _after(oid, self.last[column])
        if turned:
            message = f"the walk of {column} turned back at {self.last[column]} to {oid}"
            self._fault("turned_back", f"{message}: rows behind it are not read")
        if ended or turned or not oid.startswith(f"{column}."):
            del self.last[column]
            return
        self.last[column] = oid
        self.cells[column][oid[len(column) + 1 :]] = value
        self._bytes += len(oid)
        self._bytes += len(value) if type(value).__name__ in ("OctetString", "Opaque") else 0

    def check(self) -> None:
        """Raise AdapterError when there is too much."""
        message = ""
        if max(map(len, self.cells.values())) > MOST_ROWS:
            message = f"within {MOST_ROWS} rows"
        elif self._bytes > MOST_BYTES:
            message = f"within {MOST_BYTES >> 20} MiB"
        if message:
            message = f"the table of {next(iter(self.cells))} does not end {message}"
            raise AdapterError(message, cause="endless")


class Session:
    """One agent.

    Args:
        host: name or address.
        port: UDP port.
        credentials: from `community` or `user`.
        context: of version 3, "" for the default.
        timeout_sec: wait for one answer.
        retries: repetitions after that.
        repetitions: rows that one GETBULK asks for.

    Attributes:
        times: seconds that each answered request took, since it was last cleared.
    """

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Any,
        context: str,
        timeout_sec: float,
        retries: int,
        repetitions: int,
    ) -> None:
        self._address = (host, port)
        self._credentials = credentials
        self._context = snmp.ContextData(contextName=context.encode())
        self._patience = {"timeout": timeout_sec, "retries": retries}
        self._repetitions = repetitions
        self._engine = snmp.SnmpEngine()
        self._target: Any = None
        self.times: list[float] = []

    async def open(self) -> None:
        """Find the address; nothing is sent."""
        six = ":" in self._address[0]
        kind = snmp.Udp6TransportTarget if six else snmp.UdpTransportTarget
        try:
            self._target = await kind.create(self._address, **self._patience)
        except (PySnmpError, OSError) as error:
            message = f"{self._address[0]} has no address: {error}"
            raise AdapterError(message, cause="dns") from error

    def close(self) -> None:
        """Close the socket."""
        self._engine.close_dispatcher()

    async def get(self, oids: Sequence[str]) -> dict[str, Any]:
        """Values of instances; one that an agent refuses costs only itself and is left out.

        In place of one whose answer cannot be read is the `UnreadableError` that says so.

        Raises:
            AdapterError: no answer, or the credentials are refused.
        """
        try:
            found, refused = await self._request(oids, bulk=False)
        except UnreadableError as error:
            found, refused = [(oids[0], error)], "" if len(oids) == 1 else str(error)
        if not refused:
            return {str(oid): value for oid, value in found}
        if len(oids) == 1:
            return {}
        return {oid: value for one in oids for oid, value in (await self.get([one])).items()}

    async def walk(
        self, columns: Sequence[str], fault: Callable[[str, str], None]
    ) -> dict[str, dict[str, Any]]:
        """All cells of columns that are walked side by side: column to index to value.

        Args:
            columns: identifiers.
            fault: called with (cause, message) where a column cannot be walked to its end.

        Raises:
            AdapterError: no answer, the agent refuses, or the table does not end.
        """
        walk = _Walk(columns, fault)
        while walk.last:
            active = list(walk.last)
            found, refused = await self._request(list(walk.last.values()), bulk=True)
            if refused:
                message = f"the walk of {active[0]} is refused: {refused}"
                raise AdapterError(message, cause="refused")
            if not found:
                message = f"the walk of {active[0]} is answered with no row and no end"
                raise AdapterError(message, cause="endless")
            for place, (name, value) in enumerate(found):
                walk.take(active[place % len(active)], str(name), value)
            walk.check()
        return walk.cells

    async def _request(
        self, oids: Sequence[str], *, bulk: bool
    ) -> tuple[list[tuple[Any, Any]], str]:
        """(identifiers and values, why the agent refuses or "")."""
        binds = [snmp.ObjectType(snmp.ObjectIdentity(oid)) for oid in oids]
        common = (self._engine, self._credentials, self._target, self._context)
        begin, unread = time.perf_counter(), self._unreadable()
        try:
            if bulk:
                answer = await snmp.bulk_cmd(*common, 0, self._repetitions, *binds, lookupMib=False)
            else:
                answer = await snmp.get_cmd(*common, *binds, lookupMib=False)
        except PySnmpError as error:
            message = f"{self._address[0]}: {error}"
            raise AdapterError(message, cause="malformed") from error
        failure, status, position, found = answer
        if failure:
            if type(failure).__name__ == "RequestTimedOut":
                if self._unreadable() > unread:
                    names = some_of(oids, 1)
                    message = f"{self._address[0]}: the answer to {names} cannot be read"
                    raise UnreadableError(message)
                message = f"{self._address[0]} does not answer; is the community right?"
                raise TimedOutError(message)
            message = f"{self._address[0]}: {failure}"
            raise AdapterError(message, cause="refused")
        self.times.append(time.perf_counter() - begin)
        reason = f"{status.prettyPrint()} at item {int(position)}" if int(status) else ""
        return [(bind[0], bind[1]) for bind in found], reason

    def _unreadable(self) -> int:
        """Answers that pysnmp dropped because it cannot read them."""
        builder = self._engine.get_mib_builder()
        (count,) = builder.import_symbols("__SNMPv2-MIB", "snmpInASNParseErrs")
        return int(count.syntax)


def _after(oid: str, other: str) -> bool:
    """Whether an identifier comes after another; an agent whose walk turns back is broken."""
    return [int(part) for part in oid.split(".")] > [int(part) for part in other.split(".")]
