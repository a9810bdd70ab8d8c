"""Where the schemas of records come from: a schema registry, or a folder.

A registry is asked for `GET /schemas/ids/N` (Confluent's REST, which Apicurio and others speak
too), once for each id, with a timeout. What happens where it fails:

- An id that it does not know (404) makes the record a dead letter with that reason.
- While it does not answer, the question is repeated for `wait_sec`; then the job stops with an
  error, before anything of those records counts as read. So nothing is lost while it is away.
- A refusal (401, 403) stops the job at once: waiting cannot help.

Secrets stand in the properties file that `client_config` names, never in the configuration.
"""

import base64
import json
import logging
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from padit.codecs.registry_format import Schema
from padit.connectors.uris import absolute, read_client_config
from padit.domain.config import Section, explain
from padit.domain.errors import ConfigurationError, SourceError

__all__ = ["FolderOfSchemas", "SchemaOptions", "SchemaRegistry", "lookup_of", "schema_options"]

_LOG = logging.getLogger(__name__)
_LARGEST = 8 << 20
_MOST_REFERENCES = 100
_FORGET_SECONDS = 30.0  # an unknown id is asked for again after so long
_MOST_UNKNOWN = 1000
_PAUSE_SECONDS = 0.5
_KINDS = {".avsc": "AVRO", ".json": "JSON", ".proto": "PROTOBUF"}


class SchemaOptions(Section):
    """Where schemas come from: give `registry` or `folder`."""

    registry: str = Field(
        default="",
        description="URL of a schema registry with Confluent's REST.",
        examples=["https://registry:8081"],
    )
    folder: str = Field(
        default="",
        description="Folder of schemas: `7.avsc` (Avro) or `7.json` (JSON Schema) by their id, or "
        "answers of a registry with `id` and `schema` under any name ending in .json.",
    )
    client_config: str | None = Field(
        default=None,
        description="Properties file for the registry, name=value per line: "
        "`basic.auth.user.info=USER:PASSWORD`, or `bearer.auth.token`; `ssl.ca.location`, "
        "`ssl.certificate.location`, `ssl.key.location`.",
    )
    timeout_sec: float = Field(
        default=5.0, gt=0, le=300, description="How long one answer is waited for, seconds."
    )
    wait_sec: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="How long a registry that is away is asked again before the job stops, "
        "seconds.",
    )

    @model_validator(mode="after")
    def _one(self) -> "SchemaOptions":
        if bool(self.registry) == bool(self.folder):
            message = "give registry or folder"
            raise ValueError(message)
        address = urllib.parse.urlsplit(self.registry)
        if self.registry and (address.scheme not in ("http", "https") or not address.hostname):
            message = "registry must read http://host:port or https://host:port"
            raise ValueError(message)
        if address.username or address.password:
            message = "a URL must not carry a user or password; put them into client_config"
            raise ValueError(message)
        return self


def schema_options(place: str, given: Any) -> SchemaOptions:
    """Check the section `schemas`; a text is a URL or a folder.

    Raises:
        ConfigurationError: a key or value that is not allowed.
    """
    if isinstance(given, str):
        key = "registry" if given.startswith(("http://", "https://")) else "folder"
        given = {key: given}
    try:
        options = SchemaOptions.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError(explain(f"{place}: schemas", SchemaOptions, error)) from error
    if options.folder and not Path(options.folder).is_dir():
        message = f"{place}: schemas: {options.folder} is no folder"
        raise ConfigurationError(message)
    update = {"folder": absolute(options.folder or None) or "",
              "client_config": absolute(options.client_config)}  # fmt: skip
    return options.model_copy(update=update)


def lookup_of(options: SchemaOptions) -> Callable[[int], Schema]:
    """The function that finds a schema by its id."""
    if options.folder:
        return FolderOfSchemas(options.folder)
    return SchemaRegistry(options)


class FolderOfSchemas:
    """Schemas in files; read when they are first needed."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __call__(self, number: int) -> Schema:
        """The schema of an id. Raises ValueError if there is none, SourceError if unreadable."""
        try:
            for suffix, kind in _KINDS.items():
                path = Path(self._folder, f"{number}{suffix}")
                if path.is_file():
                    text = path.read_text(encoding="utf-8")
                    return _answer(text) or Schema(kind, text)
            for path in sorted(Path(self._folder).glob("*.json")):
                text = path.read_text(encoding="utf-8")
                found = _answer(text)
                if found is not None and json.loads(text).get("id") == number:
                    return found
        except (OSError, UnicodeDecodeError) as error:
            message = f"schemas in {self._folder} cannot be read: {error}"
            raise SourceError(message) from error
        message = (
            f"schema {number} is unknown: {self._folder} has neither {number}.avsc, {number}.json "
            f"nor an answer of a registry with that id"
        )
        raise ValueError(message)


def _answer(text: str) -> Schema | None:
    """A saved answer of a registry."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(content, dict) and isinstance(content.get("schema"), str):
        return Schema(str(content.get("schemaType") or "AVRO"), content["schema"])
    return None


