"""Tokens of OAUTHBEARER from librdkafka's settings; the logins themselves are in test_job_acls."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.errors import SaslAuthenticationFailedError

from padit.connectors.kafka_oauth import token_provider
from padit.connectors.kafka_settings import fetch_settings
from padit.domain.errors import ConfigurationError
from tests.connectors.identity_provider import IdentityProvider

PLACE = "client_config=kafka.properties"
OIDC = {
    "sasl.oauthbearer.method": "oidc",
    "sasl.oauthbearer.client.id": "padit",
    "sasl.oauthbearer.client.secret": "right-4711",
}


def _unsecured(config: str) -> dict[str, str]:
    return {"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": config}


def _claims(token: str) -> dict[str, object]:
    head, body, signature = token.split(".")
    assert signature == ""
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "none"}
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return found


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider("padit", "right-4711", "padit") as found:
        yield found


def test_an_unsecured_token_says_what_librdkafkas_says() -> None:
    tokens = token_provider(
        _unsecured("principalClaimName=azp principal=me scopeClaimName=roles scope=r1,r2 "
                   "lifeSeconds=60 extension_traceId=123"), PLACE,
    )  # fmt: skip
    claims = _claims(tokens.token())
    assert (claims["azp"], claims["roles"]) == ("me", ["r1", "r2"])
    assert float(str(claims["exp"])) - float(str(claims["iat"])) == pytest.approx(60)
    assert tokens.extensions() == {"traceId": "123"}


def test_a_token_is_kept_for_four_fifths_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    tokens = token_provider(_unsecured("principal=me lifeSeconds=100"), PLACE)
    for after, fresh in ((0, True), (79, False), (81, True), (160, False), (162, True)):
        monkeypatch.setattr(time, "monotonic", lambda after=after: now + after)
        before = tokens._kept
        assert (tokens.token() != before) == fresh


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "OAUTHBEARER needs sasl.oauthbearer.method=oidc"),
        (_unsecured(""), "config is written principal=NAME"),
        (_unsecured("principal"), "config is not written name=value"),
        (_unsecured("principal=a bananas=b"), "config is written principal=NAME"),
        (_unsecured("principal=a lifeSeconds=-1"), "config is written principal=NAME"),
        ({"sasl.oauthbearer.method": "x"}, "method is neither default nor oidc"),
        (OIDC, "token.endpoint.url is no address"),
        ({**OIDC, "sasl.oauthbearer.token.endpoint.url": "file:///etc/passwd"}, "is no address"),
        ({**OIDC, "sasl.oauthbearer.grant.type": "jwt-bearer"}, "only be client_credentials"),
        ({"sasl.oauthbearer.method": "oidc",
          "sasl.oauthbearer.token.endpoint.url": "https://a/b"}, "needs sasl.oauthbearer.client"),
        ({**OIDC, "sasl.oauthbearer.token.endpoint.url": "https://a/b",
          "https.ca.location": "/nowhere.pem"}, "https.ca.location cannot be used: No such file"),
        ({**OIDC, "sasl.oauthbearer.token.endpoint.url": "https://a/b",
          "https.ca.pem": "none"}, "https.ca.pem cannot be used"),
        ({**OIDC, "sasl.oauthbearer.token.endpoint.url": "https://a/b",
          "sasl.oauthbearer.extensions": "a=b\x01c=d"}, "extensions is not written name=value"),
    ],
)  # fmt: skip
def test_what_leads_to_no_token_is_refused_without_a_secret(
    given: dict[str, str], words: str
) -> None:
    connection = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
    with pytest.raises(ConfigurationError) as caught:
        fetch_settings("broker:9092", {**connection, **given}, PLACE)
    assert str(caught.value).startswith(f"{PLACE}: ")
    assert words in str(caught.value)
    assert "right-4711" not in str(caught.value)


def test_an_identity_provider_is_asked_once_for_a_token(provider: IdentityProvider) -> None:
    given = {**OIDC, "sasl.oauthbearer.token.endpoint.url": provider.url,
             "sasl.oauthbearer.extensions": "a=b,c=d"}  # fmt: skip
    tokens = token_provider(given, PLACE)
    assert provider.given == 0
    assert _claims(tokens.token())["sub"] == "padit"
    assert tokens.token() == tokens.token()
    assert provider.given == 1
    assert tokens.extensions() == {"a": "b", "c": "d"}
    assert "right-4711" not in repr(tokens)


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{}", b"null", b'{"access_token": 7}', b'{"access_token": "a\\u0001b"}',
     b'{"access_token": "a", "expires_in": "soon"}', b"[" * 60_000, b'"' + b"x" * 200_000 + b'"',
     b"\xff\xfe"],
)  # fmt: skip
def test_an_answer_without_a_token_is_an_error_that_names_the_provider(
    provider: IdentityProvider, answer: bytes
) -> None:
    provider.answer = answer
    tokens = token_provider({**OIDC, "sasl.oauthbearer.token.endpoint.url": provider.url}, PLACE)
    with pytest.raises(SaslAuthenticationFailedError, match="holds no access_token"):
        tokens.token()


def test_a_provider_that_is_away_is_asked_again(provider: IdentityProvider) -> None:
    away = "http://127.0.0.1:1/token"
    tokens = token_provider({**OIDC, "sasl.oauthbearer.token.endpoint.url": away}, PLACE)
    for _ in range(2):
        with pytest.raises(SaslAuthenticationFailedError, match=r"no token from 127\.0\.0\.1:1: "):
            tokens.token()


def test_no_file_stands_in_for_a_token(tmp_path: Path) -> None:
    place = (tmp_path / "token").as_uri()
    with pytest.raises(ConfigurationError, match="is no address of http or https"):
        token_provider({**OIDC, "sasl.oauthbearer.token.endpoint.url": place}, PLACE)
