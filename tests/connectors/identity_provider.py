"""A token endpoint for client credentials (RFC 6749, section 4.4), on loopback.

Its tokens are signed by nobody, as brokers take them that have no keys configured.
"""

import base64
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.serving import Serving

LIFE = 4  # seconds


class IdentityProvider(Serving):
    """Gives tokens for a principal to a client that knows the secret.

    Attributes:
        given: how many tokens it gave.
        answer: what it answers instead, as bytes; None: a token.
    """

    def __init__(self, client: str, secret: str, principal: str) -> None:
        self.given = 0
        self.answer: bytes | None = None
        login = base64.b64encode(f"{client}:{secret}".encode()).decode()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                known = self.headers["Authorization"] == f"Basic {login}"
                asked = parse_qs(body.decode()).get("grant_type") == ["client_credentials"]
                self._send(*provider.answer_to(principal, known and asked))

            def _send(self, code: int, content: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        self.url = f"http://127.0.0.1:{self.port}/token"

    def answer_to(self, principal: str, allowed: bool) -> tuple[int, bytes]:
        """Status and content of an answer."""
        if not allowed:
            return 401, b'{"error": "invalid_client"}'
        if self.answer is not None:
            return 200, self.answer
        self.given += 1
        now = time.time()
        claims = {"sub": principal, "iat": now, "exp": now + LIFE, "scope": "read"}
        token = f"{_part({'alg': 'none'})}.{_part(claims)}."
        return 200, json.dumps({"access_token": token, "expires_in": LIFE}).encode()


def _part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
