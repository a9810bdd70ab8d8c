"""No configuration error shows a secret: a law over every option of every part."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import padit.adapters
import padit.alerting
import padit.connectors
import padit.stores
from padit.adapters.config import AdaptersConfig
from padit.adapters.registry import create_adapter
from padit.domain.config import explain, load_config, load_model
from padit.domain.errors import ConfigurationError
from padit.domain.secret_options import holds_secret
from padit.stores.registry import store_from_uri

ROOMS = (padit.adapters, padit.alerting, padit.connectors, padit.stores)
LOOKS_SECRET = re.compile(
    r"passw|passphrase|token|secret|credential|communit|authori[sz]ation|headers\b|cookie|"
    r"(?<!dedup)[_ ]key\b|\bkey\b",
    re.IGNORECASE,
)
WORDS = {
    "client_config": "names a file; its settings are never read into an option",
}
OPEN = {
    "Grouping.edge_labels": "names labels; the key is one of a mapping",
    "Slack.Settings.channel": "goes with a token, and is none",
    "LiveKey.key": "names a key of Redis",
    "Settings.features_key": "names a key of Redis",
    "Settings.positions_key": "names a key of Redis",
}


def models() -> dict[str, type[BaseModel]]:
    for room in ROOMS:
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(found.name)
    return {
        f"{one.__module__}.{one.__qualname__}": one
        for one in below(BaseModel)
        if one.__module__.startswith("padit.") and not one.__module__.startswith("padit.portal")
    }


def below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in model.__subclasses__():
        yield one
        yield from below(one)


MODELS = models()
SECRETS = [
    (where, name)
    for where, model in sorted(MODELS.items())
    for name in model.model_fields
    if holds_secret(name)
]
MQTT = {"type": "mqtt", "subscriptions": [{"topic": "a"}]}
JUNK: list[Any] = [12345678, 1234.5678, True, "hunter2", ["hunter2", 5], {"a": ["hunter2"]}]


def told(model: type[BaseModel], content: Any) -> Iterator[str]:
    """What is said of each fault, as if it were the only one."""
    try:
        model.model_validate(content)
    except ValidationError as error:
        for one in error.errors():

            class Only:
                def errors(self, one: Any = one) -> list[Any]:
                    return [one]

            found: Any = Only()
            yield explain("place", model, found)


def test_every_option_that_looks_secret_is_one_or_says_why_not() -> None:
    used, missing = set(), []
    for where, model in MODELS.items():
        for name, field in model.model_fields.items():
            if not re.search("str|Any|dict", str(field.annotation)) or holds_secret(name):
                continue
            if LOOKS_SECRET.search(f"{name}: {field.description}"):
                short = f"{model.__qualname__}.{name}"
                used |= {name, short}
                if name not in WORDS and short not in OPEN:
                    missing.append(f"{where}.{name}")
    assert missing == [], "name them in domain/secret_options.py, or here with the reason"
    assert {*WORDS, *OPEN} <= used


@pytest.mark.parametrize(("where", "name"), SECRETS)
def test_wrong_value_of_a_secret_is_never_shown(where: str, name: str) -> None:
    for junk in JUNK:
        for message in told(MODELS[where], {name: junk}):
            assert not re.search("hunter2|5678", message), message


def test_there_are_such_options_in_every_room() -> None:
    rooms = {where.split(".")[1] for where, _ in SECRETS}
    assert {"adapters", "alerting"} <= rooms
    assert {"password", "tokens", "community", "headers", "routing_key", "auth"} <= {
        name for _, name in SECRETS
    }


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({**MQTT, "password": 12345678}, "password: Input should be a valid string"),
        ({**MQTT, "password": ["hunter2"]}, "it is a list"),
        ({"type": "snmp", "host": "h", "community": 12345678}, "it is a number"),
        ({"type": "influx", "tokens": "hunter2"}, "tokens: Input should be a list (it is text"),
        ({"type": "http", "targets": [{"url": "http://h", "auth": "hunter2"}]}, "auth: Input"),
        ({"type": "http", "targets": [{"url": "http://h", "auth": {"username": "u",
          "password_env": "hunter2", "bearer_token_env": "hunter2"}}]}, "give `username`"),
        ({"type": "http", "urls": ["http://u:hunter2@[/"]}, "url"),
        ({"type": "prometheus-scrape", "urls": ["ftp://u:hunt/er2@h/x?api_key=hunter2"]}, "url"),
        ({"type": "prometheus-scrape", "urls": ["http://h"], "headers": {"x-api-key": 12345678}},
         "headers.x-api-key"),
    ],
)  # fmt: skip
def test_error_of_an_adapter_names_the_option_and_not_its_value(
    config: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_adapter(config)
    assert named in str(caught.value)
    assert not re.search("hunter2|er2|12345678", str(caught.value))


@pytest.mark.parametrize(
    "security", ["{sasl.password: [hunter2], x: 1}", "hunter2", "{ssl.key.password: hunter2, a: b}"]
)
def test_error_about_kafkas_settings_shows_none_of_them(security: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"kafka: {{security: {security}}}\nadapters: [{{type: host}}]\n")
    with pytest.raises(ConfigurationError, match=r"kafka\.security") as caught:
        load_model(str(path), AdaptersConfig)
    assert "hunter2" not in str(caught.value)


def test_error_about_a_store_shows_no_password_of_its_address() -> None:
    for uri in ("redis://u:hunter2@h/0?nothing=1", "redis://h/0?password=hunter2"):
        with pytest.raises(ConfigurationError) as caught:
            store_from_uri(uri)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ['"hunter2', "hunter2: x", "@hunter2", "*hunter2", "!hunter2 x", "[hunter2", "%hunter2"]
)
def test_text_that_is_no_yaml_is_named_by_its_line_without_the_secret(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"a: 1\npassword: {text}\n")
    with pytest.raises(ConfigurationError, match="line 2, column ") as caught:
        load_config(str(path))
    assert "hunter2" not in str(caught.value)
