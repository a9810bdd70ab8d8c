"""Users, sessions, keys and tokens, and the audit log of what people did.

They are kept in one SQLite file, or in tables that several portals share (`portal.team.accounts`).

Secrets are kept as digests: passwords by argon2, sessions, API keys and links (256 random bits) by
SHA-256. There is no default password: whoever has the one-time link of the first start is admin.
"""

import hashlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from pwdlib import PasswordHash

from padit.domain.errors import ConfigurationError, SinkError

__all__ = ["ROLES", "Accounts", "FileTables", "Principal", "Role", "Tables"]

Role = Literal["ingest", "viewer", "operator", "admin"]
ROLES: dict[str, int] = {"ingest": 0, "viewer": 1, "operator": 2, "admin": 3}
SESSION_SECONDS = 12 * 3600
_NEVER = 1e12
TOKEN_SECONDS = 900
_LINK_SECONDS = 24 * 3600
_ROTATE_SECONDS = 24 * 3600
_SEEN_SECONDS = 2.0
_TRUSTED_SECONDS = 60.0
_MOST_SEEN = 10_000
_OF_KEY = "key:"
_RESERVED = (_OF_KEY, "address ", "configuration")
_KEY = "padit_"
_SHORTEST_PASSWORD = 10
_LONGEST_PASSWORD = 200

_TABLES = """
CREATE TABLE IF NOT EXISTS "user" (name TEXT PRIMARY KEY, role TEXT NOT NULL,
    password TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS session (digest TEXT PRIMARY KEY, "user" TEXT NOT NULL,
    ends REAL NOT NULL);
CREATE TABLE IF NOT EXISTS link (digest TEXT PRIMARY KEY, role TEXT NOT NULL, ends REAL NOT NULL);
CREATE TABLE IF NOT EXISTS api_key (prefix TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, role TEXT NOT NULL, ends REAL NOT NULL, made_by TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS signing (kid TEXT PRIMARY KEY, secret TEXT NOT NULL, made REAL NOT NULL);
CREATE TABLE IF NOT EXISTS audit (n INTEGER PRIMARY KEY, time REAL NOT NULL, who TEXT NOT NULL,
    what TEXT NOT NULL, target TEXT NOT NULL, result INTEGER NOT NULL, place TEXT NOT NULL);
"""


class Principal(NamedTuple):
    """Who asks: name, role, and how they showed it (session, key or token)."""

    name: str
    role: Role
    how: str

    def may(self, needed: str) -> bool:
        """Whether the role suffices; a key that may only ingest may nothing else."""
        if self.role == "ingest":
            return needed == "ingest"
        return ROLES[self.role] >= ROLES["operator" if needed == "ingest" else needed]


