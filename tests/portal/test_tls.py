"""`padit portal` over TLS: a real handshake, HSTS and secure cookies only there."""

import contextlib
import datetime
import http.client
import ipaddress
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from padit.devcluster.ports import free_port
from tests.limits import allowed
from tests.portal.making import append, transition, wait_for


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine's loopback, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "padit")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return cert, private


@contextmanager
def _portal(folder: Path, *options: str) -> Iterator[tuple[int, str]]:
    """The command as people start it; its port, and the token of its one-time link."""
    append(folder / "alerts.jsonl", transition("opened", 0))
    port, log = free_port(), folder / "portal.log"
    command = [sys.executable, "-m", "padit.cli.main", "portal", f"--data={folder}",
               f"--port={port}", *options]  # fmt: skip
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file)
    try:
        wait_for(lambda: _answers(port) or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        yield port, re.findall(r"#/first/(\S+)", log.read_text())[0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(allowed(30)) in (0, -signal.SIGTERM)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _first(connection: http.client.HTTPConnection, token: str) -> http.client.HTTPResponse:
    body = f'{{"token": "{token}", "name": "ann", "password": "correct horse battery"}}'
    connection.request("POST", "/api/first", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer


def test_over_tls_the_certificate_is_checked_and_browsers_are_told_to_stay(tmp_path: Path) -> None:
    cert, key = _certificate(tmp_path)
    with _portal(tmp_path, f"--cert={cert}", f"--key={key}") as (port, token):
        trusted = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=30)
        answer = _first(connection, token)
        assert answer.status == 200
        assert connection.sock.version() in ("TLSv1.2", "TLSv1.3")
        assert "max-age=31536000" in str(answer.headers["strict-transport-security"])
        cookie = str(answer.headers["set-cookie"])
        assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=strict"))
        connection.close()
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            socket.create_connection(("127.0.0.1", port), 30) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            pass
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(str(cert))
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            pytest.raises((ssl.SSLError, ConnectionError)),
            socket.create_connection(("127.0.0.1", port), 30) as plain,
            old.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            pass
        with (
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as bare,
            pytest.raises((http.client.HTTPException, ConnectionError)),
        ):
            _first(bare, token)


def test_without_tls_nothing_is_promised_and_only_this_machine_is_served(tmp_path: Path) -> None:
    with _portal(tmp_path) as (port, token):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as bare:
            answer = _first(bare, token)
        assert answer.headers["strict-transport-security"] is None
        assert "Secure" not in str(answer.headers["set-cookie"])
