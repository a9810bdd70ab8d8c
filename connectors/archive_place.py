"""Where an archive lies: a folder of the local disk, of S3 or of Google Cloud Storage.

Objects are written whole or not at all: object stores do that, and on a disk a file is written
under a hidden name first. Credentials come from where the clients of these services look for
them (environment, profile, role of the machine), or from the file that `client_config` names.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pyarrow.fs as pafs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from padit.connectors.uris import Address, absolute, read_client_config
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError, PaditError, SourceError

__all__ = ["ArchivePlace", "PlaceOptions", "PlaceRefusedError", "place_of"]

T = TypeVar("T")
_KEYS = ("access_key", "secret_key", "session_token")
_LISTED = pafs.FileSelector

# What a service says, and what to do about it.
_HOPELESS = {
    "ACCESS_DENIED": "the credentials may not do that",
    "INVALID_ACCESS_KEY_ID": "the access key is not known there",
    "INVALID_CLIENT_TOKEN_ID": "the access key is not known there",
    "InvalidAccessKeyId": "the access key is not known there",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "NO_SUCH_BUCKET": "there is no such bucket; create it first",
    "HTTP status 403": "the credentials are refused",
    "PERMISSION_DENIED": "the credentials may not do that",
    "UNAUTHENTICATED": "the credentials are refused",
    "No response body": "",
}


class PlaceRefusedError(ConfigurationError):
    """A service refuses the credentials, or has no such bucket: so it is set, or set of late."""


class PlaceOptions(BaseModel):
    """Options of an archive in its URI."""

    model_config = ConfigDict(extra="forbid")
    endpoint: str | None = Field(
        default=None,
        description="URL of a server that is not Amazon's, or Google's: http://minio:9000",
    )
    region: str | None = Field(default=None, description="Region of the bucket.")
    client_config: str | None = Field(
        default=None,
        description="File with access_key=, secret_key= and session_token=, one a line.",
    )
    request_timeout_sec: float = Field(
        default=30.0, gt=0, description="Of one request; of all its attempts for gs://."
    )
    attempts: int = Field(
        default=5, ge=1, le=50, description="Attempts of one request, where the service is busy."
    )


@dataclass
class ArchivePlace:
    """A folder; pickled with its source, so it opens nothing before it is used.

    Attributes:
        uri: as it was given, for people.
        scheme: "s3", "gs" or "" for the local disk.
        root: bucket and path, or an absolute path.
        options: see there.
    """

    uri: str
    scheme: str
    root: str
    options: PlaceOptions
    _system: Any = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the connection."""
        return {**self.__dict__, "_system": None}

    @property
    def system(self) -> pafs.FileSystem:
        """The file system, connected when it is needed first."""
        if self._system is None:
            self._system = self._connect()
        return self._system

    def _connect(self) -> pafs.FileSystem:
        if not self.scheme:
            return pafs.LocalFileSystem()
        if self.scheme == "gs":
            return self._gcs()
        given = read_client_config(self.options.client_config)
        unknown = sorted(set(given) - set(_KEYS))
        if unknown:
            message = (
                f"client_config={self.options.client_config}: {unknown[0]} is not known; "
                f"allowed are {', '.join(_KEYS)}"
            )
            raise ConfigurationError(message)
        return self._s3(given)

    def _gcs(self) -> pafs.FileSystem:
        """Google Cloud Storage, or a server with the same API; without https there is no login."""
        scheme, _, host = (self.options.endpoint or "").rpartition("://")
        settings: dict[str, Any] = {}
        if host:
            settings = {"scheme": scheme or "https", "endpoint_override": host}
            settings["anonymous"] = scheme == "http"
        limit = timedelta(seconds=self.options.request_timeout_sec)  # of all attempts of a request
        return pafs.GcsFileSystem(retry_time_limit=limit, **settings)

    def _s3(self, given: dict[str, str]) -> pafs.FileSystem:
        scheme, _, host = (self.options.endpoint or "").rpartition("://")
        settings: dict[str, Any] = {name: given[name] for name in _KEYS if name in given}
        if self.options.region:
            settings["region"] = self.options.region
        if host:
            settings |= {"endpoint_override": host, "scheme": scheme or "https"}
            settings.setdefault("region", "us-east-1")  # else a request is made to find it out
        return pafs.S3FileSystem(
            connect_timeout=min(10.0, self.options.request_timeout_sec),
            request_timeout=self.options.request_timeout_sec,
            retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=self.options.attempts),
            **settings,
        )

    def forget(self) -> None:
        """Drop the connection; the next call connects again and reads the credentials again."""
        self._system = None

    def path(self, name: str) -> str:
        """Path of a file as the file system names it."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes:
        """All of a file. Raises SourceError, FileNotFoundError."""

        def attempt() -> bytes:
            with self.system.open_input_stream(self.path(name), compression=None) as file:
                found: bytes = file.read()
            return found

        return self._tried(attempt, name)

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a file; it is there whole or not at all. Raises SourceError."""

        def attempt() -> None:
            if self.scheme:
                try:
                    self._put(self.path(name), data)
                except FileNotFoundError:  # so Google's client names a bucket that is gone
                    self._find_bucket()
                    raise
            else:
                _write_locally(self.path(name), data)

        self._tried(attempt, name)

    def _put(self, path: str, data: bytes | memoryview) -> None:
        with self.system.open_output_stream(path, compression=None) as file:
            file.write(data)

    def list(self, folder: str = "") -> list[tuple[str, int]]:
        """Names of all files below a folder and their bytes, sorted; none if there is no folder."""
        return [(name, size) for name, (size, _) in self.stamps(folder).items()]

    def stamps(self, folder: str = "") -> dict[str, tuple[int, int]]:
        """Bytes and time of change (nanoseconds) of all files below a folder, sorted by name."""

        def attempt() -> dict[str, tuple[int, int]]:
            chosen = _LISTED(self.path(folder), allow_not_found=True, recursive=True)
            found = self.system.get_file_info(chosen)
            begin = len(self.root) + 1
            if not found and self.scheme == "gs":  # S3 says so by itself
                self._find_bucket()
            return {
                one.path[begin:]: (one.size or 0, one.mtime_ns or 0)
                for one in sorted(found, key=lambda one: one.path)
                if one.type == pafs.FileType.File and not one.base_name.startswith(".")
            }

        return self._tried(attempt, folder)

    def _find_bucket(self) -> None:
        bucket = self.root.partition("/")[0]
        if self.system.get_file_info(bucket).type == pafs.FileType.NotFound:
            message = f"{self.uri}: there is no such bucket; create it first"
            raise PlaceRefusedError(message)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there. Raises SourceError."""

        def attempt() -> None:
            try:
                self.system.delete_file(self.path(name))
            except FileNotFoundError:
                return

        self._tried(attempt, name)

    def open(self, name: str) -> Any:
        """A file for random access. Raises SourceError, FileNotFoundError."""
        return self._tried(lambda: self.system.open_input_file(self.path(name)), name)

    def _tried(self, attempt: Callable[[], T], name: str) -> T:
        """What an attempt gives.

        Raises:
            FileNotFoundError: there is no such file.
            PlaceRefusedError: waiting cannot help, unless somebody changes it meanwhile.
            SourceError: it may work later.
        """
        try:
            return attempt()
        except (FileNotFoundError, PaditError):
            raise
        except PermissionError as error:
            message = f"{self.uri}: {name or self.root}: {error.strerror or error}"
            raise PlaceRefusedError(message) from error
        except (OSError, ValueError) as error:
            text = str(error)
            for sign, reason in _HOPELESS.items():
                if sign in text and reason:
                    message = f"{self.uri}: {reason} ({_short(text)}); {self._remedy()}"
                    raise PlaceRefusedError(message) from error
            message = f"{self.uri}: {name or self.root}: {_short(text)}"
            raise SourceError(message) from error

    def _remedy(self) -> str:
        """Where credentials come from."""
        if self.options.client_config:
            return f"check {self.options.client_config}"
        if self.scheme == "s3":
            return "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give client_config=FILE"
        return "check GOOGLE_APPLICATION_CREDENTIALS, or the role of this machine"


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."


def _write_locally(path: str, data: bytes | memoryview) -> None:
    """Under a hidden name, then under its own; on the disk before anyone can see it."""
    folder, base = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    hidden = os.path.join(folder, f".{base}.{secrets.token_hex(4)}")
    try:
        with open(hidden, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, path)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        if os.path.exists(hidden):
            os.unlink(hidden)
        raise


def place_of(address: Address, others: frozenset[str] = frozenset()) -> ArchivePlace:
    """The place that an address names.

    Args:
        address: parsed.
        others: options that somebody else takes.

    Raises:
        ConfigurationError: an option that is not allowed, or no bucket or folder.
    """
    mine = {name: value for name, value in address.options.items() if name not in others}
    try:
        options = PlaceOptions.model_validate(mine)
    except ValidationError as error:
        raise ConfigurationError(explain(address.uri, PlaceOptions, error)) from error
    foreign = sorted(options.model_fields_set & {"client_config", "region", "attempts"})
    if address.kind == "gs" and foreign:
        message = (
            f"{address.uri}: {foreign[0]} is of S3; Google's client takes its credentials from "
            "GOOGLE_APPLICATION_CREDENTIALS or the role of the machine, and repeats a request for "
            "request_timeout_sec"
        )
        raise ConfigurationError(message)
    options.client_config = absolute(options.client_config)
    path = address.path.strip("/") if address.host else address.path.rstrip("/")
    if address.kind in ("s3", "gs"):
        if not address.host or not path:
            message = f"{address.uri}: an archive is written {address.kind}://bucket/folder"
            raise ConfigurationError(message)
        return ArchivePlace(address.uri, address.kind, f"{address.host}/{path}", options)
    if address.host or not path:
        message = (
            f"{address.uri}: an archive is s3://bucket/folder, gs://bucket/folder or a folder/"
        )
        raise ConfigurationError(message)
    return ArchivePlace(address.uri, "", os.path.abspath(path), options)