class Tables(Protocol):
    """Where accounts are kept: tables `user`, `session`, `link`, `api_key`, `signing`, `audit`."""

    def rows(self, query: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
        """Rows of a query with `?` for its values."""

    def change(self, query: str, arguments: Sequence[object]) -> int:
        """Change rows; how many."""

    def close(self) -> None:
        """Close it."""


class FileTables:
    """One SQLite file, opened or made.

    Args:
        path: of it; only its owner can read it.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_TABLES)

    def rows(self, query: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
        """Rows of a query with `?` for its values."""
        return self._db.execute(query, arguments).fetchall()

    def change(self, query: str, arguments: Sequence[object]) -> int:
        """Change rows; how many."""
        return self._db.execute(query, arguments).rowcount

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class Accounts:
    """Who may do what.

    Args:
        place: a file, made if it is not there, or what several portals share.
        clock: seconds since 1970.
    """

    def __init__(self, place: Path | Tables, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tables: Tables = FileTables(place) if isinstance(place, Path) else place
        self._lock = threading.RLock()
        self._passwords = PasswordHash.recommended()
        self._nobody = self._passwords.hash(secrets.token_urlsafe())
        self._seen: dict[str, tuple[float, Principal]] = {}

    def close(self) -> None:
        """Close what they are kept in."""
        self._tables.close()

    # ---- people

    @property
    def empty(self) -> bool:
        """Whether nobody can log in yet."""
        return self._one('SELECT 1 FROM "user" LIMIT 1') is None

    def users(self) -> list[tuple[str, str]]:
        """Names and roles."""
        found: list[tuple[str, str]] = self._all('SELECT name, role FROM "user" ORDER BY name')
        return found

    def link(self, role: Role) -> str:
        """A token that makes one user of a role, once, within a day."""
        token = secrets.token_urlsafe(32)
        ends = self._clock() + _LINK_SECONDS
        self._do("INSERT INTO link VALUES (?, ?, ?)", (_digest(token), role, ends))
        return token

    def redeem(self, token: str, name: str, password: str) -> str | None:
        """Make the user of a link; the role, or None if the link is used up or unknown.

        Raises:
            ConfigurationError: the name is taken, or the password is too short.
        """
        _check(name, password)
        hashed = self._passwords.hash(password)
        with self._lock:
            row = self._one(
                "SELECT role FROM link WHERE digest = ? AND ends > ?",
                (_digest(token), self._clock()),
            )
            if row is None:
                return None
            if self._one('SELECT 1 FROM "user" WHERE name = ?', (name,)):
                message = f"there is a user {name!r} already; choose another name"
                raise ConfigurationError(message)
            if not self._do("DELETE FROM link WHERE digest = ?", (_digest(token),)):
                return None  # another portal was quicker
            self._do('INSERT INTO "user" VALUES (?, ?, ?)', (name, row[0], hashed))
        return str(row[0])

    def check(self, name: str, password: str) -> Principal | None:
        """Who logs in; it takes as long for a name that does not exist."""
        row = self._one('SELECT role, password FROM "user" WHERE name = ?', (name,))
        hashed = self._nobody if row is None else row[1]
        good = self._passwords.verify(password[:_LONGEST_PASSWORD], hashed)
        return Principal(name, row[0], "password") if good and row is not None else None

    def remove_user(self, name: str) -> bool:
        """Remove a user with their sessions; the last admin stays."""
        with self._lock:
            admins = [one for one, role in self.users() if role == "admin"]
            if admins == [name]:
                message = f"{name} is the last admin; make another one first"
                raise ConfigurationError(message)
            found = self._do('DELETE FROM "user" WHERE name = ?', (name,))
            self._do('DELETE FROM session WHERE "user" = ?', (name,))
        self._seen.clear()
        return found > 0

    # ---- sessions, keys, tokens

    def session(self, name: str) -> str:
        """A new session's token, for a cookie."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        self._do("DELETE FROM session WHERE ends < ?", (now,))
        self._do(
            "INSERT INTO session VALUES (?, ?, ?)", (_digest(token), name, now + SESSION_SECONDS)
        )
        return token

    def end_session(self, token: str) -> None:
        """Log out."""
        self._do("DELETE FROM session WHERE digest = ?", (_digest(token),))
        self._seen.clear()

    def new_key(self, name: str, role: Role, days: float, by: str) -> tuple[str, str]:
        """An API key, shown once, and its visible prefix."""
        key = _KEY + secrets.token_urlsafe(32)
        prefix = key[: len(_KEY) + 6]
        ends = self._clock() + days * 86_400
        self._do(
            "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?)",
            (prefix, _digest(key), name, role, ends, by),
        )
        return key, prefix

    def keys(self) -> list[tuple[str, str, str, float, str]]:
        """Prefix, name, role, end and maker of each key."""
        return self._all("SELECT prefix, name, role, ends, made_by FROM api_key ORDER BY prefix")

    def revoke(self, prefix: str) -> bool:
        """End a key."""
        found = self._do("DELETE FROM api_key WHERE prefix = ?", (prefix,))
        self._seen.clear()
        return found > 0

    def token(self, who: Principal) -> str:
        """A signed token (JWT) of a quarter of an hour."""
        keys = self._signing()
        claims = {"sub": who.name, "role": who.role, "exp": int(self._clock()) + TOKEN_SECONDS}
        kid, key = keys[0]
        return str(jwt.encode({"alg": "HS256", "kid": kid}, claims, key))

    def by_session(self, token: str) -> Principal | None:
        """Whose session."""
        row = self._cached(
            "s" + token,
            'SELECT name, role FROM session JOIN "user" ON session."user" = name '
            "WHERE digest = ? AND ends > ?",
            (_digest(token),),
            "session",
        )
        return row

    def by_bearer(self, token: str) -> Principal | None:
        """Whose API key or token."""
        if token.startswith(_KEY):
            return self._cached(
                "k" + token,
                "SELECT 'key:' || name, role FROM api_key WHERE digest = ? AND ends > ?",
                (_digest(token),),
                "key",
            )
        return self._by_token(token)

    def _by_token(self, token: str) -> Principal | None:
        if not token.isascii() or len(token) > 4096:
            return None
        try:
            keys = KeySet([key for _, key in self._signing()])
            claims = jwt.decode(token, keys, algorithms=["HS256"]).claims
            registry = jwt.JWTClaimsRegistry(
                int(self._clock()), exp={"essential": True}, sub={"essential": True}
            )
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return None
        name, role = claims.get("sub"), claims.get("role")
        if not isinstance(name, str) or role not in ROLES:
            return None
        return self._still(name, role)

    def _still(self, name: str, role: Role) -> Principal | None:
        """Who a token was given to, as long as the user or a key of that name has that role."""
        query = (
            "SELECT 'key:' || name, role FROM api_key WHERE 'key:' || name = ? AND role = ? "
            "AND ends > ?"
        )
        if not name.startswith(_OF_KEY):
            query = 'SELECT name, role FROM "user" WHERE name = ? AND role = ? AND ? > 0'
        return self._cached(f"t{role} {name}", query, (name, role), "token")

    def _signing(self) -> list[tuple[str, OctKey]]:
        """Keys that sign, the newest first; one a day of each portal, and the ones before check."""
        now = self._clock()
        with self._lock:
            rows = self._all("SELECT kid, secret, made FROM signing ORDER BY made DESC LIMIT 4")
            if not rows or rows[0][2] < now - _ROTATE_SECONDS:
                fresh = (secrets.token_hex(8), secrets.token_hex(32), now)
                self._do("INSERT INTO signing VALUES (?, ?, ?)", fresh)
                self._do(
                    "DELETE FROM signing WHERE made < ?",
                    (now - 2 * _ROTATE_SECONDS - TOKEN_SECONDS,),
                )
                rows = [fresh, *rows[:3]]
        return [
            (kid, OctKey.import_key(bytes.fromhex(secret), {"kid": kid})) for kid, secret, _ in rows
        ]

    def _cached(self, name: str, query: str, values: tuple[str, ...], how: str) -> Principal | None:
        """A lookup that is asked again after two seconds; while nothing answers, a minute holds."""
        now = time.monotonic()
        known = self._seen.get(name)
        if known is not None and known[0] > now:
            return known[1]
        try:
            row = self._one(query, (*values, self._clock()))
        except SinkError:
            if known is not None and known[0] > now - _TRUSTED_SECONDS:
                return known[1]
            raise
        if row is None:
            self._seen.pop(name, None)
            return None
        found = Principal(row[0], row[1], how)
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen[name] = (now + _SEEN_SECONDS, found)
        return found

    # ---- the audit log

    def note(self, who: str, what: str, target: str, result: int, place: str) -> None:
        """Write down what somebody did."""
        self._do(
            "INSERT INTO audit (time, who, what, target, result, place) VALUES (?, ?, ?, ?, ?, ?)",
            (self._clock(), who[:200], what, target[:2000], result, place[:100]),
        )

    def noted(
        self, before: int, most: int, start: float = 0.0, end: float = _NEVER
    ) -> list[tuple[int, float, str, str, str, int, str]]:
        """What was done between two times (seconds since 1970), the latest first."""
        return self._all(
            "SELECT n, time, who, what, target, result, place FROM audit WHERE n < ? "
            "AND time >= ? AND time <= ? ORDER BY n DESC LIMIT ?",
            (before, start, end, most),
        )

    def _one(self, query: str, arguments: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        found = self._all(query, arguments)
        return found[0] if found else None

    def _all(self, query: str, arguments: tuple[object, ...] = ()) -> list[Any]:
        with self._lock:
            return self._tables.rows(query, arguments)

    def _do(self, query: str, arguments: tuple[object, ...] = ()) -> int:
        with self._lock:
            return self._tables.change(query, arguments)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _check(name: str, password: str) -> None:
    if not (0 < len(name) <= 80) or not name.isprintable():
        message = "a name has 1 to 80 printable characters"
        raise ConfigurationError(message)
    if name.startswith(_RESERVED):
        message = f"a name does not begin with {' or '.join(_RESERVED)}: programs are called so"
        raise ConfigurationError(message)
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        message = f"a password has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters"
        raise ConfigurationError(message)
