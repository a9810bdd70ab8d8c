"""Requests to one SNMP agent: GET and a walk by GETBULK, over pysnmp.

In: object identifiers as text. Out: values of pysnmp by identifier. A request that is not
answered is repeated `retries` times, then raises `AdapterError`.
"""

import time
from collections.abc import Sequence
from typing import Any

from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as snmp

from padit.adapters.errors import AdapterError, TimedOutError

__all__ = ["AUTH", "PRIV", "Session", "community", "user"]

MOST_ROWS = 20_000
"""Rows of a table after which a walk is given up."""

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

        Raises:
            AdapterError: no answer, or the credentials are refused.
        """
        found, refused = await self._request(oids, bulk=False)
        if not refused:
            return {str(oid): value for oid, value in found}
        if len(oids) == 1:
            return {}
        return {oid: value for one in oids for oid, value in (await self.get([one])).items()}

    async def walk(self, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """All cells of columns that are walked side by side: column to index to value.

        Raises:
            AdapterError: no answer, the agent refuses, or the table does not end.
        """
        cells: dict[str, dict[str, Any]] = {column: {} for column in columns}
        last = {column: column for column in columns}
        while last:
            active = list(last)
            found, refused = await self._request(list(last.values()), bulk=True)
            if refused:
                message = f"the walk of {active[0]} is refused: {refused}"
                raise AdapterError(message, cause="refused")
            for place, (name, value) in enumerate(found):
                column, oid = active[place % len(active)], str(name)
                if column not in last:
                    continue
                ended = type(value).__name__ == "EndOfMibView"
                if ended or not oid.startswith(f"{column}.") or not _after(oid, last[column]):
                    del last[column]
                    continue
                last[column] = oid
                cells[column][oid[len(column) + 1 :]] = value
            if not found or max(map(len, cells.values())) > MOST_ROWS:
                message = f"the table of {columns[0]} does not end within {MOST_ROWS} rows"
                raise AdapterError(message, cause="endless")
        return cells

    async def _request(
        self, oids: Sequence[str], *, bulk: bool
    ) -> tuple[list[tuple[Any, Any]], str]:
        """(identifiers and values, why the agent refuses or "")."""
        binds = [snmp.ObjectType(snmp.ObjectIdentity(oid)) for oid in oids]
        common = (self._engine, self._credentials, self._target, self._context)
        begin = time.perf_counter()
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
                message = f"{self._address[0]} does not answer; is the community right?"
                raise TimedOutError(message)
            message = f"{self._address[0]}: {failure}"
            raise AdapterError(message, cause="refused")
        self.times.append(time.perf_counter() - begin)
        reason = f"{status.prettyPrint()} at item {int(position)}" if int(status) else ""
        return [(bind[0], bind[1]) for bind in found], reason


def _after(oid: str, other: str) -> bool:
    """Whether an identifier comes after another; an agent whose walk turns back is broken."""
    return [int(part) for part in oid.split(".")] > [int(part) for part in other.split(".")]