class SchemaRegistry:
    """A registry over HTTP; see the module."""

    def __init__(self, options: SchemaOptions) -> None:
        self._options = options
        self._settings = read_client_config(options.client_config)
        self._base = options.registry.rstrip("/")
        self._tls = self._context() if self._base.startswith("https") else None
        self._lock = threading.Lock()
        self._unknown: dict[int, tuple[float, str]] = {}

    def __call__(self, number: int) -> Schema:
        """The schema of an id. Raises ValueError if it is unknown, SourceError if it is away."""
        with self._lock:
            until, reason = self._unknown.get(number, (0.0, ""))
        if reason and time.monotonic() < until:
            raise ValueError(reason)
        content = self._get(f"/schemas/ids/{number}")
        if content is None:
            reason = f"schema {number} is unknown to the registry {self._base}"
            with self._lock:
                if len(self._unknown) >= _MOST_UNKNOWN:
                    self._unknown.clear()
                self._unknown[number] = (time.monotonic() + _FORGET_SECONDS, reason)
            raise ValueError(reason)
        references: dict[tuple[str, int], str] = {}
        self._refer(content, references)
        kind = str(content.get("schemaType") or "AVRO").upper()
        return Schema(kind, str(content.get("schema", "")), tuple(references.values()))

    def _refer(self, content: Mapping[str, Any], found: dict[tuple[str, int], str]) -> None:
        """Add the schemas that one refers to, those first that others refer to."""
        for one in content.get("references") or ():
            key = (str(one["subject"]), int(one["version"]))
            if key in found or len(found) >= _MOST_REFERENCES:
                continue
            subject = urllib.parse.quote(key[0], safe="")
            inner = self._get(f"/subjects/{subject}/versions/{key[1]}")
            if inner is None:
                message = f"the reference {key[0]}, version {key[1]}, is unknown to {self._base}"
                raise ValueError(message)
            found[key] = ""  # so that a circle ends
            self._refer(inner, found)
            del found[key]
            found[key] = str(inner.get("schema", ""))

    def _get(self, path: str) -> Mapping[str, Any] | None:
        """The answer to a question; None where the registry does not know it."""
        started = time.monotonic()
        pause = _PAUSE_SECONDS
        while True:
            try:
                return self._ask(path)
            except _AwayError as error:
                waited = time.monotonic() - started
                if waited + pause > self._options.wait_sec:
                    message = (
                        f"the schema registry {self._base} has not answered for {waited:.0f} s "
                        f"({error}); the job stops, so that no record is lost. Is it up?"
                    )
                    raise SourceError(message) from error
                _LOG.warning("waiting for the schema registry %s: %s", self._base, error)
                time.sleep(pause)
                pause = min(2 * pause, 10.0)

    def _ask(self, path: str) -> Mapping[str, Any] | None:
        accept = "application/vnd.schemaregistry.v1+json, application/json"
        headers = {"Accept": accept, **self._authorization()}
        request = urllib.request.Request(self._base + path, headers=headers)  # noqa: S310  # checked
        try:
            with urllib.request.urlopen(  # noqa: S310
                request, timeout=self._options.timeout_sec, context=self._tls
            ) as answer:
                body = answer.read(_LARGEST + 1)
        except urllib.error.HTTPError as error:
            with error:
                self._check(error)
            return None
        except (OSError, ValueError) as error:  # a bad line of status is a ValueError
            raise _AwayError(str(getattr(error, "reason", error))) from error
        try:
            content = json.loads(body) if len(body) <= _LARGEST else None
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            message = "its answer is no JSON object"
            raise _AwayError(message)
        return content

    def _check(self, error: urllib.error.HTTPError) -> None:
        """Raise for every refusal but that of what is unknown."""
        if error.code == 404:
            return
        if error.code in (401, 403):
            message = (
                f"the schema registry {self._base} refuses: {error.code} {error.reason}; "
                "see client_config under schemas"
            )
            raise SourceError(message)
        message = f"{error.code} {error.reason}"
        raise _AwayError(message)

    def _authorization(self) -> dict[str, str]:
        user = self._settings.get("basic.auth.user.info", "")
        token = self._settings.get("bearer.auth.token", "")
        if user:
            return {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _context(self) -> ssl.SSLContext:
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.get("ssl.ca.location"))
            if "ssl.certificate.location" in settings:
                context.load_cert_chain(
                    settings["ssl.certificate.location"], settings.get("ssl.key.location")
                )
        except OSError as error:
            message = f"schemas: the TLS files of {self._options.client_config} fail: {error}"
            raise ConfigurationError(message) from error
        return context


class _AwayError(Exception):
    """The registry does not answer now."""
